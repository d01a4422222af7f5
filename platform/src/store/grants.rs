//! Grants: as the owner signed them, newest first.

use sqlx::{query, sqlite::SqliteRow};
use vedette_protocol::{Grant, GrantId, OrgId, Signed, Timestamp, codec::DecodeError};

use super::{
    Db,
    column::{Columns, damaged, integer},
};

/// The most grants of an organisation that are kept.
pub const GRANTS_LIMIT: u64 = 1000;

/// A grant as it came in.
pub struct Kept {
    /// Its id.
    pub id: GrantId,
    /// When.
    pub at: Timestamp,
    /// The grant.
    pub signed: Signed<Grant>,
}

/// A place in the list.
pub type Place = (u64, GrantId);

/// Keeps a grant in the place of the one with its id.
///
/// # Errors
/// The database's.
pub async fn keep(
    db: &mut Db,
    grant: &Grant,
    signed: &Signed<Grant>,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO grants (org_id, id, kept, until, signed) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET kept = ?3, until = ?4, signed = ?5",
    )
    .bind(&grant.org.0[..])
    .bind(&grant.id.0[..])
    .bind(integer(now.0))
    .bind(integer(grant.until.0))
    .bind(signed.to_bytes())
    .execute(db)
    .await?;
    Ok(())
}

/// How many grants an organisation has.
///
/// # Errors
/// The database's.
pub async fn count(db: &mut Db, org: OrgId) -> Result<u64, sqlx::Error> {
    query("SELECT COUNT(*) AS count FROM grants WHERE org_id = ?1")
        .bind(&org.0[..])
        .fetch_one(db)
        .await?
        .count("count")
}

/// A grant.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, org: OrgId, id: GrantId) -> Result<Option<Kept>, sqlx::Error> {
    let row = query("SELECT * FROM grants WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// Grants, newest first, behind a place.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    behind: Option<Place>,
    limit: u32,
) -> Result<Vec<Kept>, sqlx::Error> {
    let (kept, id) = behind.unwrap_or((u64::MAX, GrantId([0; 16])));
    let rows = query(
        "SELECT * FROM grants WHERE org_id = ?1 AND (kept, id) < (?2, ?3) ORDER BY kept DESC, id DESC LIMIT ?4",
    )
    .bind(&org.0[..])
    .bind(integer(kept))
    .bind(&id.0[..])
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Grants that have not expired, newest first.
///
/// # Errors
/// The database's.
pub async fn in_force(db: &mut Db, org: OrgId, now: Timestamp) -> Result<Vec<Kept>, sqlx::Error> {
    let rows =
        query("SELECT * FROM grants WHERE org_id = ?1 AND until > ?2 ORDER BY kept DESC, id DESC LIMIT ?3")
            .bind(&org.0[..])
            .bind(integer(now.0))
            .bind(integer(GRANTS_LIMIT))
            .fetch_all(db)
            .await?;
    rows.iter().map(read).collect()
}

/// Carries a grant no more.
///
/// # Errors
/// The database's.
pub async fn remove(db: &mut Db, org: OrgId, id: GrantId) -> Result<(), sqlx::Error> {
    query("DELETE FROM grants WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .execute(db)
        .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Kept, sqlx::Error> {
    let signed = Signed::from_bytes(&row.blob("signed")?);
    Ok(Kept {
        id: row.bytes("id").map(GrantId)?,
        at: row.time("kept")?,
        signed: signed.map_err(|error: DecodeError| damaged("signed", error))?,
    })
}
