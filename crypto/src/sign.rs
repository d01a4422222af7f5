//! Ed25519 signatures (RFC 8032): identities of appliances, the platform's word, the owner's.

use std::{convert::Infallible, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

/// Whatever can sign: a key in memory, a process that holds one, a TPM.
pub trait Signer {
    /// Why a signature may not be had.
    type Error;

    /// Signs `bytes`.
    ///
    /// # Errors
    /// When the holder of the key refuses or cannot be reached.
    fn sign(&self, bytes: &[u8]) -> Result<[u8; 64], Self::Error>;

    /// The public half.
    fn verifying_key(&self) -> VerifyingKey;
}

/// A private key. Boxed: a move leaves no copy, and the wiping allocator clears its block.
pub struct SigningKey(Box<Ed25519KeyPair>);

/// A private key in PKCS #8 (RFC 8410), for keeping; wiped on drop.
pub struct Pkcs8(Zeroizing<Vec<u8>>);

/// Bytes that are no private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 private key in PKCS #8")]
pub struct NotASigningKey;

impl SigningKey {
    /// A fresh key, which cannot be kept.
    pub fn generate() -> Self {
        Self::from_pkcs8(&Pkcs8::generate()).expect("a generated document is a valid one")
    }

    /// Reads a kept key.
    ///
    /// # Errors
    /// When the document is not a key, or its halves do not belong together.
    pub fn from_pkcs8(document: &Pkcs8) -> Result<Self, NotASigningKey> {
        Ed25519KeyPair::from_pkcs8(&document.0)
            .map(|pair| Self(Box::new(pair)))
            .map_err(|_| NotASigningKey)
    }
}

impl Signer for SigningKey {
    type Error = Infallible;

    fn sign(&self, bytes: &[u8]) -> Result<[u8; 64], Infallible> {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(bytes).as_ref());
        Ok(signature)
    }

    fn verifying_key(&self) -> VerifyingKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        VerifyingKey(key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(for {})", self.verifying_key())
    }
}

impl Pkcs8 {
    /// A fresh key's document.
    pub fn generate() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new())
            .expect("getrandom(2) works once the kernel's generator is seeded");
        Self(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Takes over a document that was kept.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Lends the document, to keep it where only its owner can read.
    pub fn with<R>(&self, use_bytes: impl FnOnce(&[u8]) -> R) -> R {
        use_bytes(&self.0)
    }
}

/// A public key; prints as base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey([u8; 32]);

/// A signature does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the bytes")]
pub struct BadSignature;

impl VerifyingKey {
    /// Takes 32 bytes as a key; whether they are a point shows at the first verification.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies a signature.
    ///
    /// # Errors
    /// When it does not fit, whatever the reason.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(bytes, signature)
            .map_err(|_| BadSignature)
    }

    /// The fingerprint for people: SHA-256, the first 20 bytes, as ten groups of four hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let digest = crate::sha256(&self.0);
        let groups: Vec<String> = digest[..20]
            .chunks_exact(2)
            .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
            .collect();
        groups.join("-")
    }
}

/// Text that is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verifying key: expected 32 bytes in base64, as `vedette-platform pins` prints them")]
pub struct ParseKeyError;

impl FromStr for VerifyingKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let bytes = STANDARD.decode(text).map_err(|_| ParseKeyError)?;
        bytes.try_into().map(Self).map_err(|_| ParseKeyError)
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}

crate::text_for_people!(VerifyingKey, [u8; 32], Self);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_the_public_half_only() {
        let document = Pkcs8::generate();
        let key = SigningKey::from_pkcs8(&document).unwrap();
        let printed = format!("{key:?}");
        assert!(printed.contains(&key.verifying_key().to_string()));
        // RFC 8410: the seed stands behind the 16 bytes of the header.
        document.with(|bytes| assert!(!printed.contains(&STANDARD.encode(&bytes[16..48]))));
    }

    #[test]
    fn a_kept_key_is_the_same_key() {
        let document = Pkcs8::generate();
        let (one, two) = (
            SigningKey::from_pkcs8(&document).unwrap(),
            SigningKey::from_pkcs8(&document).unwrap(),
        );
        let Ok(signature) = one.sign(b"word");
        assert_eq!(two.verifying_key().verify(b"word", &signature), Ok(()));
        assert_eq!(two.verifying_key().verify(b"ward", &signature), Err(BadSignature));
    }
}
