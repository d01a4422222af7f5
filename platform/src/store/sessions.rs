//! Logins of people, for a time.

use sqlx::query;
use vedette_protocol::{Digest, OrgId, Timestamp};

use super::{
    Db,
    column::{Columns, integer},
};

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOwner {
    /// The organisation.
    pub org: OrgId,
    /// The account.
    pub account: String,
    /// Until when it is valid.
    pub expires: Timestamp,
}

/// Begins a session.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut Db,
    owner: &SessionOwner,
    hash: Digest,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query("INSERT INTO sessions (org_id, hash, account, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(&owner.org.0[..])
        .bind(&hash.0[..])
        .bind(&owner.account)
        .bind(integer(now.0))
        .bind(integer(owner.expires.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds the owner of a session that is still valid.
///
/// # Errors
/// The database's.
pub async fn owner(db: &mut Db, hash: Digest, now: Timestamp) -> Result<Option<SessionOwner>, sqlx::Error> {
    let row = query("SELECT org_id, account, expires FROM sessions WHERE hash = ?1 AND expires > ?2")
        .bind(&hash.0[..])
        .bind(integer(now.0))
        .fetch_optional(db)
        .await?;
    row.map(|row| {
        Ok(SessionOwner {
            org: row.org()?,
            account: row.text("account")?,
            expires: row.time("expires")?,
        })
    })
    .transpose()
}

/// Ends a session.
///
/// # Errors
/// The database's.
pub async fn end(db: &mut Db, hash: Digest) -> Result<(), sqlx::Error> {
    query("DELETE FROM sessions WHERE hash = ?1")
        .bind(&hash.0[..])
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets sessions that have expired.
///
/// # Errors
/// The database's.
pub async fn forget_expired(db: &mut Db, now: Timestamp) -> Result<(), sqlx::Error> {
    query("DELETE FROM sessions WHERE expires <= ?1")
        .bind(integer(now.0))
        .execute(db)
        .await?;
    Ok(())
}
