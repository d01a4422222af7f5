//! Envelopes: a credential, sealed on the operator's machine to the vaults of the appliances that may use it.
//!
//! The content ([`Login`]) is sealed once for each appliance with HPKE (RFC 9180, base mode). `info` is
//! `vedette/1 credential`, a zero byte and the fingerprint of the appliance's identity key; the associated data is the
//! header, byte for byte. So a sealing that is moved to another appliance, or whose header was changed in any bit,
//! does not open. The owner's signature is over the whole envelope. Vectors are in `docs/vectors/envelope.json`.

use serde::{Deserialize, Serialize};
use vedette_crypto::{
    VerifyingKey,
    credential::{CredentialKey, CredentialPublicKey},
    hpke::{HpkeError, Sealed, Suite},
};
use zeroize::Zeroizing;

use crate::{
    credential::{CredentialKind, CredentialUse, HEADER_VERSION, Header, Login},
    id::{Fingerprint, OrgId},
    signed::{Message, Signed},
};

/// Version of [`Envelope`].
pub const ENVELOPE_VERSION: u8 = 1;

/// An envelope is no longer than this, encoded.
pub const ENVELOPE_LIMIT: usize = 256 * 1024;

/// The most appliances that one envelope is sealed to.
pub const RECIPIENTS_LIMIT: usize = 64;

/// The most places that one credential may be used at.
pub const PLACES_LIMIT: usize = 256;

/// A sealed credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    version: u8,
    header: Vec<u8>,
    sealed: Vec<SealedFor>,
}

/// The content, sealed to one appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFor {
    /// The fingerprint of its identity key.
    pub appliance: Fingerprint,
    /// How.
    pub suite: Suite,
    /// What.
    pub sealed: Sealed,
}

impl Message for Envelope {
    const DOMAIN: &'static str = "envelope";
}

/// An envelope as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sealing {
    /// Signed by the owner key.
    Owned(Signed<Envelope>),
    /// Sealed in a browser, which has no owner key.
    Unsigned(Envelope),
}

/// Why an envelope is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EnvelopeRefusal {
    /// It cannot be read, or is longer than the bounds.
    #[error("the envelope cannot be read")]
    Malformed,
    /// It is of a later version of the format.
    #[error("the envelope is of a version that this one does not know")]
    Version,
    /// The owner key did not sign it.
    #[error("the envelope is not signed by the owner key that is pinned")]
    NotSigned,
    /// It is another organisation's.
    #[error("the envelope is for another organisation")]
    Organisation,
    /// It holds another credential.
    #[error("the envelope holds another credential")]
    Credential,
    /// It holds another version than the job's.
    #[error("the envelope holds another version of the credential")]
    OtherVersion,
    /// It is not sealed to this appliance.
    #[error("the envelope is not sealed to this appliance")]
    Appliance,
    /// It may not be used there.
    #[error("the credential may not be used at this target")]
    Place,
    /// Key, header and content do not belong together.
    #[error("the envelope does not open: its parts do not belong together")]
    Damaged,
    /// It holds something that a later version knows how to use.
    #[error("the envelope holds a kind of credential that this version does not know: update the appliance")]
    Kind,
}

/// What somebody expects of an envelope.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The organisation.
    pub org: OrgId,
    /// The appliance that opens it.
    pub appliance: Fingerprint,
    /// The credential, in exactly this version.
    pub credential: CredentialUse,
}

/// A credential cannot be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The header does not fit the content, or is over the bounds.
    #[error(
        "sealing a credential: it needs 1 to {PLACES_LIMIT} places and 1 to {RECIPIENTS_LIMIT} appliances, and a header of its own kind"
    )]
    Header,
    /// An appliance's key is none.
    #[error("sealing a credential to an appliance's key")]
    Key(#[source] HpkeError),
}

