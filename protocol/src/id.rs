//! Identifiers: fixed-size values that print as lowercase hexadecimal and parse back.
//!
//! Random ones come from whoever may name the thing (the caller fills the bytes from its generator);
//! digests and fingerprints are computed.

use std::{fmt, str::FromStr};

use vedette_crypto::VerifyingKey;

/// Text that is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {kind}: expected {digits} hexadecimal digits, got {got:?}")]
pub struct ParseIdError {
    kind: &'static str,
    digits: usize,
    got: String,
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $length:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                unhex(text).map(Self).ok_or_else(|| ParseIdError {
                    kind: $kind,
                    digits: 2 * $length,
                    got: text.chars().take(64).collect(),
                })
            }
        }

        vedette_crypto::text_for_people!($name, [u8; $length], Self);
    };
}

identifier!(
    /// An organisation: the owner of appliances, scans and findings on a platform.
    OrgId, 16, "an organisation id"
);
identifier!(
    /// An appliance, named by the platform at activation.
    ApplianceId, 16, "an appliance id"
);
identifier!(
    /// A scan: what an operator asked for.
    ScanId, 16, "a scan id"
);
identifier!(
    /// A schedule: a scan that begins by itself, again and again.
    ScheduleId, 16, "a schedule id"
);
identifier!(
    /// A pool: appliances that reach the same network and share a queue.
    PoolId, 16, "a pool id"
);
identifier!(
    /// A job: the part of a scan that one worker does.
    JobId, 16, "a job id"
);
identifier!(
    /// One boot of one appliance: the digest of its boot request.
    BootId, 32, "a boot id"
);
identifier!(
    /// An image: the verity root hash of its root file system.
    ImageId, 32, "an image id"
);
identifier!(
    /// A value that was never used before, from a cryptographic random generator.
    Nonce, 32, "a nonce"
);
identifier!(
    /// SHA-256 of some bytes (FIPS 180-4).
    Digest, 32, "a digest"
);
identifier!(
    /// The first eight bytes of the SHA-256 of a public key: tells keys apart, proves nothing.
    KeyId, 8, "a key id"
);

identifier!(
    /// A grant.
    GrantId, 16, "a grant id"
);
identifier!(
    /// A credential, in all its versions.
    CredentialId, 16, "a credential id"
);
identifier!(
    /// The SHA-256 of a whole public key: names an appliance in what its owner signs.
    Fingerprint, 32, "a fingerprint"
);

impl Fingerprint {
    /// The fingerprint of a key.
    pub fn of(key: &VerifyingKey) -> Self {
        Self(vedette_crypto::sha256(key.as_bytes()))
    }
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(vedette_crypto::sha256(bytes))
    }
}

macro_rules! random {
    ($($name:ident)*) => {$(
        impl $name {
            /// A fresh one from the system's generator.
            pub fn random() -> Self {
                Self(vedette_crypto::random())
            }
        }
    )*};
}

random!(ApplianceId CredentialId GrantId JobId Nonce OrgId PoolId ScanId ScheduleId);

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_as_hex_and_parses_back() {
        let id = JobId([0xa5; 16]);
        assert_eq!(id.to_string(), "a5".repeat(16));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn a_wrong_id_is_named_in_the_error() {
        let error = "xyz".parse::<JobId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a job id: expected 32 hexadecimal digits, got \"xyz\""
        );
        assert!(
            "A5".repeat(16).parse::<JobId>().is_err(),
            "uppercase is another spelling"
        );
    }
}
