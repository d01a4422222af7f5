//! Scans: what operators ask for. A scan ends with its last job.

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    CredentialId, OrgId, Ports, Report, ScanId, Target, Timestamp,
    api::{By, Scan, ScanState},
    finding::{Coverage, Effort, Outcome},
    job::{Check, Checks, Subject},
    target::Targets,
    web::WebTest,
    worker::Progress,
};

use super::{
    Db,
    column::{Columns, by_columns, integer, json},
};

/// A scan to add.
pub struct NewScan<'a> {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub id: ScanId,
    /// Who does it.
    pub by: By,
    /// What is scanned.
    pub targets: &'a Targets,
    /// What is not.
    pub exclude: &'a [Target],
    /// Which ports.
    pub ports: &'a Ports,
    /// Which checks.
    pub checks: &'a Checks,
    /// The credentials to log in with.
    pub credentials: &'a [CredentialId],
    /// How web applications are tested.
    pub web: Option<&'a WebTest>,
}

/// A scan with its place in the list.
pub struct Numbered {
    /// Counts up within the organisation.
    pub number: u64,
    /// The scan.
    pub scan: Scan,
}

/// Adds a scan.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut Db, new: &NewScan<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    let (appliance, pool) = by_columns(&new.by);
    query(
        "INSERT INTO scans
             (org_id, number, id, appliance, pool, targets, exclude, ports, checks, created, credentials, web)
         SELECT ?1, COALESCE(MAX(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
         FROM scans WHERE org_id = ?1",
    )
    .bind(&new.org.0[..])
    .bind(&new.id.0[..])
    .bind(appliance)
    .bind(pool)
    .bind(json(new.targets))
    .bind(json(&new.exclude))
    .bind(new.ports.to_string())
    .bind(json(new.checks))
    .bind(integer(now.0))
    .bind(json(&new.credentials))
    .bind(new.web.map(json))
    .execute(db)
    .await?;
    Ok(())
}

/// A scan.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, org: OrgId, id: ScanId) -> Result<Option<Scan>, sqlx::Error> {
    let row = query(concat!(
        include_str!("../../sql/scan.sql"),
        " WHERE scans.org_id = ?1 AND scans.id = ?2"
    ))
    .bind(&org.0[..])
    .bind(&id.0[..])
    .fetch_optional(db)
    .await?;
    Ok(row
        .map(|row| read(&row))
        .transpose()?
        .map(|numbered| numbered.scan))
}

