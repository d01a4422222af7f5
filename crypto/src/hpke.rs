//! Sealing to a public key: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
//! AES-256-GCM. The only file that knows the `hpke` crate.

use std::fmt;

use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

type Kem = X25519HkdfSha256;

/// A public key to seal to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey(pub [u8; 32]);

/// The private half, for one opening: [`OpeningKey::open`] consumes it.
pub struct OpeningKey(Box<<Kem as hpke::Kem>::PrivateKey>);

/// Sealed bytes with the sender's ephemeral key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    encapsulated: [u8; 32],
    ciphertext: Vec<u8>,
}

/// Something could not be sealed or opened. There is nothing to tell apart for a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpkeError {
    /// The public key is no valid point, or the plaintext is too long.
    #[error("sealing to a key that is not usable")]
    Seal,
    /// Key, context and ciphertext do not belong together.
    #[error("opening a sealed message: key, context and content do not belong together")]
    Open,
}

impl OpeningKey {
    /// A fresh pair.
    pub fn generate() -> (Self, SealingKey) {
        let (private, public) = Kem::gen_keypair();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&public.to_bytes());
        (Self(Box::new(private)), SealingKey(bytes))
    }

    /// Opens what was sealed under the same `context`.
    ///
    /// # Errors
    /// When key, context and content do not belong together.
    pub fn open(self, context: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        let encapsulated =
            <Kem as hpke::Kem>::EncappedKey::from_bytes(&sealed.encapsulated).map_err(|_| HpkeError::Open)?;
        hpke::single_shot_open::<AesGcm256, HkdfSha256, Kem>(
            &OpModeR::Base,
            &self.0,
            &encapsulated,
            context,
            &sealed.ciphertext,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| HpkeError::Open)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpeningKey")
    }
}

impl SealingKey {
    /// Seals `plaintext` under `context` (the `info` of RFC 9180), which the opener must know.
    ///
    /// # Errors
    /// When the key is not a valid point.
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Result<Sealed, HpkeError> {
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(&self.0).map_err(|_| HpkeError::Seal)?;
        let (encapsulated, ciphertext) = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Kem>(
            &OpModeS::Base,
            &public,
            context,
            plaintext,
            b"",
        )
        .map_err(|_| HpkeError::Seal)?;
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&encapsulated.to_bytes());
        Ok(Sealed {
            encapsulated: bytes,
            ciphertext,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_context_only() {
        let (private, public) = OpeningKey::generate();
        let sealed = public.seal(b"boot 1", b"share").unwrap();
        assert_eq!(private.open(b"boot 1", &sealed).unwrap().as_slice(), b"share");
        let (private, public) = OpeningKey::generate();
        let sealed = public.seal(b"boot 1", b"share").unwrap();
        assert_eq!(private.open(b"boot 2", &sealed).unwrap_err(), HpkeError::Open);
    }

    #[test]
    fn another_key_does_not_open() {
        let (_, public) = OpeningKey::generate();
        let (other, _) = OpeningKey::generate();
        let sealed = public.seal(b"", b"share").unwrap();
        assert_eq!(other.open(b"", &sealed).unwrap_err(), HpkeError::Open);
    }
}
