//! Credentials: sealed, as they came in.

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    CredentialId, OrgId, Timestamp,
    codec::{self, DecodeError},
    envelope::Sealing,
};

use super::{
    Db,
    column::{Columns, damaged, integer},
};

/// A credential.
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// The newest version that came in.
    pub version: u32,
    /// Its label.
    pub label: String,
    /// Whether it is kept from use.
    pub disabled: bool,
    /// When this version came in.
    pub at: Timestamp,
    /// The sealing; none once it is removed.
    pub sealing: Option<Sealing>,
}

/// A place in the list.
pub type Place = (String, CredentialId);

/// Keeps a credential in the place of the one with its id.
///
/// # Errors
/// The database's.
pub async fn keep(db: &mut Db, org: OrgId, credential: &Credential) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO credentials (org_id, id, version, label, disabled, kept, sealing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET version = ?3, label = ?4, disabled = ?5, kept = ?6, sealing = ?7",
    )
    .bind(&org.0[..])
    .bind(&credential.id.0[..])
    .bind(credential.version)
    .bind(&credential.label)
    .bind(credential.disabled)
    .bind(integer(credential.at.0))
    .bind(credential.sealing.as_ref().map(codec::encode))
    .execute(db)
    .await?;
    Ok(())
}

/// A credential, a removed one too.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, org: OrgId, id: CredentialId) -> Result<Option<Credential>, sqlx::Error> {
    let row = query("SELECT * FROM credentials WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// Credentials by label, behind a place; removed ones are not among them.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    behind: Option<Place>,
    limit: u32,
) -> Result<Vec<Credential>, sqlx::Error> {
    let (label, id) = behind.map_or((None, [0; 16]), |(label, id)| (Some(label), id.0));
    let rows = query(
        "SELECT * FROM credentials
         WHERE org_id = ?1 AND sealing IS NOT NULL AND (?2 IS NULL OR (label, id) > (?2, ?3))
         ORDER BY label, id LIMIT ?4",
    )
    .bind(&org.0[..])
    .bind(label)
    .bind(&id[..])
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Credential, sqlx::Error> {
    let sealing: Option<&[u8]> = row.try_get("sealing")?;
    let sealing = sealing
        .map(codec::decode)
        .transpose()
        .map_err(|error: DecodeError| damaged("sealing", error))?;
    Ok(Credential {
        id: row.bytes("id").map(CredentialId)?,
        version: row.try_get("version")?,
        label: row.text("label")?,
        disabled: row.try_get("disabled")?,
        at: row.time("kept")?,
        sealing,
    })
}
