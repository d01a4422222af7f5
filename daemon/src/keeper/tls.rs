//! The one thing that is signed for vedetted without being read: a TLS 1.3 client's CertificateVerify.

use vedette_crypto::{Signer, SigningKey};

/// Signs, if the message is what RFC 8446, section 4.4.3 has a client sign: 64 spaces, the context
/// string, a zero byte and a transcript hash (SHA-256 or SHA-384).
///
/// No signed message of ours begins with spaces, so that no signature given here passes for one.
pub fn sign(identity: &SigningKey, message: &[u8]) -> Option<[u8; 64]> {
    let hash = message.strip_prefix(&[b' '; 64])?.strip_prefix(CONTEXT)?;
    matches!(hash.len(), 32 | 48).then(|| {
        let Ok(signature) = identity.sign(message);
        signature
    })
}

const CONTEXT: &[u8] = b"TLS 1.3, client CertificateVerify\0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_certificate_verify_is_signed() {
        let identity = SigningKey::generate();
        let message = |spaces: usize, context: &str, hash: usize| {
            [&vec![b' '; spaces], context.as_bytes(), b"\0", &vec![7; hash]].concat()
        };
        let client = "TLS 1.3, client CertificateVerify";
        for hash in [32, 48] {
            let right = message(64, client, hash);
            let signature = sign(&identity, &right).unwrap();
            assert_eq!(identity.verifying_key().verify(&right, &signature), Ok(()));
        }
        for wrong in [
            message(63, client, 32),
            message(65, client, 32),
            message(64, client, 31),
            message(64, client, 64),
            message(64, "TLS 1.3, server CertificateVerify", 32),
            message(64, "vedette/1", 32),
            vec![],
        ] {
            assert!(sign(&identity, &wrong).is_none());
        }
    }
}
