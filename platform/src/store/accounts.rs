//! Accounts of people.

use sqlx::{Row, query};
use vedette_protocol::{OrgId, Timestamp};

use super::{
    Db,
    column::{Columns, integer},
};
use crate::password::PasswordHash;

/// The account that `init` makes.
pub const FIRST_ACCOUNT: &str = "admin";

/// An account.
pub struct Account {
    /// Whose it is.
    pub org: OrgId,
    /// Its name, by which people log in.
    pub name: String,
    /// Its password's hash.
    pub password: PasswordHash,
    /// Whether a login must bring a new password.
    pub standing: Standing,
}

/// Whether an account's password may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Only to set another: it is the one that `init` wrote.
    FirstLogin,
    /// Yes.
    Usual,
}

/// Adds an account whose first login must set a password.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut Db,
    org: OrgId,
    name: &str,
    password: &PasswordHash,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query("INSERT INTO accounts (org_id, name, password, must_change, created) VALUES (?1, ?2, ?3, 1, ?4)")
        .bind(&org.0[..])
        .bind(name)
        .bind(&password.0)
        .bind(integer(now.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Finds an account by its name.
///
/// # Errors
/// The database's.
pub async fn named(db: &mut Db, name: &str) -> Result<Option<Account>, sqlx::Error> {
    let row = query("SELECT org_id, name, password, must_change FROM accounts WHERE name = ?1")
        .bind(name)
        .fetch_optional(db)
        .await?;
    row.map(|row| {
        Ok(Account {
            org: row.org()?,
            name: row.text("name")?,
            password: PasswordHash(row.text("password")?),
            standing: if row.try_get("must_change")? {
                Standing::FirstLogin
            } else {
                Standing::Usual
            },
        })
    })
    .transpose()
}

/// Whether a password was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was.
    Made,
    /// Another login changed it first.
    Lost,
}

/// Replaces a password, if it still is the one that was verified; every other session ends.
///
/// # Errors
/// The database's.
pub async fn change_password(
    db: &mut Db,
    account: &Account,
    new: &PasswordHash,
) -> Result<Change, sqlx::Error> {
    let changed = query(
        "UPDATE accounts SET password = ?4, must_change = 0 WHERE org_id = ?1 AND name = ?2 AND password = ?3",
    )
    .bind(&account.org.0[..])
    .bind(&account.name)
    .bind(&account.password.0)
    .bind(&new.0)
    .execute(&mut *db)
    .await?;
    query("DELETE FROM sessions WHERE org_id = ?1 AND account = ?2")
        .bind(&account.org.0[..])
        .bind(&account.name)
        .execute(db)
        .await?;
    Ok(match changed.rows_affected() {
        0 => Change::Lost,
        _ => Change::Made,
    })
}
