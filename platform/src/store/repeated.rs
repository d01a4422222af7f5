//! Requests that were answered, by the keys that their senders gave them.

use std::time::Duration;

use sqlx::{Row, query};
use vedette_protocol::{Digest, OrgId, Timestamp};

use super::{
    Db,
    column::{Columns, integer},
};

/// For how long a key is known.
pub const KEPT: Duration = Duration::from_hours(24);

/// Whose key it is.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The organisation.
    pub org: OrgId,
    /// The account in it.
    pub account: &'a str,
    /// The key.
    pub key: &'a str,
}

/// A request that was answered.
pub struct Answered {
    /// The SHA-256 of what was asked for.
    pub request: Digest,
    /// The answer, in JSON.
    pub answer: String,
}

/// The request that came with a key.
///
/// # Errors
/// The database's.
pub async fn find(db: &mut Db, sender: Sender<'_>, now: Timestamp) -> Result<Option<Answered>, sqlx::Error> {
    let row = query(
        "SELECT request, answer FROM repeated
         WHERE org_id = ?1 AND account = ?2 AND key = ?3 AND created > ?4",
    )
    .bind(&sender.org.0[..])
    .bind(sender.account)
    .bind(sender.key)
    .bind(oldest(now))
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Answered {
            request: row.digest("request")?,
            answer: row.try_get("answer")?,
        })
    })
    .transpose()
}

/// Keeps an answer, in the transaction of what it tells.
///
/// # Errors
/// The database's.
pub async fn keep(
    db: &mut Db,
    sender: Sender<'_>,
    answered: &Answered,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO repeated (org_id, account, key, request, answer, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET request = ?4, answer = ?5, created = ?6",
    )
    .bind(&sender.org.0[..])
    .bind(sender.account)
    .bind(sender.key)
    .bind(&answered.request.0[..])
    .bind(&answered.answer)
    .bind(integer(now.0))
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets keys that are too old to be known.
///
/// # Errors
/// The database's.
pub async fn forget_older(db: &mut Db, now: Timestamp) -> Result<(), sqlx::Error> {
    query("DELETE FROM repeated WHERE created <= ?1")
        .bind(oldest(now))
        .execute(db)
        .await?;
    Ok(())
}

fn oldest(now: Timestamp) -> i64 {
    integer(now.0.saturating_sub(KEPT.as_secs()))
}
