//! Removal: an appliance is taken out of use, its wrapping key is destroyed, and a receipt is signed.
//!
//! In this order: first the database forbids, then the key dies, then the receipt says so. A crash in
//! between is made good at the next start, and asking again gives the same receipt.

use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_crypto::Signer;
use vedette_protocol::{
    ApplianceId, OrgId, Signed, Timestamp,
    api::{Removal, RemovalReceipt},
    signed::VerifyError,
};

use crate::{
    desk::Standing,
    escrow,
    keystore::KeystoreError,
    platform::Platform,
    store::{
        appliances::{self, Appliance},
        audit::{self, Actor},
        jobs, pools, scans,
    },
};

/// An appliance could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is none of that id.
    #[error("there is no such appliance")]
    Unknown,
    /// The database failed.
    #[error("recording the removal of an appliance")]
    Record(#[from] sqlx::Error),
    /// The wrapping key may still be there.
    #[error("destroying the wrapping key of an appliance")]
    Destroy(#[from] KeystoreError),
    /// The receipt that was kept is not ours.
    #[error("reading the receipt of a removal")]
    Receipt(#[from] VerifyError),
}

/// Removes an appliance.
///
/// # Errors
/// When there is none, or something of it may be left: then ask again.
pub async fn remove(
    platform: &Platform,
    org: OrgId,
    id: ApplianceId,
    actor: &Actor,
    now: Timestamp,
) -> Result<RemovalReceipt, RemoveError> {
    let mut writing = platform.store.write().await?;
    let appliance = appliances::in_org(&mut writing, org, id)
        .await?
        .ok_or(RemoveError::Unknown)?;
    if let Some(receipt) = &appliance.receipt {
        return receipt_of(platform, receipt);
    }
    if appliance.removed.is_none() {
        appliances::remove(&mut writing, org, id, now).await?;
        let reason = "the appliance was removed";
        for scan in jobs::fail_those_of(&mut writing, org, jobs::Whose::Appliance(id), reason, now).await? {
            scans::end_with_last_job(&mut writing, org, scan, now).await?;
        }
        for scan in pools::leave(&mut writing, org, None, id, now).await? {
            scans::end_with_last_job(&mut writing, org, scan, now).await?;
        }
        audit::record(&mut writing, org, actor, "appliance.remove", &id.to_string(), now).await?;
    }
    writing.commit().await?;
    // Who polls is told at once.
    platform.desks.open(&appliance).stands(Standing::Removed);
    // What it did for pools is for others.
    platform.desks.ring_all_of(org);
    finish(platform, &appliance, now).await
}

/// Ends removals that a crash has cut short. A wrapping key that belongs to no appliance is reported and
/// kept: the database may be an old copy that does not know it yet.
///
/// # Errors
/// The keystore's or the database's.
pub async fn finish_what_was_begun(platform: &Platform) -> Result<(), RemoveError> {
    let now = Timestamp::now();
    let mut reading = platform.store.read().await?;
    let half_removed = appliances::half_removed(&mut reading).await?;
    let mut without_row = Vec::new();
    for id in platform.keystore.appliances()? {
        if appliances::with_id(&mut reading, id).await?.is_none() {
            without_row.push(id);
        }
    }
    drop(reading);
    for appliance in half_removed {
        tracing::warn!(appliance = %appliance.id, "finishing a removal that was cut short");
        finish(platform, &appliance, now).await?;
    }
    for id in without_row {
        tracing::warn!(appliance = %id, "the database knows no appliance that this wrapping key belongs to");
    }
    Ok(())
}

async fn finish(
    platform: &Platform,
    appliance: &Appliance,
    now: Timestamp,
) -> Result<RemovalReceipt, RemoveError> {
    escrow::destroy(&platform.keystore, appliance.id)?;
    let removal = Removal {
        appliance: appliance.id,
        destroyed: now,
        backups_expired_by: now.after(platform.policy.keystore_backups),
    };
    let Ok(signed) = Signed::seal(&removal, &platform.signer);
    let receipt = signed.to_bytes();
    let mut writing = platform.store.write().await?;
    appliances::keep_receipt(&mut writing, appliance.org, appliance.id, &receipt).await?;
    writing.commit().await?;
    tracing::info!(appliance = %appliance.id, "removed an appliance and destroyed its wrapping key");
    receipt_of(platform, &receipt)
}

fn receipt_of(platform: &Platform, receipt: &[u8]) -> Result<RemovalReceipt, RemoveError> {
    let signed = Signed::<Removal>::from_bytes(receipt).map_err(VerifyError::from)?;
    let removal = signed.verify(&platform.signer.verifying_key())?;
    Ok(RemovalReceipt {
        appliance: removal.appliance,
        destroyed: removal.destroyed,
        backups_expired_by: removal.backups_expired_by,
        signed: STANDARD.encode(receipt),
    })
}
