//! Schedules: scans that begin by themselves.

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    OrgId, ScanId, ScheduleId, Timestamp,
    api::{Due, NewSchedule, Schedule},
};

use super::{
    Db,
    column::{Columns, integer, json},
};

/// The most schedules of an organisation.
pub const SCHEDULES_LIMIT: u64 = 200;

/// Keeps a schedule in the place of the one with its id: it begins at `next`.
///
/// # Errors
/// The database's.
pub async fn keep(
    db: &mut Db,
    org: OrgId,
    id: ScheduleId,
    new: &NewSchedule,
    (next, now): (Timestamp, Timestamp),
) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO schedules (org_id, id, name, scan, every, next, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET name = ?3, scan = ?4, every = ?5, next = ?6",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .bind(new.name.trim())
    .bind(json(&new.scan))
    .bind(integer(new.every))
    .bind(integer(next.0))
    .bind(integer(now.0))
    .execute(db)
    .await?;
    Ok(())
}

/// All schedules of an organisation, by name.
///
/// # Errors
/// The database's.
pub async fn list(db: &mut Db, org: OrgId) -> Result<Vec<Schedule>, sqlx::Error> {
    let rows = query("SELECT * FROM schedules WHERE org_id = ?1 ORDER BY name, id")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// A schedule.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, org: OrgId, id: ScheduleId) -> Result<Option<Schedule>, sqlx::Error> {
    let row = query("SELECT * FROM schedules WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// Removes a schedule, if it is there.
///
/// # Errors
/// The database's.
pub async fn remove(db: &mut Db, org: OrgId, id: ScheduleId) -> Result<(), sqlx::Error> {
    query("DELETE FROM schedules WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .execute(db)
        .await?;
    Ok(())
}

/// The schedule that has been due for longest.
///
/// # Errors
/// The database's.
pub async fn due(db: &mut Db, now: Timestamp) -> Result<Option<(OrgId, Schedule)>, sqlx::Error> {
    let row = query("SELECT * FROM schedules WHERE next <= ?1 ORDER BY next LIMIT 1")
        .bind(integer(now.0))
        .fetch_optional(db)
        .await?;
    row.map(|row| Ok((row.org()?, read(&row)?))).transpose()
}

/// Notes what came of a schedule that was due, and when it is again.
///
/// # Errors
/// The database's.
pub async fn note(
    db: &mut Db,
    org: OrgId,
    id: ScheduleId,
    came: &Due,
    next: Timestamp,
) -> Result<(), sqlx::Error> {
    query(
        "UPDATE schedules SET next = ?3, last = ?4, last_scan = ?5, skipped = ?6
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .bind(integer(next.0))
    .bind(integer(came.at.0))
    .bind(came.scan.map(|scan| scan.0.to_vec()))
    .bind(&came.skipped)
    .execute(db)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<Schedule, sqlx::Error> {
    let scan = row.bytes_or_null("last_scan")?.map(ScanId);
    let skipped: Option<String> = row.try_get("skipped")?;
    Ok(Schedule {
        id: row.bytes("id").map(ScheduleId)?,
        name: row.text("name")?,
        scan: row.json("scan")?,
        every: row.count("every")?,
        next: row.time("next")?,
        created: row.time("created")?,
        last: row.time_or_null("last")?.map(|at| Due { at, scan, skipped }),
    })
}
