//! Pools: appliances that reach the same network and share a queue.

use std::collections::HashMap;

use sqlx::{query, sqlite::SqliteRow};
use vedette_protocol::{ApplianceId, OrgId, PoolId, ScanId, Timestamp, api::Pool};

use super::{
    Db,
    column::{Columns, integer},
    jobs,
};

/// The most pools of an organisation.
pub const POOLS_LIMIT: u64 = 200;

/// The most appliances of a pool: an envelope can be sealed to all of them.
pub const MEMBERS_LIMIT: usize = vedette_protocol::envelope::RECIPIENTS_LIMIT;

/// Keeps a pool in the place of the one with its id; its appliances stay.
///
/// # Errors
/// The database's.
pub async fn keep(
    db: &mut Db,
    org: OrgId,
    id: PoolId,
    name: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO pools (org_id, id, name, created) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (org_id, id) DO UPDATE SET name = ?3",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .bind(name)
    .bind(integer(now.0))
    .execute(db)
    .await?;
    Ok(())
}

/// Whether an id was a pool's that was removed: it is not given out again.
///
/// # Errors
/// The database's.
pub async fn is_gone(db: &mut Db, org: OrgId, id: PoolId) -> Result<bool, sqlx::Error> {
    let row = query("SELECT 1 AS one FROM pools WHERE org_id = ?1 AND id = ?2 AND removed IS NOT NULL")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// All pools of an organisation, by name.
///
/// # Errors
/// The database's.
pub async fn list(db: &mut Db, org: OrgId) -> Result<Vec<Pool>, sqlx::Error> {
    let rows = query("SELECT * FROM pools WHERE org_id = ?1 AND removed IS NULL ORDER BY name, id")
        .bind(&org.0[..])
        .fetch_all(&mut *db)
        .await?;
    let members = query("SELECT pool, appliance FROM pool_members WHERE org_id = ?1 ORDER BY appliance")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    let mut of: HashMap<PoolId, Vec<ApplianceId>> = HashMap::new();
    for row in &members {
        let pool = row.bytes("pool").map(PoolId)?;
        of.entry(pool).or_default().push(row.appliance("appliance")?);
    }
    rows.iter()
        .map(|row| {
            let mut pool = read(row)?;
            pool.appliances = of.remove(&pool.id).unwrap_or_default();
            Ok(pool)
        })
        .collect()
}

/// A pool.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, org: OrgId, id: PoolId) -> Result<Option<Pool>, sqlx::Error> {
    Ok(list(db, org).await?.into_iter().find(|pool| pool.id == id))
}

/// The names of an organisation's pools, those too that were removed.
///
/// # Errors
/// The database's.
pub async fn names(db: &mut Db, org: OrgId) -> Result<HashMap<PoolId, String>, sqlx::Error> {
    let rows = query("SELECT id, name FROM pools WHERE org_id = ?1")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    rows.iter()
        .map(|row| Ok((row.bytes("id").map(PoolId)?, row.text("name")?)))
        .collect()
}

/// Puts an appliance into a pool.
///
/// # Errors
/// The database's.
pub async fn enter(db: &mut Db, org: OrgId, id: PoolId, appliance: ApplianceId) -> Result<(), sqlx::Error> {
    query("INSERT INTO pool_members (org_id, pool, appliance) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .bind(&appliance.0[..])
        .execute(db)
        .await?;
    Ok(())
}

/// Takes an appliance out of a pool, or out of all: what it does for them is for the others from here on. The scans that
/// may have ended with it.
///
/// # Errors
/// The database's.
pub async fn leave(
    db: &mut Db,
    org: OrgId,
    id: Option<PoolId>,
    appliance: ApplianceId,
    now: Timestamp,
) -> Result<Vec<ScanId>, sqlx::Error> {
    let pool = id.as_ref().map(|id| &id.0[..]);
    query("DELETE FROM pool_members WHERE org_id = ?1 AND appliance = ?2 AND (?3 IS NULL OR pool = ?3)")
        .bind(&org.0[..])
        .bind(&appliance.0[..])
        .bind(pool)
        .execute(&mut *db)
        .await?;
    query(
        "UPDATE jobs SET boot = NULL, lease_until = NULL
         WHERE org_id = ?1 AND appliance = ?2 AND pool IS NOT NULL AND (?3 IS NULL OR pool = ?3)
           AND ended IS NULL AND boot IS NOT NULL",
    )
    .bind(&org.0[..])
    .bind(&appliance.0[..])
    .bind(pool)
    .execute(&mut *db)
    .await?;
    jobs::settle(db, org, now).await
}

/// Removes a pool: what it has not done yet has failed. The scans that may have ended with it.
///
/// # Errors
/// The database's.
pub async fn remove(db: &mut Db, org: OrgId, id: PoolId, now: Timestamp) -> Result<Vec<ScanId>, sqlx::Error> {
    query("DELETE FROM pool_members WHERE org_id = ?1 AND pool = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .execute(&mut *db)
        .await?;
    query("UPDATE pools SET removed = ?3 WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .bind(integer(now.0))
        .execute(&mut *db)
        .await?;
    jobs::fail_those_of(db, org, jobs::Whose::Pool(id), "its pool was removed", now).await
}

fn read(row: &SqliteRow) -> Result<Pool, sqlx::Error> {
    Ok(Pool {
        id: row.bytes("id").map(PoolId)?,
        name: row.text("name")?,
        appliances: Vec::new(),
        created: row.time("created")?,
    })
}
