//! Escrow: the platform's share of each appliance's key.
//!
//! The share stands in the database, wrapped under a key of its own in the keystore. Both are needed to
//! give it out; destroying the one in the keystore ends it in every copy of the database.

use vedette_crypto::{
    Secret,
    share::PlatformShare,
    wrap::{UnwrapError, WrappingKey},
};
use vedette_protocol::{ApplianceId, OrgId};

use crate::keystore::{Entry, Keystore, KeystoreError};

/// A share as the database keeps it.
pub struct WrappedShare(pub Vec<u8>);

/// A share could not be given out.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// The wrapping key is not to be had.
    #[error("reading the wrapping key of appliance {0}")]
    Key(ApplianceId, #[source] KeystoreError),
    /// Wrapping key and share do not belong together.
    #[error("unwrapping the share of appliance {0}")]
    Share(ApplianceId, #[source] UnwrapError),
    /// They belong together, but are no share.
    #[error("what is kept for appliance {0} is not a share: it has the wrong length")]
    Length(ApplianceId),
}

/// Makes a share for a new appliance. Its wrapping key is durable when this returns.
///
/// # Errors
/// The keystore's.
pub fn deposit(
    keystore: &Keystore,
    org: OrgId,
    appliance: ApplianceId,
) -> Result<WrappedShare, KeystoreError> {
    let key = WrappingKey::random();
    key.with(|bytes| keystore.keep(Entry::Appliance(appliance), bytes))?;
    let wrapped = PlatformShare::random().with(|share| key.wrap(&context(org, appliance), share));
    Ok(WrappedShare(wrapped))
}

/// Opens an appliance's share.
///
/// # Errors
/// When the wrapping key is gone, or is not the one.
pub fn withdraw(
    keystore: &Keystore,
    org: OrgId,
    appliance: ApplianceId,
    wrapped: &WrappedShare,
) -> Result<PlatformShare, WithdrawError> {
    let key = keystore
        .read(Entry::Appliance(appliance))
        .map_err(|error| WithdrawError::Key(appliance, error))?;
    let key = Secret::copied(&key).ok_or(WithdrawError::Length(appliance))?;
    let share = WrappingKey::from_secret(key)
        .unwrap(&context(org, appliance), &wrapped.0)
        .map_err(|error| WithdrawError::Share(appliance, error))?;
    Secret::copied(&share)
        .map(PlatformShare::from_secret)
        .ok_or(WithdrawError::Length(appliance))
}

/// Destroys what opens an appliance's share.
///
/// # Errors
/// The keystore's; then it is not destroyed.
pub fn destroy(keystore: &Keystore, appliance: ApplianceId) -> Result<(), KeystoreError> {
    keystore.destroy(Entry::Appliance(appliance))
}

fn context(org: OrgId, appliance: ApplianceId) -> Vec<u8> {
    [&b"vedette/1 share"[..], &org.0, &appliance.0].concat()
}
