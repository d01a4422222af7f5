//! What the owner key signs and what is sealed, as they pass through the API. The platform shows what is inside and
//! can make none of it. Binary things are base64 (RFC 4648, section 4) of [`crate::codec::encode`].

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use vedette_crypto::{VerifyingKey, hpke::Suite};

use crate::{
    copy::{CopyStanding, Delivery},
    credential::{CredentialKind, CredentialUse, Place},
    grant::Envelopes,
    id::{ApplianceId, CredentialId, Fingerprint, GrantId, KeyId, OrgId},
    job::Check,
    target::{Ports, Target},
    time::Timestamp,
};

/// `GET /appliances/ID/keys`: to what credentials are sealed. Believe it as far as `keys` verifies under the identity
/// key that you compared with the appliance's console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownKeys {
    /// The appliance.
    pub appliance: ApplianceId,
    /// Whose it is.
    pub org: OrgId,
    /// Its identity key, 32 bytes in base64.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub identity: VerifyingKey,
    /// What it says of its keys: base64 of a [`Signed`](crate::Signed) [`ApplianceKeys`](crate::owner::ApplianceKeys);
    /// none before it said so.
    pub keys: Option<String>,
    /// The fingerprint of the owner key that it says is pinned: SHA-256 of the key.
    pub owner: Option<Fingerprint>,
}

/// `GET /appliances/ID/copy`: the operator's copy. Believe `order` as far as it verifies under your owner key, and the
/// rest as far as you believe the platform: the collector itself shows what comes there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownCopy {
    /// The appliance.
    pub appliance: ApplianceId,
    /// The number of the owner's last order that the platform carries; none: nobody has ordered anything.
    pub number: Option<u64>,
    /// The id of the key that it says has signed that.
    pub key: Option<KeyId>,
    /// The collector that it names; none: no copy.
    pub collector: Option<KnownCollector>,
    /// The order as it came in: base64 of a [`Signed`](crate::Signed) [`CopyOrder`](crate::copy::CopyOrder).
    pub order: Option<String>,
    /// What the appliance said last.
    pub said: CopyStanding,
}

/// A collector, as the owner's order names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KnownCollector {
    /// Host and port.
    pub at: String,
    /// For whom its certificate is, unless for that host.
    pub name: Option<String>,
    /// The common names of the CAs of which its certificate must come.
    pub roots: Vec<String>,
    /// What happens while it cannot be reached.
    pub delivery: Delivery,
}

/// `POST /owner-words`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewOwnerWord {
    /// Base64 of an [`OwnerWord`](crate::owner::OwnerWord).
    pub word: String,
}

/// What an owner's word does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WordKind {
    /// An appliance is given its owner.
    Pin,
    /// What was signed before counts for nothing.
    NewEpoch,
    /// The owner's key is another one.
    Rotation,
    /// An appliance is given up.
    Release,
    /// An appliance's messages are copied, or not any more.
    Copy,
}

/// The answer to `POST /owner-words`: the word is told to the appliances that it is for, as soon as they ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptWord {
    /// What it does.
    pub kind: WordKind,
    /// To which appliance; none: to all of the owner's.
    pub appliance: Option<ApplianceId>,
    /// The epoch that counts from then on.
    pub epoch: Option<u64>,
}

/// `PUT /grants/ID`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewGrant {
    /// Base64 of a [`Signed`](crate::Signed) [`Grant`](crate::grant::Grant), 256 KiB at most.
    pub grant: String,
}

/// A grant as the platform carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptGrant {
    /// Its id.
    pub id: GrantId,
    /// The id of the key that it says has signed it.
    pub key: KeyId,
    /// The appliances that may use it, by the SHA-256 of their identity keys.
    pub appliances: Vec<Fingerprint>,
    /// The owner's epoch in which it was signed.
    pub epoch: u64,
    /// What may be scanned.
    pub targets: Vec<Target>,
    /// What may not.
    pub exclude: Vec<Target>,
    /// Which ports.
    pub ports: Ports,
    /// Which checks.
    pub checks: Vec<Check>,
    /// The most packets in a second that a worker may send.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u32>))]
    pub rate: Option<NonZeroU32>,
    /// When, as in `mon-fri 22:00-05:00 UTC`; none: at any time.
    pub windows: Vec<String>,
    /// Not before this.
    pub from: Timestamp,
    /// Not from this on.
    pub until: Timestamp,
    /// The credentials that may be used.
    pub credentials: Vec<CredentialUse>,
    /// Whether credentials count that the owner did not sign.
    pub envelopes: Envelopes,
    /// When it came in.
    pub kept: Timestamp,
    /// The grant as it came in; left away in lists.
    pub grant: Option<String>,
}

/// `PUT /credentials/ID`: a new credential, or a new version of one. One of `sealing` and `parts`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// Base64 of a [`Sealing`](crate::envelope::Sealing), 256 KiB at most.
    #[serde(default)]
    pub sealing: Option<String>,
    /// What a browser sealed, which has no owner key.
    #[serde(default)]
    pub parts: Option<SealedParts>,
    /// A label, for people; stays as it is unless given.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether it is kept from use; stays as it is unless given.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// An envelope in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SealedParts {
    /// The header: the JSON text to which the sealings are bound, byte for byte.
    pub header: String,
    /// The sealings, one for each appliance.
    pub sealed: Vec<SealedPart>,
}

/// The content, sealed to one appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SealedPart {
    /// The SHA-256 of its identity key.
    pub appliance: Fingerprint,
    /// `x25519` or `x-wing`.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub suite: Suite,
    /// The encapsulated key (`enc` of RFC 9180), in base64.
    pub encapsulated: String,
    /// The ciphertext with its tag, in base64.
    pub ciphertext: String,
}

/// `PATCH /credentials/ID`. What is left away stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CredentialChange {
    /// The label.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether it is kept from use.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// A credential as the platform carries it: sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeptCredential {
    /// Its id.
    pub id: CredentialId,
    /// Counts up with each sealing.
    pub version: u32,
    /// What it is.
    pub kind: CredentialKind,
    /// Its label.
    pub label: String,
    /// Whether it is kept from use.
    pub disabled: bool,
    /// Where it may be used.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Object>))]
    pub places: Vec<Place>,
    /// The appliances that can open it, by the SHA-256 of their identity keys.
    pub appliances: Vec<Fingerprint>,
    /// The id of the owner key that it says has signed it; none: sealed in a browser.
    pub key: Option<KeyId>,
    /// Whether some place is known by the key that it shows first.
    pub first_seen: bool,
    /// Whether the secret goes to some place in clear.
    pub cleartext: bool,
    /// When this version came in.
    pub kept: Timestamp,
    /// The sealing as it came in; left away in lists.
    pub sealing: Option<String>,
}

/// `GET /settings`: what an organisation has settled for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OrgSettings {
    /// Whether credentials are refused that the owner key did not sign, as those sealed in a browser.
    pub owner_signed_credentials_only: bool,
}

/// `PATCH /settings`. What is left away stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrgSettingsChange {
    /// Whether credentials are refused that the owner key did not sign.
    #[serde(default)]
    pub owner_signed_credentials_only: Option<bool>,
}
