//! Wrapping one secret under another: AES-256-GCM with a random nonce and associated data.
//!
//! A wrapping key wraps few things (an appliance's share, a keystore's entries), far below the
//! 2^32 messages that random 96-bit nonces allow (NIST SP 800-38D, section 8.3).

use std::fmt;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// A key that wraps other keys.
pub struct WrappingKey(Secret<32>);

/// The wrapped bytes are not what this key wrapped under this context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unwrapping: key, context and content do not belong together")]
pub struct UnwrapError;

impl WrappingKey {
    /// A fresh key.
    pub fn random() -> Self {
        Self(Secret::random())
    }

    /// Takes over secret bytes as a key.
    pub fn from_secret(bytes: Secret<32>) -> Self {
        Self(bytes)
    }

    /// Lends the bytes, to wrap this key under another or keep it.
    pub fn with<R>(&self, use_key: impl FnOnce(&[u8; 32]) -> R) -> R {
        self.0.with(use_key)
    }

    /// Wraps `secret`; `context` must be given again to unwrap.
    pub fn wrap(&self, context: &[u8], secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = crate::random();
        let mut bytes = Zeroizing::new(secret.to_vec());
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut bytes,
            )
            .expect("a secret in memory is below AES-GCM's bound of 64 GiB");
        [&nonce, bytes.as_slice(), tag.as_ref()].concat()
    }

    /// Unwraps what [`Self::wrap`] made.
    ///
    /// # Errors
    /// When key, context and content do not belong together.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnwrapError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>().ok_or(UnwrapError)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let length = self
            .cipher()
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(context),
                &mut bytes,
            )
            .map_err(|_| UnwrapError)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    fn cipher(&self) -> LessSafeKey {
        let key = self.0.with(|key| UnboundKey::new(&AES_256_GCM, key));
        LessSafeKey::new(key.expect("the key has AES-256's length"))
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_unwraps_under_its_key_and_context_only() {
        let key = WrappingKey::random();
        let wrapped = key.wrap(b"appliance 1", b"share");
        assert_eq!(key.unwrap(b"appliance 1", &wrapped).unwrap().as_slice(), b"share");
        assert_eq!(key.unwrap(b"appliance 2", &wrapped), Err(UnwrapError));
        assert_eq!(
            WrappingKey::random().unwrap(b"appliance 1", &wrapped),
            Err(UnwrapError)
        );
        assert_eq!(key.unwrap(b"appliance 1", &wrapped[..20]), Err(UnwrapError));
    }
}
