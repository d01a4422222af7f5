//! The jobs of a scan, as people see them.

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    CredentialId, OrgId, Report, ScanId,
    api::{ScanJob, ScanState},
    finding::Outcome,
    job::Check,
    target::Targets,
    worker::Progress,
};

use crate::store::{
    Db,
    column::{Columns, integer},
};

/// The jobs of a scan behind a number, in their order.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    scan: ScanId,
    behind: Option<u64>,
    limit: u32,
) -> Result<Vec<ScanJob>, sqlx::Error> {
    let rows = query(
        "SELECT jobs.*,
             (SELECT json_group_array(json_object('appliance', LOWER(HEX(job_members.appliance)), 'why', why))
               FROM job_members
               WHERE job_members.org_id = jobs.org_id AND job_members.job = jobs.id AND why IS NOT NULL) AS passed
         FROM jobs WHERE org_id = ?1 AND scan = ?2 AND number > ?3 ORDER BY number LIMIT ?4",
    )
    .bind(&org.0[..])
    .bind(&scan.0[..])
    .bind(behind.map_or(-1, integer))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<ScanJob, sqlx::Error> {
    let ended = row.time_or_null("ended")?;
    let held = row.boot_or_null("boot")?.is_some();
    let report = row.json_or_null::<Report>("report")?;
    let state = match (ended, report.as_ref().map(Report::outcome)) {
        (None, _) if held => ScanState::Running,
        (None, _) => ScanState::Queued,
        (Some(_), Some(Outcome::Complete)) => ScanState::Complete,
        (Some(_), Some(Outcome::Partial)) => ScanState::Partial,
        (Some(_), None) => ScanState::Failed,
    };
    Ok(ScanJob {
        number: row.count("number")?,
        id: row.job("id")?,
        state,
        // Who had it before and lost it does not do it.
        appliance: row.appliance_or_null("appliance")?.filter(|_| held),
        taken: row.count("fence")?,
        targets: row.json::<Targets>("targets")?.into(),
        checks: row.json::<Vec<Check>>("checks")?,
        credential: row.bytes_or_null("credential")?.map(CredentialId),
        progress: Progress {
            done: row.count("progress_done")?,
            total: row.count("progress_total")?,
        },
        ended,
        reason: row.try_get("reason")?,
        waiting: row.try_get("waiting")?,
        passed: row.json("passed")?,
    })
}
