//! What a TLS client signs to show that it holds its certificate's key. Pure.

/// The content of a CertificateVerify, as it is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateVerify {
    /// RFC 8446, section 4.4.3: a context that nothing else has, and a hash of the handshake.
    Tls13,
    /// RFC 5246, section 7.4.8: the messages of the handshake so far.
    Tls12,
}

impl CertificateVerify {
    /// Reads the bytes that are to be signed, to their last; what is anything else is none. A server's own
    /// CertificateVerify is something else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let hash = bytes
            .strip_prefix(&[b' '; 64])
            .and_then(|rest| rest.strip_prefix(b"TLS 1.3, client CertificateVerify\0"));
        match hash {
            // SHA-256 or SHA-384.
            Some(hash) => matches!(hash.len(), 32 | 48).then_some(Self::Tls13),
            None => is_tls12_handshake(bytes).then_some(Self::Tls12),
        }
    }
}

/// Whether these are the messages of one handshake in which the server has asked for a certificate (RFC 5246,
/// section 7.3): from the client's hello to its key exchange, which stands right before what is signed.
fn is_tls12_handshake(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut kinds = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<4>() {
        let [kind, a, b, c] = *header;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let Some((_, behind)) = behind.split_at_checked(length) else {
            return false;
        };
        // The status of the server's certificate may stand between others (RFC 6066, section 8).
        if kind != CERTIFICATE_STATUS || kinds.last() != Some(&CERTIFICATE) {
            kinds.push(kind);
        }
        if kinds.len() > ORDER.len() {
            return false;
        }
        rest = behind;
    }
    rest.is_empty() && kinds == ORDER
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const SERVER_HELLO_DONE: u8 = 14;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_STATUS: u8 = 22;

const ORDER: [u8; 8] = [
    CLIENT_HELLO,
    SERVER_HELLO,
    CERTIFICATE,
    SERVER_KEY_EXCHANGE,
    CERTIFICATE_REQUEST,
    SERVER_HELLO_DONE,
    CERTIFICATE,
    CLIENT_KEY_EXCHANGE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content(spaces: usize, context: &str, hash: usize) -> Vec<u8> {
        [&vec![b' '; spaces], context.as_bytes(), b"\0", &vec![7; hash]].concat()
    }

    fn handshake(kinds: &[u8]) -> Vec<u8> {
        kinds.iter().flat_map(|kind| [*kind, 0, 0, 2, 7, 7]).collect()
    }

    #[test]
    fn only_a_clients_certificate_verify_is_read() {
        let client = "TLS 1.3, client CertificateVerify";
        for hash in [32, 48] {
            let read = CertificateVerify::read(&content(64, client, hash));
            assert_eq!(read, Some(CertificateVerify::Tls13));
        }
        let right = handshake(&ORDER);
        assert_eq!(CertificateVerify::read(&right), Some(CertificateVerify::Tls12));
        let stapled = handshake(&[1, 2, 11, 22, 12, 13, 14, 11, 16]);
        assert_eq!(CertificateVerify::read(&stapled), Some(CertificateVerify::Tls12));
        for wrong in [
            content(63, client, 32),
            content(65, client, 32),
            content(64, client, 31),
            content(64, client, 64),
            content(64, "TLS 1.3, server CertificateVerify", 32),
            content(64, "vedette/1", 32),
            handshake(&[1, 2, 11, 12, 14, 11, 16]),
            handshake(&[2, 1, 11, 12, 13, 14, 11, 16]),
            handshake(&[1, 2, 11, 12, 13, 14, 11]),
            handshake(&[1, 2, 22, 11, 12, 13, 14, 11, 16]),
            handshake(&[1, 2, 11, 12, 13, 14, 11, 16, 15]),
            right[..right.len() - 1].to_vec(),
            [right.as_slice(), b"\0"].concat(),
            vec![],
        ] {
            assert_eq!(CertificateVerify::read(&wrong), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = CertificateVerify::read(&bytes);
        }
    }
}
