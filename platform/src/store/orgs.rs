//! Organisations: the owners of everything else.

use sqlx::query;
use vedette_protocol::{OrgId, Timestamp, api::OrgSettings};

use super::{
    Db,
    column::{Columns, integer},
};

/// Adds an organisation.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut Db, org: OrgId, now: Timestamp) -> Result<(), sqlx::Error> {
    query("INSERT INTO orgs (org_id, created) VALUES (?1, ?2)")
        .bind(&org.0[..])
        .bind(integer(now.0))
        .execute(db)
        .await?;
    Ok(())
}

/// What an organisation has settled for itself.
///
/// # Errors
/// The database's.
pub async fn settings(db: &mut Db, org: OrgId) -> Result<OrgSettings, sqlx::Error> {
    let row = query("SELECT owner_signed_only FROM orgs WHERE org_id = ?1")
        .bind(&org.0[..])
        .fetch_one(db)
        .await?;
    Ok(OrgSettings {
        owner_signed_credentials_only: row.count("owner_signed_only")? != 0,
    })
}

/// Settles it.
///
/// # Errors
/// The database's.
pub async fn settle(db: &mut Db, org: OrgId, settings: OrgSettings) -> Result<(), sqlx::Error> {
    query("UPDATE orgs SET owner_signed_only = ?2 WHERE org_id = ?1")
        .bind(&org.0[..])
        .bind(settings.owner_signed_credentials_only)
        .execute(db)
        .await?;
    Ok(())
}
