//! The two shares of an appliance's key, and the key that they make.
//!
//! Each share alone is 32 random bytes. What survives a reboot is kept under [`record_key`]. The workspace's key is derived from both and from fresh
//! random bytes of this boot, so that nothing written in one boot can be read in the next.

use std::fmt;

use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use crate::{secret::Secret, wrap::WrappingKey};

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        pub struct $name(Secret<$length>);

        impl $name {
            /// Takes over secret bytes under this name.
            pub fn from_secret(bytes: Secret<$length>) -> Self {
                Self(bytes)
            }

            /// Lends the bytes.
            pub fn with<R>(&self, use_key: impl FnOnce(&[u8; $length]) -> R) -> R {
                self.0.with(use_key)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

key!(
    /// The platform's share: made at activation, kept wrapped, given out once for each boot.
    PlatformShare, 32
);
key!(
    /// The appliance's share: made at activation by the keeper, on the state partition alone.
    ApplianceShare, 32
);
key!(
    /// The key of one boot's workspace, for dm-crypt's `aes-xts-plain64` with 256-bit keys.
    WorkspaceKey, 64
);

impl PlatformShare {
    /// A fresh share.
    pub fn random() -> Self {
        Self(Secret::random())
    }
}

impl ApplianceShare {
    /// A fresh share.
    pub fn random() -> Self {
        Self(Secret::random())
    }
}

impl WorkspaceKey {
    /// Derives this boot's key: HKDF-SHA256 (RFC 5869) of both shares, salted with random bytes that
    /// are forgotten at once.
    ///
    /// # Panics
    /// Never: 64 bytes are within HKDF's bound.
    pub fn derive(platform: &PlatformShare, appliance: &ApplianceShare) -> Self {
        Secret::<32>::random().with(|fresh| Self::derive_salted(fresh, platform, appliance))
    }

    fn derive_salted(fresh: &[u8; 32], platform: &PlatformShare, appliance: &ApplianceShare) -> Self {
        let pseudorandom = extracted(fresh, platform, appliance);
        Self(Secret::filled(|key| {
            pseudorandom
                .expand(&[b"vedette/1 workspace"], Length(key.len()))
                .and_then(|output| output.fill(key))
                .expect("64 bytes are within HKDF-SHA256's bound of 8160");
        }))
    }
}

/// Who keeps a record on the state partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordHolder {
    /// The vault: the key to which credentials are sealed.
    Vault,
    /// The keeper: how far time and the owner's epoch have gone.
    Keeper,
}

/// The key of a record that survives a reboot: HKDF-SHA256 (RFC 5869) of both shares, for one holder and one
/// `context`, which names organisation, appliance and owner key.
///
/// # Panics
/// Never: 32 bytes are within HKDF's bound.
pub fn record_key(
    platform: &PlatformShare,
    appliance: &ApplianceShare,
    holder: RecordHolder,
    context: &[u8],
) -> WrappingKey {
    let label: &[u8] = match holder {
        RecordHolder::Vault => b"vedette/1 vault record\0",
        RecordHolder::Keeper => b"vedette/1 keeper record\0",
    };
    WrappingKey::from_secret(Secret::filled(|key| {
        extracted(&[], platform, appliance)
            .expand(&[label, context], Length(key.len()))
            .and_then(|output| output.fill(key))
            .expect("32 bytes are within HKDF-SHA256's bound of 8160");
    }))
}

fn extracted(salt: &[u8], platform: &PlatformShare, appliance: &ApplianceShare) -> Prk {
    let both = Secret::<64>::filled(|both| {
        platform.with(|share| both[..32].copy_from_slice(share));
        appliance.with(|share| both[32..].copy_from_slice(share));
    });
    both.with(|both| Salt::new(HKDF_SHA256, salt).extract(both))
}

/// A length of output of HKDF.
pub(crate) struct Length(pub(crate) usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_boot_has_its_own_key() {
        let (platform, appliance) = (PlatformShare::random(), ApplianceShare::random());
        let one = WorkspaceKey::derive(&platform, &appliance);
        let two = WorkspaceKey::derive(&platform, &appliance);
        one.with(|one| two.with(|two| assert_ne!(one, two)));
    }

    #[test]
    fn a_record_opens_with_both_shares_for_its_holder_and_context_alone() {
        let (platform, appliance) = (PlatformShare::random(), ApplianceShare::random());
        use super::record_key as key;
        let record = key(&platform, &appliance, RecordHolder::Vault, b"me").wrap(b"", b"kept");
        let opens = |key: WrappingKey| key.unwrap(b"", &record).is_ok();
        assert!(opens(key(&platform, &appliance, RecordHolder::Vault, b"me")));
        assert!(!opens(key(
            &PlatformShare::random(),
            &appliance,
            RecordHolder::Vault,
            b"me"
        )));
        assert!(!opens(key(
            &platform,
            &ApplianceShare::random(),
            RecordHolder::Vault,
            b"me"
        )));
        assert!(!opens(key(&platform, &appliance, RecordHolder::Keeper, b"me")));
        assert!(!opens(key(&platform, &appliance, RecordHolder::Vault, b"you")));
    }

    #[test]
    fn without_either_share_the_key_is_another() {
        let (platform, appliance) = (PlatformShare::random(), ApplianceShare::random());
        let key = |platform: &PlatformShare, appliance: &ApplianceShare| {
            WorkspaceKey::derive_salted(&[7; 32], platform, appliance)
        };
        let equal = |one: &WorkspaceKey, two: &WorkspaceKey| one.with(|one| two.with(|two| one == two));
        let right = key(&platform, &appliance);
        assert!(equal(&right, &key(&platform, &appliance)));
        assert!(!equal(&right, &key(&PlatformShare::random(), &appliance)));
        assert!(!equal(&right, &key(&platform, &ApplianceShare::random())));
    }

    #[test]
    fn debug_prints_the_name_only() {
        assert_eq!(format!("{:?}", PlatformShare::random()), "PlatformShare");
        assert_eq!(format!("{:?}", ApplianceShare::random()), "ApplianceShare");
    }
}
