//! Tokens: for tools that use the API, and for activating one appliance each.

use sqlx::{query, sqlite::SqliteRow};
use vedette_protocol::{
    Digest, OrgId, Timestamp,
    api::{Token, TokenKind},
};

use super::{
    Db,
    column::{Columns, integer},
};

/// A token's id.
pub type TokenId = [u8; 8];

/// A token to keep.
pub struct NewToken<'a> {
    /// Whose.
    pub org: OrgId,
    /// Its name, for people.
    pub name: &'a str,
    /// What for.
    pub kind: TokenKind,
    /// SHA-256 of its secret.
    pub hash: Digest,
    /// Who makes it.
    pub account: &'a str,
    /// Until when it is valid.
    pub expires: Timestamp,
}

/// Who an API token acts for.
pub struct TokenOwner {
    /// The organisation.
    pub org: OrgId,
    /// The token's id.
    pub id: TokenId,
    /// Who made it.
    pub account: String,
    /// When it was last used, as far as that was noted.
    pub used: Option<Timestamp>,
}

/// What became of an activation token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// It was good, and is spent now.
    Now(OrgId),
    /// It was spent before.
    Before,
    /// It is too old.
    Expired,
    /// There is none.
    Unknown,
}

/// Keeps a token.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut Db, new: &NewToken<'_>, now: Timestamp) -> Result<Token, sqlx::Error> {
    let id: TokenId = vedette_crypto::random();
    query(
        "INSERT INTO tokens (org_id, id, kind, name, hash, account, created, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(&new.org.0[..])
    .bind(&id[..])
    .bind(kind_name(new.kind))
    .bind(new.name)
    .bind(&new.hash.0[..])
    .bind(new.account)
    .bind(integer(now.0))
    .bind(integer(new.expires.0))
    .execute(db)
    .await?;
    Ok(Token {
        id: id_text(id),
        name: new.name.to_owned(),
        kind: new.kind,
        created: now,
        expires: new.expires,
        used: None,
    })
}

/// All tokens of an organisation, newest first.
///
/// # Errors
/// The database's.
pub async fn list(db: &mut Db, org: OrgId) -> Result<Vec<Token>, sqlx::Error> {
    let rows = query("SELECT * FROM tokens WHERE org_id = ?1 ORDER BY created DESC, id LIMIT 1000")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// Deletes a token: its name, if there was one.
///
/// # Errors
/// The database's.
pub async fn delete(db: &mut Db, org: OrgId, id: TokenId) -> Result<Option<String>, sqlx::Error> {
    let row = query("DELETE FROM tokens WHERE org_id = ?1 AND id = ?2 RETURNING name")
        .bind(&org.0[..])
        .bind(&id[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| row.text("name")).transpose()
}

/// Finds whom an API token acts for, if it is still valid.
///
/// # Errors
/// The database's.
pub async fn owner(db: &mut Db, hash: Digest, now: Timestamp) -> Result<Option<TokenOwner>, sqlx::Error> {
    let row = query(
        "SELECT org_id, id, account, used FROM tokens WHERE hash = ?1 AND kind = 'api' AND expires > ?2",
    )
    .bind(&hash.0[..])
    .bind(integer(now.0))
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(TokenOwner {
            org: row.org()?,
            id: row.bytes("id")?,
            account: row.text("account")?,
            used: row.time_or_null("used")?,
        })
    })
    .transpose()
}

/// Notes that an API token was used.
///
/// # Errors
/// The database's.
pub async fn note_use(db: &mut Db, org: OrgId, id: TokenId, now: Timestamp) -> Result<(), sqlx::Error> {
    query("UPDATE tokens SET used = ?3 WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id[..])
        .bind(integer(now.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Spends an activation token: once, whoever else asks at the same time.
///
/// # Errors
/// The database's.
pub async fn spend(db: &mut Db, hash: Digest, now: Timestamp) -> Result<Spent, sqlx::Error> {
    let spent = query(
        "UPDATE tokens SET used = ?2
         WHERE hash = ?1 AND kind = 'activation' AND used IS NULL AND expires > ?2
         RETURNING org_id",
    )
    .bind(&hash.0[..])
    .bind(integer(now.0))
    .fetch_optional(&mut *db)
    .await?;
    if let Some(row) = spent {
        return Ok(Spent::Now(row.org()?));
    }
    let row = query("SELECT used FROM tokens WHERE hash = ?1 AND kind = 'activation'")
        .bind(&hash.0[..])
        .fetch_optional(db)
        .await?;
    Ok(match row.map(|row| row.time_or_null("used")).transpose()? {
        None => Spent::Unknown,
        Some(Some(_)) => Spent::Before,
        Some(None) => Spent::Expired,
    })
}

/// Reads a token's id.
pub fn parse_id(text: &str) -> Option<TokenId> {
    // A key id has the same length and the same text form.
    text.parse::<vedette_protocol::KeyId>().ok().map(|id| id.0)
}

/// A token's id as text.
pub fn id_text(id: TokenId) -> String {
    vedette_protocol::KeyId(id).to_string()
}

fn kind_name(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Api => "api",
        TokenKind::Activation => "activation",
    }
}

fn read(row: &SqliteRow) -> Result<Token, sqlx::Error> {
    Ok(Token {
        id: id_text(row.bytes("id")?),
        name: row.text("name")?,
        kind: match row.text("kind")?.as_str() {
            "api" => TokenKind::Api,
            _ => TokenKind::Activation, // The table's check leaves no third.
        },
        created: row.time("created")?,
        expires: row.time("expires")?,
        used: row.time_or_null("used")?,
    })
}