impl Envelope {
    /// Seals a credential to each of the appliances that its header names; `recipients` are their keys, in that order.
    ///
    /// # Errors
    /// When the header does not fit, or a key is not usable.
    ///
    /// # Panics
    /// Never: a header has a form in JSON.
    pub fn seal(
        header: &Header,
        login: &Login,
        suite: Suite,
        recipients: &[CredentialPublicKey],
    ) -> Result<Self, SealError> {
        let sound = header.kind == login.kind()
            && within_bounds(header)
            && recipients.len() == header.appliances.len();
        if !sound {
            return Err(SealError::Header);
        }
        let bytes = serde_json::to_vec(header).expect("a header has a form in JSON");
        let content = login.to_sealed_form();
        let sealed = header
            .appliances
            .iter()
            .zip(recipients)
            .map(|(appliance, keys)| {
                let sealed = suite.seal(keys.of(suite), &info(*appliance), &bytes, &content)?;
                Ok(SealedFor {
                    appliance: *appliance,
                    suite,
                    sealed,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(SealError::Key)?;
        Ok(Self {
            version: ENVELOPE_VERSION,
            header: bytes,
            sealed,
        })
    }

    /// Puts together what a browser sealed.
    pub fn from_parts(header: Vec<u8>, sealed: Vec<SealedFor>) -> Self {
        Self {
            version: ENVELOPE_VERSION,
            header,
            sealed,
        }
    }

    /// The header, as bytes.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header
    }

    /// The sealings, one for each appliance.
    pub fn sealed(&self) -> &[SealedFor] {
        &self.sealed
    }

    /// The header. That it belongs to the content shows only when that is opened.
    ///
    /// # Errors
    /// When it is no header, or over the bounds.
    pub fn header(&self) -> Result<Header, EnvelopeRefusal> {
        if self.version != ENVELOPE_VERSION {
            return Err(EnvelopeRefusal::Version);
        }
        let size = self.header.len()
            + self
                .sealed
                .iter()
                .map(|one| one.sealed.ciphertext().len())
                .sum::<usize>();
        if size > ENVELOPE_LIMIT || self.sealed.len() > RECIPIENTS_LIMIT {
            return Err(EnvelopeRefusal::Malformed);
        }
        #[derive(Deserialize)]
        struct Versioned {
            vedette: u32,
            #[serde(default)]
            kind: String,
        }
        let versioned: Versioned =
            serde_json::from_slice(&self.header).map_err(|_| EnvelopeRefusal::Malformed)?;
        if versioned.vedette != HEADER_VERSION {
            return Err(EnvelopeRefusal::Version);
        }
        if versioned.kind.parse::<CredentialKind>().is_err() {
            return Err(EnvelopeRefusal::Kind);
        }
        let header: Header = serde_json::from_slice(&self.header).map_err(|_| EnvelopeRefusal::Malformed)?;
        if within_bounds(&header) {
            Ok(header)
        } else {
            Err(EnvelopeRefusal::Malformed)
        }
    }

    /// Opens it: the header as the sealer wrote it, and the content.
    ///
    /// # Errors
    /// When it is not what was expected, or does not open.
    pub fn open(&self, key: &CredentialKey, expected: Expected) -> Result<(Header, Login), EnvelopeRefusal> {
        let header = self.expected_header(expected)?;
        let content = self.content(key, expected.appliance)?;
        let login = Login::from_sealed_form(header.kind, &content).map_err(|_| EnvelopeRefusal::Damaged)?;
        Ok((header, login))
    }

    /// The header, when it is the one that was expected.
    ///
    /// # Errors
    /// The first thing that is not.
    pub fn expected_header(&self, expected: Expected) -> Result<Header, EnvelopeRefusal> {
        let header = self.header()?;
        if header.org != expected.org {
            Err(EnvelopeRefusal::Organisation)
        } else if header.credential != expected.credential.id {
            Err(EnvelopeRefusal::Credential)
        } else if header.version != expected.credential.version {
            Err(EnvelopeRefusal::OtherVersion)
        } else if !header.appliances.contains(&expected.appliance) {
            Err(EnvelopeRefusal::Appliance)
        } else {
            Ok(header)
        }
    }

    fn content(
        &self,
        key: &CredentialKey,
        appliance: Fingerprint,
    ) -> Result<Zeroizing<Vec<u8>>, EnvelopeRefusal> {
        let ours = self.sealed.iter().find(|one| one.appliance == appliance);
        let ours = ours.ok_or(EnvelopeRefusal::Appliance)?;
        key.open(ours.suite, &info(appliance), &self.header, &ours.sealed)
            .map_err(|_| EnvelopeRefusal::Damaged)
    }
}

impl Sealing {
    /// The envelope: one that the owner key signed, or, where no owner key is pinned or `unsigned` says that it need
    /// not be, any.
    ///
    /// # Errors
    /// When the owner key did not sign it and must have.
    pub fn envelope(
        &self,
        owner: Option<&VerifyingKey>,
        unsigned: Unsigned,
    ) -> Result<Envelope, EnvelopeRefusal> {
        match (self, owner) {
            (Self::Owned(signed), Some(owner)) => {
                signed.verify(owner).map_err(|_| EnvelopeRefusal::NotSigned)
            }
            (Self::Owned(signed), None) => signed
                .danger_read_unverified()
                .map_err(|_| EnvelopeRefusal::Malformed),
            (Self::Unsigned(envelope), None) => Ok(envelope.clone()),
            (Self::Unsigned(envelope), Some(_)) => match unsigned {
                Unsigned::Accepted => Ok(envelope.clone()),
                Unsigned::Refused => Err(EnvelopeRefusal::NotSigned),
            },
        }
    }
}

/// Whether an envelope that the owner did not sign is opened although an owner key is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// The owner's grant says so.
    Accepted,
    /// It is not.
    Refused,
}

fn within_bounds(header: &Header) -> bool {
    (1..=PLACES_LIMIT).contains(&header.places.len())
        && (1..=RECIPIENTS_LIMIT).contains(&header.appliances.len())
        && header.version > 0
}

/// What a sealing is bound to besides its header.
fn info(appliance: Fingerprint) -> Vec<u8> {
    [b"vedette/1 credential\0", &appliance.0[..]].concat()
}

#[cfg(test)]
mod tests;
