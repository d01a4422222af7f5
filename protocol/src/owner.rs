//! The owner's word: what the operator's own key says to an appliance, past the platform.
//!
//! The owner key (Ed25519) stays on the operator's machine. The platform carries what it signs and can make none of
//! it. An appliance has at most one owner key pinned; with one, nothing runs without a [`Grant`](crate::grant::Grant).

use serde::{Deserialize, Serialize};
use vedette_crypto::{Secret, VerifyingKey, authenticate, credential::CredentialPublicKey};

use crate::{
    codec,
    copy::CopyOrder,
    id::{ApplianceId, Fingerprint, OrgId},
    signed::{Message, Signed},
};

/// Counts up with each revocation: what was signed under an older epoch counts for nothing on an appliance that has
/// seen a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// This appliance is mine. Signed by the owner's key that it names; taken by an appliance that has none yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The key to pin.
    pub owner: VerifyingKey,
    /// The organisation that it belongs to.
    pub org: OrgId,
    /// The appliance.
    pub appliance: ApplianceId,
    /// Its identity key, as the operator compared it.
    pub identity: Fingerprint,
    /// The epoch that counts from now on.
    pub epoch: Epoch,
}

impl Message for Pin {
    const DOMAIN: &'static str = "owner pin";
}

/// From now on only this epoch and later ones count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEpoch {
    /// Whose appliances are meant.
    pub org: OrgId,
    /// The epoch.
    pub epoch: Epoch,
}

impl Message for NewEpoch {
    const DOMAIN: &'static str = "owner epoch";
}

/// My key is another one from now on. Signed by the old key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Whose appliances are meant.
    pub org: OrgId,
    /// The new key.
    pub new: VerifyingKey,
    /// The epoch that counts from now on.
    pub epoch: Epoch,
}

impl Message for Rotation {
    const DOMAIN: &'static str = "owner rotation";
}

/// This appliance is mine no more: the pin is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The appliance.
    pub appliance: ApplianceId,
    /// Its identity key.
    pub identity: Fingerprint,
}

impl Message for Release {
    const DOMAIN: &'static str = "owner release";
}

/// What the owner says to an appliance. Saying it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerWord {
    /// See [`Pin`].
    Pin(Signed<Pin>),
    /// See [`NewEpoch`].
    NewEpoch(Signed<NewEpoch>),
    /// See [`Rotation`].
    Rotation(Signed<Rotation>),
    /// See [`Release`].
    Release(Signed<Release>),
    /// See [`CopyOrder`].
    Copy(Signed<CopyOrder>),
}

/// The most words that an appliance is told at once.
pub const WORDS_LIMIT: usize = 16;

/// What an appliance says of itself to its owner. Signed by its identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplianceKeys {
    /// The appliance.
    pub appliance: ApplianceId,
    /// Its organisation.
    pub org: OrgId,
    /// To which credentials are sealed.
    pub credential: CredentialPublicKey,
    /// The owner key that it has pinned.
    pub owner: Option<VerifyingKey>,
    /// Where it was flashed with an enrolment secret: [`enrolment_proof`].
    pub proof: Option<[u8; 32]>,
}

impl Message for ApplianceKeys {
    const DOMAIN: &'static str = "appliance keys";
}

/// Shows to whoever flashed the appliance that these keys are the ones it made: HMAC-SHA256 (RFC 2104) over identity
/// key, names and credential key, under the enrolment secret, which the platform never sees.
pub fn enrolment_proof(
    secret: &Secret<32>,
    identity: &VerifyingKey,
    appliance: ApplianceId,
    org: OrgId,
    credential: &CredentialPublicKey,
) -> [u8; 32] {
    let said = [
        b"vedette/1 enrolment\0",
        &identity.as_bytes()[..],
        &appliance.0,
        &org.0,
        &codec::encode(credential),
    ];
    authenticate(secret, &said.concat())
}
