//! What survives a reboot under the keys of both shares: the vault's record and the keeper's marks.
//!
//! Both are sealed under keys that name organisation, appliance and owner key ([`record_key`]). When the owner key has
//! changed by the owner's own word, they are opened under the old one and sealed under the new one at the next boot,
//! which is when both shares are at hand.

use serde::{Deserialize, Serialize};
use vedette_crypto::{
    VerifyingKey,
    share::{ApplianceShare, PlatformShare, RecordHolder, record_key},
    wrap::WrappingKey,
};
use vedette_protocol::{Timestamp, codec, owner::Epoch};

use super::{copy::KnownCopy, owner::Name};

/// The keys of one boot's records.
#[derive(Debug)]
pub struct RecordKeys {
    /// The owner key that they are bound to.
    pub owner: Option<VerifyingKey>,
    /// The vault's: handed to it, and forgotten.
    pub vault: WrappingKey,
    /// The keeper's.
    pub marks: WrappingKey,
}

impl RecordKeys {
    /// Derives the keys.
    pub fn derive(
        platform: &PlatformShare,
        appliance: &ApplianceShare,
        name: Name,
        owner: Option<VerifyingKey>,
    ) -> Self {
        let context = codec::encode(&(name.org, name.appliance, owner));
        let key = |holder| record_key(platform, appliance, holder, &context);
        Self {
            owner,
            vault: key(RecordHolder::Vault),
            marks: key(RecordHolder::Keeper),
        }
    }
}

/// How far things have gone: nothing earlier is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// The latest time that was known for sure when a grant was judged.
    pub time: Timestamp,
    /// The newest epoch of the owner.
    pub epoch: Epoch,
    /// The owner's last order for a copy, which is in force.
    pub copy: KnownCopy,
}

impl Marks {
    /// Nothing is known.
    pub fn none() -> Self {
        Self {
            time: Timestamp(0),
            epoch: Epoch(0),
            copy: KnownCopy::default(),
        }
    }

    /// The marks as they are kept.
    pub fn seal(&self, key: &WrappingKey) -> Vec<u8> {
        key.wrap(MARKS, &codec::encode(self))
    }

    /// Reads kept marks; none when they are not what this key sealed.
    pub fn open(key: &WrappingKey, sealed: &[u8]) -> Option<Self> {
        codec::decode(&key.unwrap(MARKS, sealed).ok()?).ok()
    }
}

/// The file of both records.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    /// The owner key that their keys are bound to.
    pub owner: Option<VerifyingKey>,
    /// The vault's record, which only the vault opens.
    pub vault: Option<Vec<u8>>,
    /// The keeper's.
    pub marks: Vec<u8>,
}

const MARKS: &[u8] = b"vedette/1 marks";
