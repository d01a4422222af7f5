//! Device codes: identities that wait for an operator's approval (after RFC 8628).

use std::time::Duration;

use sqlx::query;
use vedette_crypto::VerifyingKey;
use vedette_protocol::{ImageId, Timestamp};

use super::{
    Db,
    column::{Columns, integer},
};

/// The most identities that may wait at a time.
pub const WAITING_LIMIT: u64 = 10_000;

/// The most that may wait from one address: one guest must not take up all places.
pub const WAITING_LIMIT_OF_ADDRESS: u64 = 100;

/// How long a code is known after it has expired, for who types it too late.
const REMEMBERED: Duration = Duration::from_hours(1);

/// A code that an identity was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who waits.
    pub identity: VerifyingKey,
    /// The image that it runs.
    pub image: ImageId,
    /// Where it asked from first.
    pub address: String,
    /// Its code, without hyphen.
    pub code: String,
    /// Until when it is valid.
    pub expires: Timestamp,
}

/// Whether an identity may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Under this code.
    Under(Waiting),
    /// Too many wait.
    Full,
}

/// What became of a code that somebody approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It was good, and is used now.
    Now(Waiting),
    /// It was used before, at this time.
    Before(Timestamp),
    /// It has expired, at this time.
    Expired(Timestamp),
    /// There is none.
    Unknown,
}

/// Gives an identity a code: the one that it has while that is valid, else `fresh`.
///
/// # Errors
/// The database's; also, with odds of one in millions, when `fresh` is taken.
pub async fn admit(db: &mut Db, fresh: Waiting, now: Timestamp) -> Result<Admission, sqlx::Error> {
    query("DELETE FROM codes WHERE expires <= ?1")
        .bind(integer(now.0.saturating_sub(REMEMBERED.as_secs())))
        .execute(&mut *db)
        .await?;
    let row = query("SELECT * FROM codes WHERE identity = ?1 AND taken IS NULL AND expires > ?2")
        .bind(&fresh.identity.as_bytes()[..])
        .bind(integer(now.0))
        .fetch_optional(&mut *db)
        .await?;
    if let Some(row) = row {
        return Ok(Admission::Under(read(&row)?));
    }
    let waiting = query(
        "SELECT COUNT(*) AS waiting, COUNT(*) FILTER (WHERE address = ?1) AS of_address
         FROM codes WHERE taken IS NULL AND expires > ?2",
    )
    .bind(&fresh.address)
    .bind(integer(now.0))
    .fetch_one(&mut *db)
    .await?;
    if waiting.count("waiting")? >= WAITING_LIMIT || waiting.count("of_address")? >= WAITING_LIMIT_OF_ADDRESS
    {
        return Ok(Admission::Full);
    }
    query("INSERT INTO codes (identity, code, image, address, expires) VALUES (?1, ?2, ?3, ?4, ?5)")
        .bind(&fresh.identity.as_bytes()[..])
        .bind(&fresh.code)
        .bind(&fresh.image.0[..])
        .bind(&fresh.address)
        .bind(integer(fresh.expires.0))
        .execute(db)
        .await?;
    Ok(Admission::Under(fresh))
}

/// Takes a code, if it is valid: whoever else takes it comes too late.
///
/// # Errors
/// The database's.
pub async fn take(db: &mut Db, code: &str, now: Timestamp) -> Result<Taken, sqlx::Error> {
    let taken =
        query("UPDATE codes SET taken = ?2 WHERE code = ?1 AND taken IS NULL AND expires > ?2 RETURNING *")
            .bind(code)
            .bind(integer(now.0))
            .fetch_optional(&mut *db)
            .await?;
    if let Some(row) = taken {
        return Ok(Taken::Now(read(&row)?));
    }
    let row = query("SELECT taken, expires FROM codes WHERE code = ?1")
        .bind(code)
        .fetch_optional(db)
        .await?;
    let Some(row) = row else {
        return Ok(Taken::Unknown);
    };
    Ok(match row.time_or_null("taken")? {
        Some(before) => Taken::Before(before),
        None => Taken::Expired(row.time("expires")?),
    })
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Result<Waiting, sqlx::Error> {
    Ok(Waiting {
        identity: VerifyingKey::from_bytes(row.bytes("identity")?),
        image: row.image("image")?,
        address: row.text("address")?,
        code: row.text("code")?,
        expires: row.time("expires")?,
    })
}