/// Scans, newest first, below a number.
///
/// # Errors
/// The database's.
pub async fn list(
    db: &mut Db,
    org: OrgId,
    below: Option<u64>,
    limit: u32,
) -> Result<Vec<Numbered>, sqlx::Error> {
    let rows = query(concat!(
        include_str!("../../sql/scan.sql"),
        " WHERE scans.org_id = ?1 AND scans.number < ?2 ORDER BY scans.number DESC LIMIT ?3"
    ))
    .bind(&org.0[..])
    .bind(below.map_or(i64::MAX, integer))
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Whether a scan is to test web applications.
///
/// # Errors
/// The database's.
pub async fn tests_applications(db: &mut Db, org: OrgId, id: ScanId) -> Result<bool, sqlx::Error> {
    let row = query("SELECT checks FROM scans WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .fetch_one(db)
        .await?;
    Ok(row.json::<Checks>("checks")?.contains(Check::Web))
}

/// Whether a scan has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this.
    Now,
    /// Jobs are left.
    NotYet,
}

/// Ends a scan whose last job has ended: merges the reports.
///
/// # Errors
/// The database's.
pub async fn end_with_last_job(
    db: &mut Db,
    org: OrgId,
    id: ScanId,
    now: Timestamp,
) -> Result<Ended, sqlx::Error> {
    let rows = query(
        "SELECT jobs.ended, jobs.reason, jobs.report, jobs.hosts, jobs.checks,
                COALESCE(jobs.ports, scans.ports) AS ports
         FROM jobs JOIN scans ON scans.org_id = jobs.org_id AND scans.id = jobs.scan
         WHERE jobs.org_id = ?1 AND jobs.scan = ?2 ORDER BY jobs.number",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .fetch_all(&mut *db)
    .await?;
    let mut jobs = Vec::new();
    for row in &rows {
        if row.time_or_null("ended")?.is_none() {
            return Ok(Ended::NotYet);
        }
        jobs.push(match row.json_or_null::<Report>("report")? {
            Some(report) => JobEnd::Reported(report),
            None => JobEnd::Failed {
                reason: row.try_get::<Option<String>, _>("reason")?.unwrap_or_default(),
                // Who asks hosts whether they are there knows nothing of their ports.
                ports: match row.json::<Checks>("checks")?.of(Subject::Network) {
                    Some(_) => 0,
                    None => row.count("hosts")? * row.parsed::<Ports>("ports")?.count() as u64,
                },
                hosts: row.count("hosts")?,
            },
        });
    }
    let end = merge(jobs);
    query(
        "UPDATE scans SET ended = ?3, state = ?4, reason = ?5, report = ?6
         WHERE org_id = ?1 AND id = ?2 AND ended IS NULL",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .bind(integer(now.0))
    .bind(end.state)
    .bind(end.reason)
    .bind(end.report.as_ref().map(json))
    .execute(db)
    .await?;
    Ok(Ended::Now)
}

enum JobEnd {
    Reported(Report),
    Failed { reason: String, hosts: u64, ports: u64 },
}

struct ScanEnd {
    state: &'static str,
    reason: Option<String>,
    report: Option<Report>,
}

/// What a scan's jobs make of it: complete only if every part is; what a lost job would have looked at
/// counts as planned and not known.
fn merge(jobs: Vec<JobEnd>) -> ScanEnd {
    let (mut report, mut reason): (Option<Report>, Option<String>) = (None, None);
    let (mut reported, all) = (0_usize, jobs.len());
    for job in jobs {
        let part = match job {
            JobEnd::Reported(part) => {
                reported += 1;
                part
            }
            JobEnd::Failed {
                reason: why,
                hosts,
                ports,
            } => {
                reason.get_or_insert(why);
                let coverage = Coverage {
                    hosts,
                    ports,
                    ..Coverage::default()
                };
                Report::close(Effort::default(), coverage, ports.max(hosts), Vec::new())
            }
        };
        report = Some(match report {
            None => part,
            Some(sum) => sum.and(part),
        });
    }
    let reason = reason.map(|why| format!("{} of {all} parts failed: {why}", all - reported));
    if reported == 0 {
        return ScanEnd {
            state: "failed",
            reason,
            report: None,
        };
    }
    let state = match report.as_ref().map(Report::outcome) {
        Some(Outcome::Complete) if reported == all => "complete",
        Some(Outcome::Complete | Outcome::Partial) | None => "partial",
    };
    ScanEnd {
        state,
        reason,
        report,
    }
}

fn read(row: &SqliteRow) -> Result<Numbered, sqlx::Error> {
    let ended = row.time_or_null("ended")?;
    let state = match row.try_get::<Option<&str>, _>("state")? {
        Some("complete") => ScanState::Complete,
        Some("partial") => ScanState::Partial,
        Some(_) => ScanState::Failed, // The table's check leaves no other.
        None if row.count("taken")? > 0 => ScanState::Running,
        None => ScanState::Queued,
    };
    Ok(Numbered {
        number: row.count("number")?,
        scan: Scan {
            id: row.scan("id")?,
            appliance: row.appliance_or_null("appliance")?,
            pool: row.pool_or_null("pool")?,
            state,
            reason: row.try_get("reason")?,
            targets: row.json::<Targets>("targets")?.into(),
            checks: row.json::<Vec<Check>>("checks")?,
            ports: row.parsed("ports")?,
            credentials: row.json("credentials")?,
            waiting: row.try_get::<Option<String>, _>("waiting")?,
            created: row.time("created")?,
            ended,
            jobs_done: row.count("jobs_done")?,
            jobs: row.count("jobs")?,
            progress: Progress {
                done: row.count("progress_done")?,
                total: row.count("progress_total")?,
            },
            findings: row.count("findings")?,
            report: row.json_or_null("report")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> JobEnd {
        JobEnd::Reported(Report::close(Effort::default(), Coverage::default(), 0, vec![]))
    }

    fn lost() -> JobEnd {
        JobEnd::Failed {
            reason: "lost".to_owned(),
            hosts: 2,
            ports: 20,
        }
    }

    #[test]
    fn a_scan_is_complete_only_if_every_part_is() {
        assert_eq!(merge(vec![whole(), whole()]).state, "complete");
        let mixed = merge(vec![whole(), lost()]);
        assert_eq!(mixed.state, "partial");
        assert_eq!(mixed.reason.as_deref(), Some("1 of 2 parts failed: lost"));
        let report = mixed.report.unwrap();
        assert_eq!((report.coverage().ports, report.coverage().ports_known), (20, 0));
        assert_eq!(report.outcome(), Outcome::Partial);
        let failed = merge(vec![lost(), lost()]);
        assert_eq!((failed.state, failed.report), ("failed", None));
    }
}
