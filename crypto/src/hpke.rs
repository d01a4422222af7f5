//! Sealing to a public key: HPKE (RFC 9180), base mode, HKDF-SHA256, AES-256-GCM, over DHKEM(X25519,
//! HKDF-SHA256) or over X-Wing (ML-KEM-768 with X25519, draft-connolly-cfrg-xwing-kem; KEM 0x647a of
//! draft-ietf-hpke-pq). The only file that knows the `hpke` crate.

use std::fmt;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::AesGcm256,
    kdf::HkdfSha256,
    kem::{X25519HkdfSha256, XWing},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A public key to seal to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey(pub [u8; 32]);

/// The private half, for one opening: [`OpeningKey::open`] consumes it.
pub struct OpeningKey(Secret<32>);

/// Sealed bytes with the sender's ephemeral key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    encapsulated: Vec<u8>,
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

/// How a key is agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// DHKEM(X25519, HKDF-SHA256).
    X25519,
    /// X-Wing: holds as long as one of ML-KEM-768 and X25519 does.
    XWing,
}

/// A public key of a suite; its bytes are judged when they are used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey(Vec<u8>);

/// A private key of a suite, in the 32 bytes by which it is kept.
pub(crate) struct PrivateKey(pub(crate) Secret<32>);

impl Suite {
    /// A fresh pair.
    pub(crate) fn generate(self) -> (PrivateKey, PublicKey) {
        match self {
            Self::X25519 => generate::<X25519HkdfSha256>(),
            Self::XWing => generate::<XWing>(),
        }
    }

    /// The public half of a private key; none when the bytes are no such key.
    pub(crate) fn public(self, private: &PrivateKey) -> Option<PublicKey> {
        match self {
            Self::X25519 => public::<X25519HkdfSha256>(private),
            Self::XWing => public::<XWing>(private),
        }
    }

    /// Seals `plaintext`; the opener must know `info` and `aad`.
    ///
    /// # Errors
    /// When the key is none of this suite.
    pub fn seal(
        self,
        key: &PublicKey,
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<Sealed, HpkeError> {
        match self {
            Self::X25519 => seal::<X25519HkdfSha256>(&key.0, info, aad, plaintext),
            Self::XWing => seal::<XWing>(&key.0, info, aad, plaintext),
        }
    }

    pub(crate) fn open(
        self,
        key: &PrivateKey,
        info: &[u8],
        aad: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        match self {
            Self::X25519 => open::<X25519HkdfSha256>(&key.0, info, aad, sealed),
            Self::XWing => open::<XWing>(&key.0, info, aad, sealed),
        }
    }
}

impl PublicKey {
    /// Takes over a key's bytes.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The key's bytes: 32 of X25519, 1,216 of X-Wing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Sealed {
    /// Puts together what came in parts.
    pub fn new(encapsulated: Vec<u8>, ciphertext: Vec<u8>) -> Self {
        Self {
            encapsulated,
            ciphertext,
        }
    }

    /// The encapsulated key (`enc` of RFC 9180).
    pub fn encapsulated(&self) -> &[u8] {
        &self.encapsulated
    }

    /// The ciphertext with its tag.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }
}

impl OpeningKey {
    /// A fresh pair.
    pub fn generate() -> (Self, SealingKey) {
        let (private, public) = Suite::X25519.generate();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(public.as_bytes());
        (Self(private.0), SealingKey(bytes))
    }

    /// Opens what was sealed under the same `context`.
    ///
    /// # Errors
    /// When key, context and content do not belong together.
    pub fn open(self, context: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        open::<X25519HkdfSha256>(&self.0, context, b"", sealed)
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
        seal::<X25519HkdfSha256>(&self.0, context, b"", plaintext)
    }
}

fn generate<K: Kem>() -> (PrivateKey, PublicKey) {
    let (private, public) = K::gen_keypair();
    let kept = Zeroizing::new(private.to_bytes());
    let kept = Secret::copied(&kept).expect("private keys of both suites are kept in 32 bytes");
    (PrivateKey(kept), PublicKey(public.to_bytes().to_vec()))
}

fn public<K: Kem>(private: &PrivateKey) -> Option<PublicKey> {
    let private = private.0.with(|bytes| K::PrivateKey::from_bytes(bytes)).ok()?;
    Some(PublicKey(K::sk_to_pk(&private).to_bytes().to_vec()))
}

fn seal<K: Kem>(key: &[u8], info: &[u8], aad: &[u8], plaintext: &[u8]) -> Result<Sealed, HpkeError> {
    let key = K::PublicKey::from_bytes(key).map_err(|_| HpkeError::Seal)?;
    let (encapsulated, ciphertext) =
        hpke::single_shot_seal::<AesGcm256, HkdfSha256, K>(&OpModeS::Base, &key, info, plaintext, aad)
            .map_err(|_| HpkeError::Seal)?;
    Ok(Sealed {
        encapsulated: encapsulated.to_bytes().to_vec(),
        ciphertext,
    })
}

fn open<K: Kem>(
    key: &Secret<32>,
    info: &[u8],
    aad: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let key = key
        .with(|bytes| K::PrivateKey::from_bytes(bytes))
        .map_err(|_| HpkeError::Open)?;
    let encapsulated = K::EncappedKey::from_bytes(&sealed.encapsulated).map_err(|_| HpkeError::Open)?;
    hpke::single_shot_open::<AesGcm256, HkdfSha256, K>(
        &OpModeR::Base,
        &key,
        &encapsulated,
        info,
        &sealed.ciphertext,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| HpkeError::Open)
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
