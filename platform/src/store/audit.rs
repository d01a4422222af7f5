//! The audit trail: who changed what, written in the transaction of the change itself.

use sqlx::query;
use vedette_protocol::{OrgId, Timestamp, api::AuditRecord};

use super::{
    Db,
    column::{Columns, integer},
};

/// Who changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub String);

impl Actor {
    /// The platform itself.
    pub fn platform() -> Self {
        Self("platform".to_owned())
    }
}

/// Adds a record.
///
/// # Errors
/// The database's.
pub async fn record(
    db: &mut Db,
    org: OrgId,
    actor: &Actor,
    action: &str,
    object: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO audit (org_id, number, at, actor, action, object)
         SELECT ?1, COALESCE(MAX(number), 0) + 1, ?2, ?3, ?4, ?5 FROM audit WHERE org_id = ?1",
    )
    .bind(&org.0[..])
    .bind(integer(now.0))
    .bind(&actor.0)
    .bind(action)
    .bind(object)
    .execute(db)
    .await?;
    Ok(())
}

/// Records, newest first, below a number.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    below: Option<u64>,
    limit: u32,
) -> Result<Vec<AuditRecord>, sqlx::Error> {
    let rows = query("SELECT * FROM audit WHERE org_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3")
        .bind(&org.0[..])
        .bind(below.map_or(i64::MAX, integer))
        .bind(limit)
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(AuditRecord {
                number: row.count("number")?,
                at: row.time("at")?,
                actor: row.text("actor")?,
                action: row.text("action")?,
                object: row.text("object")?,
            })
        })
        .collect()
}
