//! What the owner keeps, signed by the owner key like what it sends: a file that was altered is an error, never
//! another state.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use vedette_crypto::credential::CredentialPublicKey;
use vedette_crypto::{SigningKey, VerifyingKey};
use vedette_protocol::credential::{CredentialUse, Header};
use vedette_protocol::owner::Epoch;
use vedette_protocol::{ApplianceId, Envelope, Fingerprint, Message, OrgId, Signed};

use crate::armour;

/// Where the owner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// Known from the first appliance on.
    pub(crate) org: Option<OrgId>,
    pub(crate) epoch: Epoch,
}

impl Message for Standing {
    const DOMAIN: &'static str = "kept standing";
}

/// An appliance whose keys the operator compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confirmed {
    pub(crate) name: String,
    pub(crate) appliance: ApplianceId,
    pub(crate) org: OrgId,
    pub(crate) identity: VerifyingKey,
    pub(crate) credential: CredentialPublicKey,
}

impl Confirmed {
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.identity)
    }
}

impl Message for Confirmed {
    const DOMAIN: &'static str = "kept appliance";
}

/// A credential that was sealed: its envelope, which nobody but the appliances' vaults opens, so that it can be signed
/// by the next owner key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) label: String,
    pub(crate) envelope: Envelope,
    /// No grant names it.
    pub(crate) disabled: bool,
}

impl Kept {
    pub(crate) fn header(&self) -> Result<Header> {
        self.envelope.header().context("reading a kept envelope")
    }

    pub(crate) fn name(&self) -> Result<CredentialUse> {
        self.header().map(|header| CredentialUse {
            id: header.credential,
            version: header.version,
        })
    }
}

impl Message for Kept {
    const DOMAIN: &'static str = "kept credential";
}

/// A record as the text of a file.
pub(crate) fn written<T: Message>(record: &T, key: &SigningKey) -> String {
    let Ok(signed) = Signed::seal(record, key);
    armour::put_on(TAG, &signed.to_bytes())
}

/// The record in the text of a file.
pub(crate) fn read<T: Message>(text: &str, key: &VerifyingKey) -> Result<T> {
    let bytes = armour::take_off(TAG, text)?;
    Ok(Signed::<T>::from_bytes(&bytes)?.verify(key)?)
}

const TAG: &str = "VEDETTE OWNER RECORD";
