//! Enrolment: what makes an identity an appliance, and what it is given then.

use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, Digest, ImageId, OrgId, Signed, Timestamp,
    link::{Enrolment, Ticket},
};

use crate::{
    escrow,
    keystore::KeystoreError,
    platform::Platform,
    store::{
        Writing,
        appliances::{self, FIRST_TICKET, NewAppliance},
        audit::{self, Actor},
    },
};

/// An identity to take in.
pub struct NewIdentity {
    /// Whose appliance it becomes.
    pub org: OrgId,
    /// Its key.
    pub key: VerifyingKey,
    /// The image that it runs.
    pub image: ImageId,
    /// The hash of its activation token, if it has one.
    pub token: Option<Digest>,
    /// A name; one is made unless given.
    pub name: Option<String>,
}

/// An identity could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Its share could not be kept.
    #[error("keeping the share of a new appliance")]
    Escrow(#[from] KeystoreError),
    /// It could not be recorded.
    #[error("recording a new appliance")]
    Record(#[from] sqlx::Error),
}

/// Takes an identity in: its share in escrow, its row, its audit record.
///
/// The wrapping key is durable before the row; one without a row is reported at the next start.
///
/// # Errors
/// The keystore's or the database's.
pub async fn enrol(
    platform: &Platform,
    writing: &mut Writing,
    identity: &NewIdentity,
    actor: &Actor,
    now: Timestamp,
) -> Result<ApplianceId, EnrolError> {
    let id = ApplianceId::random();
    let share = escrow::deposit(&platform.keystore, identity.org, id)?;
    let made = || format!("appliance-{}", &id.to_string()[..6]);
    let new = NewAppliance {
        org: identity.org,
        id,
        name: &identity.name.clone().unwrap_or_else(made),
        identity: identity.key,
        token: identity.token,
        image: identity.image,
        share: &share,
    };
    appliances::insert(writing, &new, now).await?;
    audit::record(
        writing,
        identity.org,
        actor,
        "appliance.activate",
        &id.to_string(),
        now,
    )
    .await?;
    tracing::info!(appliance = %id, fingerprint = identity.key.fingerprint(), "activated an appliance");
    Ok(id)
}

/// What a new appliance is given: its name, certified, and its first ticket.
pub(super) fn certify(
    platform: &Platform,
    org: OrgId,
    appliance: ApplianceId,
    identity: &VerifyingKey,
) -> Result<Enrolment, rcgen::Error> {
    Ok(Enrolment {
        appliance,
        org,
        certificate: platform.ca.name_appliance(appliance, identity)?.to_vec(),
        ticket: ticket(platform, appliance, FIRST_TICKET),
    })
}

/// Signs a ticket.
pub(super) fn ticket(platform: &Platform, appliance: ApplianceId, number: u64) -> Signed<Ticket> {
    let Ok(signed) = Signed::seal(&Ticket { appliance, number }, &platform.signer);
    signed
}
