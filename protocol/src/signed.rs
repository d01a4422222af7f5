//! Signed messages: [`Signed`] carries bytes and a signature, and only verification gives the content.
//!
//! The signature (Ed25519, RFC 8032) covers `vedette/1`, a zero byte, the message's domain, a zero
//! byte and the encoded body, so that no signature over one kind of message passes for another.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vedette_crypto::{Signer, VerifyingKey};

use crate::{
    codec::{self, DecodeError},
    id::{Digest, KeyId},
};

/// Version of the signed envelope.
pub const SIGNED_VERSION: u8 = 1;

/// A type that may be signed, with the name of its purpose.
pub trait Message: Serialize + DeserializeOwned {
    /// Separates this purpose's signatures from every other's; never reused, never changed.
    const DOMAIN: &'static str;
}

/// A message with its signature, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    version: u8,
    key: KeyId,
    #[serde(with = "base64_for_people")]
    body: Vec<u8>,
    #[serde(with = "base64_for_people")]
    signature: Vec<u8>,
    #[serde(skip)]
    kind: PhantomData<fn() -> T>,
}

/// A signed message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The envelope's version is not ours.
    #[error("signed message version {0}, expected {SIGNED_VERSION}")]
    Version(u8),
    /// It names another key than the one that must have signed.
    #[error("signed by key {found}, expected key {expected}")]
    WrongKey {
        /// The key it names.
        found: KeyId,
        /// The key that was demanded.
        expected: KeyId,
    },
    /// The signature does not fit key, domain and body.
    #[error("bad signature by key {0}")]
    BadSignature(KeyId),
    /// The envelope or its body is malformed.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl<T: Message> Signed<T> {
    /// Signs a message.
    ///
    /// # Errors
    /// Whatever the signer answers; a key in memory never fails.
    pub fn seal<S: Signer>(message: &T, signer: &S) -> Result<Self, S::Error> {
        let body = codec::encode(message);
        let signature = signer.sign(&to_be_signed::<T>(&body))?.to_vec();
        Ok(Self {
            version: SIGNED_VERSION,
            key: key_id(&signer.verifying_key()),
            body,
            signature,
            kind: PhantomData,
        })
    }

    /// Reads an envelope; its content stays closed.
    ///
    /// # Errors
    /// When the bytes are no envelope.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes)
    }

    /// The envelope as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// SHA-256 over the whole envelope: what an answer names to say which request it answers.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    /// The key that it says has signed it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The signature in hexadecimal digits.
    pub fn signature_text(&self) -> String {
        self.signature.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Verifies against the one key that must have signed it, and opens it.
    ///
    /// # Errors
    /// When version, key, signature or body are not right.
    pub fn verify(&self, key: &VerifyingKey) -> Result<T, VerifyError> {
        if self.version != SIGNED_VERSION {
            return Err(VerifyError::Version(self.version));
        }
        let expected = key_id(key);
        if self.key != expected {
            return Err(VerifyError::WrongKey {
                found: self.key,
                expected,
            });
        }
        key.verify(&to_be_signed::<T>(&self.body), &self.signature)
            .map_err(|_| VerifyError::BadSignature(expected))?;
        Ok(codec::decode(&self.body)?)
    }

    /// Reads the content without knowing who signed it: for whoever only shows or forwards it.
    ///
    /// # Errors
    /// When the envelope or its body is malformed.
    pub fn danger_read_unverified(&self) -> Result<T, VerifyError> {
        if self.version != SIGNED_VERSION {
            return Err(VerifyError::Version(self.version));
        }
        Ok(codec::decode(&self.body)?)
    }

    /// Verifies a message that brings the key it is signed with, as the first message of a new
    /// identity does: proves possession of that key and nothing else.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub fn verify_self_signed(&self, key_in: impl FnOnce(&T) -> VerifyingKey) -> Result<T, VerifyError> {
        let claimed: T = codec::decode(&self.body)?;
        self.verify(&key_in(&claimed))
    }
}

/// The id of a public key.
pub fn key_id(key: &VerifyingKey) -> KeyId {
    let digest = Digest::of(key.as_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&digest.0[..8]);
    KeyId(id)
}

fn to_be_signed<T: Message>(body: &[u8]) -> Vec<u8> {
    [b"vedette/1\0", T::DOMAIN.as_bytes(), b"\0", body].concat()
}

/// Bytes as base64 where people read them, and as they are elsewhere.
pub(crate) mod base64_for_people {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(bytes: &Vec<u8>, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&STANDARD.encode(bytes))
        } else {
            bytes.serialize(to)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        if from.is_human_readable() {
            STANDARD
                .decode(String::deserialize(from)?)
                .map_err(|_| D::Error::custom("not base64"))
        } else {
            Vec::deserialize(from)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_crypto::SigningKey;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Order(u32);
    impl Message for Order {
        const DOMAIN: &'static str = "test order";
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Refund(u32);
    impl Message for Refund {
        const DOMAIN: &'static str = "test refund";
    }

    #[test]
    fn a_signed_message_opens_under_its_key_only() {
        let (ours, other) = (SigningKey::generate(), SigningKey::generate());
        let Ok(signed) = Signed::seal(&Order(7), &ours);
        assert_eq!(signed.verify(&ours.verifying_key()).unwrap(), Order(7));
        assert!(matches!(
            signed.verify(&other.verifying_key()),
            Err(VerifyError::WrongKey { .. })
        ));
    }

    #[test]
    fn a_signature_for_one_purpose_does_not_serve_another() {
        let key = SigningKey::generate();
        let Ok(order) = Signed::seal(&Order(7), &key);
        let refund: Signed<Refund> = Signed::from_bytes(&order.to_bytes()).unwrap();
        assert!(matches!(
            refund.verify(&key.verifying_key()),
            Err(VerifyError::BadSignature(_))
        ));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = SigningKey::generate();
        let Ok(signed) = Signed::seal(&Order(7), &key);
        let bytes = signed.to_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let opened =
                Signed::<Order>::from_bytes(&altered).map(|signed| signed.verify(&key.verifying_key()));
            assert!(!matches!(opened, Ok(Ok(_))), "bit {bit}");
        }
    }
}
