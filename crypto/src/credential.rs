//! The key to which credentials are sealed: a pair for each suite, kept together.
//!
//! The private half never leaves the vault's process but wrapped ([`CredentialKey::wrap`]).

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    hpke::{HpkeError, PrivateKey, PublicKey, Sealed, Suite},
    secret::Secret,
    wrap::{UnwrapError, WrappingKey},
};

/// The private half. Opens what was sealed to [`CredentialPublicKey`].
pub struct CredentialKey {
    x25519: PrivateKey,
    xwing: PrivateKey,
    public: CredentialPublicKey,
}

/// The public half: whoever seals chooses the suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialPublicKey {
    /// For [`Suite::X25519`].
    pub x25519: PublicKey,
    /// For [`Suite::XWing`].
    pub xwing: PublicKey,
}

impl CredentialPublicKey {
    /// The key of a suite.
    pub fn of(&self, suite: Suite) -> &PublicKey {
        match suite {
            Suite::X25519 => &self.x25519,
            Suite::XWing => &self.xwing,
        }
    }
}

impl CredentialKey {
    /// A fresh key.
    pub fn generate() -> Self {
        let (x25519, public) = Suite::X25519.generate();
        let (xwing, public_xwing) = Suite::XWing.generate();
        Self {
            x25519,
            xwing,
            public: CredentialPublicKey {
                x25519: public,
                xwing: public_xwing,
            },
        }
    }

    /// The public half.
    pub fn public(&self) -> &CredentialPublicKey {
        &self.public
    }

    /// Opens what was sealed under the same `info` and `aad`.
    ///
    /// # Errors
    /// When key, context and content do not belong together.
    pub fn open(
        &self,
        suite: Suite,
        info: &[u8],
        aad: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
        let key = match suite {
            Suite::X25519 => &self.x25519,
            Suite::XWing => &self.xwing,
        };
        suite.open(key, info, aad, sealed)
    }

    /// The private half under another key, to keep it.
    pub fn wrap(&self, key: &WrappingKey, context: &[u8]) -> Vec<u8> {
        let both = Secret::<64>::filled(|both| {
            self.x25519.0.with(|half| both[..32].copy_from_slice(half));
            self.xwing.0.with(|half| both[32..].copy_from_slice(half));
        });
        both.with(|both| key.wrap(context, both))
    }

    /// Reads what [`Self::wrap`] made.
    ///
    /// # Errors
    /// When key, context and content do not belong together, or the content is no key.
    pub fn unwrap(key: &WrappingKey, context: &[u8], wrapped: &[u8]) -> Result<Self, UnwrapError> {
        let both = key.unwrap(context, wrapped)?;
        let (x25519, xwing) = both
            .split_first_chunk::<32>()
            .and_then(|(x25519, xwing)| Some((Secret::copied(x25519)?, Secret::copied(xwing)?)))
            .ok_or(UnwrapError)?;
        let (x25519, xwing) = (PrivateKey(x25519), PrivateKey(xwing));
        let public = CredentialPublicKey {
            x25519: Suite::X25519.public(&x25519).ok_or(UnwrapError)?,
            xwing: Suite::XWing.public(&xwing).ok_or(UnwrapError)?,
        };
        Ok(Self {
            x25519,
            xwing,
            public,
        })
    }
}

impl fmt::Debug for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_in_a_suite_opens_in_it_alone_and_under_its_context() {
        let key = CredentialKey::generate();
        for (suite, other) in [(Suite::X25519, Suite::XWing), (Suite::XWing, Suite::X25519)] {
            let sealed = suite
                .seal(key.public().of(suite), b"info", b"aad", b"secret")
                .unwrap();
            let opened = key.open(suite, b"info", b"aad", &sealed).unwrap();
            assert_eq!(opened.as_slice(), b"secret");
            for refused in [
                key.open(other, b"info", b"aad", &sealed),
                key.open(suite, b"other", b"aad", &sealed),
                key.open(suite, b"info", b"other", &sealed),
                CredentialKey::generate().open(suite, b"info", b"aad", &sealed),
            ] {
                assert_eq!(refused.unwrap_err(), HpkeError::Open);
            }
        }
    }

    #[test]
    fn a_kept_key_is_the_same_key() {
        let (key, under) = (CredentialKey::generate(), WrappingKey::random());
        let wrapped = key.wrap(&under, b"record");
        let read = CredentialKey::unwrap(&under, b"record", &wrapped).unwrap();
        assert_eq!(read.public(), key.public());
        let sealed = Suite::XWing
            .seal(&key.public().xwing, b"", b"", b"secret")
            .unwrap();
        assert_eq!(
            read.open(Suite::XWing, b"", b"", &sealed).unwrap().as_slice(),
            b"secret"
        );
        assert!(CredentialKey::unwrap(&under, b"another", &wrapped).is_err());
    }
}
