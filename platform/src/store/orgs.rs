//! Organisations: the owners of everything else.

use sqlx::query;
use vedette_protocol::{OrgId, Timestamp};

use super::{Db, column::integer};

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
