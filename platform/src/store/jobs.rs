//! Jobs under fenced leases. `claim.sql` and `finish.sql` are the concurrency design: a [`Lease`] is
//! permission to report on a job, and to end it.

mod listing;
mod shared;

pub use listing::list;
pub use shared::{Elsewhere, refuse, sent, settle};

use std::time::Duration;

use sqlx::{Row, query, sqlite::SqliteRow};
use vedette_protocol::{
    ApplianceId, BootId, CredentialId, Job, JobId, OrgId, PoolId, Report, ScanId, Target, Timestamp,
    api::By,
    credential::CredentialUse,
    job::{Check, Checks},
    target::{Ports, Targets},
    worker::Progress,
};

use super::{
    Db,
    column::{Columns, by_columns, integer, json},
};
use crate::split::APPLICATIONS_LIMIT;

/// A job that is lost this often is given up.
pub const LEASES_LIMIT: u64 = 5;

/// After this no packet is sent for a job, and its lease is not renewed any more.
pub const JOB_TIME: Duration = Duration::from_hours(6);

/// A scan that nobody takes for this long has failed.
pub const SCAN_PATIENCE: Duration = Duration::from_hours(7 * 24);

/// More probes than any job has.
const PROBES_LIMIT: u64 = 1 << 40;

/// Who holds leases: one boot of one appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Whose.
    pub org: OrgId,
    /// Which appliance.
    pub appliance: ApplianceId,
    /// Which boot of it.
    pub boot: BootId,
}

/// A part of a scan, to become a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What is scanned.
    pub targets: Targets,
    /// What is not.
    pub exclude: Vec<Target>,
    /// How many addresses and names.
    pub hosts: u64,
    /// What is checked.
    pub checks: Checks,
    /// On which ports; none: those of the scan.
    pub ports: Option<Ports>,
    /// The credential with which it logs in at its one target and port, and looks from there alone.
    pub login: Option<CredentialId>,
}

impl Part {
    /// Whether it tests, behind a login, the web application that another part is for.
    pub fn tests_what(&self, other: &Self) -> bool {
        self.checks.contains(Check::Web)
            && other.login.is_none()
            && other.checks.contains(Check::Web)
            && (&self.targets, &self.ports) == (&other.targets, &other.ports)
    }
}

/// Permission to report on a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// Who holds it.
    pub holder: Holder,
    /// Which job.
    pub job: JobId,
    /// Under which fence.
    pub fence: u64,
    /// The scan that it is a part of.
    pub scan: ScanId,
    /// What may be reported on.
    pub scope: Scope,
}

/// What a job may find something about.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    /// What is scanned.
    pub targets: Targets,
    /// What is not.
    pub exclude: Vec<Target>,
    /// Which ports.
    pub ports: Ports,
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// With a report.
    Reported(Report),
    /// Without one.
    Failed(String),
}

/// Whether an end counts.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It does.
    Ours,
    /// The lease was lost before.
    Lost,
}

/// Adds the jobs of a scan.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: &mut Db,
    org: OrgId,
    by: By,
    scan: ScanId,
    parts: &[Part],
) -> Result<(), sqlx::Error> {
    let (appliance, pool) = by_columns(&by);
    for (number, part) in (0_i64..).zip(parts) {
        query(
            "INSERT INTO jobs
                 (org_id, appliance, pool, scan, number, id, targets, exclude, hosts, checks, ports, credential)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(&org.0[..])
        .bind(appliance)
        .bind(pool)
        .bind(&scan.0[..])
        .bind(number)
        .bind(&JobId::random().0[..])
        .bind(json(&part.targets))
        .bind(json(&part.exclude))
        .bind(integer(part.hosts))
        .bind(json(&part.checks))
        .bind(part.ports.as_ref().map(ToString::to_string))
        .bind(part.login.as_ref().map(|credential| &credential.0[..]))
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

/// What came of a part that follows from a finding.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It is a job now.
    New,
    /// The scan has it already, or is full.
    Known,
}

/// Adds a job to the scan of another, for what that has found: once, however often it is found. What is beyond
/// [`APPLICATIONS_LIMIT`] is a job that failed, so that the scan says so.
///
/// # Errors
/// The database's.
pub async fn follow(
    db: &mut Db,
    lease: &Lease,
    part: &Part,
    now: Timestamp,
) -> Result<Followed, sqlx::Error> {
    let row = query(
        "SELECT COUNT(*) AS applications, COALESCE(SUM(targets = ?3 AND ports = ?4), 0) AS same,
                (SELECT MAX(number) + 1 FROM jobs WHERE org_id = ?1 AND scan = ?2) AS number
         FROM jobs WHERE org_id = ?1 AND scan = ?2
           AND EXISTS (SELECT 1 FROM json_each(jobs.checks) WHERE value = ?5)",
    )
    .bind(&lease.holder.org.0[..])
    .bind(&lease.scan.0[..])
    .bind(json(&part.targets))
    .bind(part.ports.as_ref().map(ToString::to_string))
    .bind(Check::Web.name())
    .fetch_one(&mut *db)
    .await?;
    let limit = APPLICATIONS_LIMIT as u64;
    let applications = row.count("applications")?;
    if row.count("same")? > 0 || applications > limit {
        return Ok(Followed::Known);
    }
    let full = (applications == limit).then(|| {
        format!(
            "more than {limit} web applications were found: test those that are left in scans of their own"
        )
    });
    query(
        "INSERT INTO jobs
             (org_id, appliance, scan, number, id, targets, exclude, hosts, checks, ports, ended, reason, pool)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,
                 (SELECT pool FROM scans WHERE org_id = ?1 AND id = ?3))",
    )
    .bind(&lease.holder.org.0[..])
    .bind(&lease.holder.appliance.0[..])
    .bind(&lease.scan.0[..])
    .bind(integer(row.count("number")?))
    .bind(&JobId::random().0[..])
    .bind(json(&part.targets))
    .bind(json(&part.exclude))
    .bind(integer(part.hosts))
    .bind(json(&part.checks))
    .bind(part.ports.as_ref().map(ToString::to_string))
    .bind(full.as_ref().map(|_| integer(now.0)))
    .bind(&full)
    .execute(db)
    .await?;
    Ok(match full {
        None => Followed::New,
        Some(_) => Followed::Known,
    })
}

/// Takes waiting jobs, `free` at most, until `until`.
///
/// # Errors
/// The database's.
pub async fn claim(
    db: &mut Db,
    holder: &Holder,
    free: u32,
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Job>, sqlx::Error> {
    let rows = query(include_str!("../../sql/claim.sql"))
        .bind(&holder.org.0[..])
        .bind(&holder.appliance.0[..])
        .bind(&holder.boot.0[..])
        .bind(integer(now.0))
        .bind(integer(until.0))
        .bind(integer(LEASES_LIMIT))
        .bind(free)
        .fetch_all(db)
        .await?;
    rows.iter().map(|row| job(row, holder, now)).collect()
}

fn job(row: &SqliteRow, holder: &Holder, now: Timestamp) -> Result<Job, sqlx::Error> {
    let login = match row.bytes_or_null("credential")?.map(CredentialId) {
        Some(id) => Some(CredentialUse {
            id,
            version: row.try_get("version")?,
        }),
        None => None,
    };
    let checks: Checks = row.json("checks")?;
    Ok(Job {
        id: row.job("id")?,
        scan: row.scan("scan")?,
        org: holder.org,
        appliance: holder.appliance,
        fence: row.count("fence")?,
        targets: row.json("targets")?,
        exclude: row.json("exclude")?,
        ports: row.parsed("ports")?,
        login,
        web: match checks.contains(Check::Web) {
            true => Some(row.json_or_null("web")?.unwrap_or_default()),
            false => None,
        },
        checks,
        expires: now.after(JOB_TIME),
    })
}

/// The scan of a job that logs in with this credential, and is this appliance's or was sent to it.
///
/// # Errors
/// The database's.
pub async fn scan_with(
    db: &mut Db,
    holder: &Holder,
    job: JobId,
    credential: CredentialId,
) -> Result<Option<ScanId>, sqlx::Error> {
    let found = query(
        "SELECT scan FROM jobs
         WHERE org_id = ?1 AND id = ?3 AND credential = ?4
           AND (pool IS NULL AND appliance = ?2
                OR EXISTS (SELECT 1 FROM job_members
                           WHERE job_members.org_id = ?1 AND job_members.job = jobs.id
                             AND job_members.appliance = ?2 AND job_members.fence IS NOT NULL))",
    )
    .bind(&holder.org.0[..])
    .bind(&holder.appliance.0[..])
    .bind(&job.0[..])
    .bind(&credential.0[..])
    .fetch_optional(db)
    .await?;
    found.map(|row| row.scan("scan")).transpose()
}

/// Gives a job back that was claimed and is not sent, as if it had not been claimed: not before `at`. If it waits for
/// something, and is a pool's, the others of the pool may take it before.
///
/// # Errors
/// The database's.
pub async fn put_off(
    db: &mut Db,
    holder: &Holder,
    job: &Job,
    at: Timestamp,
    waiting: Option<&str>,
) -> Result<Elsewhere, sqlx::Error> {
    let elsewhere = match waiting {
        Some(why) => shared::pass(db, holder, job.id, shared::Pass::Until(at), why).await?,
        None => Elsewhere::Never,
    };
    query(
        "UPDATE jobs
         SET fence = fence - 1, boot = NULL,
             waiting = CASE WHEN pool IS NULL THEN ?5
                            ELSE (SELECT name FROM appliances WHERE org_id = ?1 AND id = ?6) || ': ' || ?5 END,
             lease_until = CASE WHEN pool IS NOT NULL AND ?5 IS NOT NULL THEN NULL ELSE ?4 END
         WHERE org_id = ?1 AND id = ?2 AND fence = ?3 AND ended IS NULL",
    )
    .bind(&holder.org.0[..])
    .bind(&job.id.0[..])
    .bind(integer(job.fence))
    .bind(integer(at.0))
    .bind(waiting)
    .bind(&holder.appliance.0[..])
    .execute(db)
    .await?;
    Ok(elsewhere)
}

/// Renews the leases of jobs that go on: those that are the holder's still.
///
/// # Errors
/// The database's.
pub async fn renew(
    db: &mut Db,
    holder: &Holder,
    running: &[JobId],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<JobId>, sqlx::Error> {
    let mut kept = Vec::new();
    for job in running {
        let renewed = query(
            "UPDATE jobs SET lease_until = ?5
             WHERE org_id = ?1 AND id = ?2 AND appliance = ?3 AND boot = ?4 AND ended IS NULL AND claimed > ?6",
        )
        .bind(&holder.org.0[..])
        .bind(&job.0[..])
        .bind(&holder.appliance.0[..])
        .bind(&holder.boot.0[..])
        .bind(integer(until.0))
        .bind(integer(now.0.saturating_sub(JOB_TIME.as_secs())))
        .execute(&mut *db)
        .await?;
        if renewed.rows_affected() == 1 {
            kept.push(*job);
        }
    }
    Ok(kept)
}

/// The lease under which something is reported, if it still is one.
///
/// # Errors
/// The database's.
pub async fn lease(
    db: &mut Db,
    holder: &Holder,
    job: JobId,
    fence: u64,
) -> Result<Option<Lease>, sqlx::Error> {
    let row = query(
        "SELECT jobs.scan, jobs.targets, jobs.exclude, COALESCE(jobs.ports, scans.ports) AS ports
         FROM jobs JOIN scans ON scans.org_id = jobs.org_id AND scans.id = jobs.scan
         WHERE jobs.org_id = ?1 AND jobs.id = ?2 AND jobs.appliance = ?3 AND jobs.boot = ?4
           AND jobs.fence = ?5 AND jobs.ended IS NULL",
    )
    .bind(&holder.org.0[..])
    .bind(&job.0[..])
    .bind(&holder.appliance.0[..])
    .bind(&holder.boot.0[..])
    .bind(integer(fence))
    .fetch_optional(db)
    .await?;
    row.map(|row| {
        Ok(Lease {
            holder: *holder,
            job,
            fence,
            scan: row.scan("scan")?,
            scope: Scope {
                targets: row.json("targets")?,
                exclude: row.json("exclude")?,
                ports: row.parsed("ports")?,
            },
        })
    })
    .transpose()
}

impl Lease {
    /// Notes how far the job is, by its worker's word: bounded, so that the sum over a scan's jobs stays a number.
    ///
    /// # Errors
    /// The database's.
    pub async fn advance(&self, db: &mut Db, progress: Progress) -> Result<(), sqlx::Error> {
        let total = progress.total.min(PROBES_LIMIT);
        let done = progress.done.min(total);
        query(
            "UPDATE jobs SET progress_done = ?4, progress_total = ?5
             WHERE org_id = ?1 AND id = ?2 AND fence = ?3 AND ended IS NULL",
        )
        .bind(&self.holder.org.0[..])
        .bind(&self.job.0[..])
        .bind(integer(self.fence))
        .bind(integer(done))
        .bind(integer(total))
        .execute(db)
        .await?;
        Ok(())
    }

    /// Ends the job.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(self, db: &mut Db, end: &End, now: Timestamp) -> Result<Kept, sqlx::Error> {
        let (reason, report) = match end {
            End::Reported(report) => (None, Some(json(report))),
            End::Failed(reason) => (Some(reason), None),
        };
        let ended = query(include_str!("../../sql/finish.sql"))
            .bind(&self.holder.org.0[..])
            .bind(&self.job.0[..])
            .bind(integer(self.fence))
            .bind(&self.holder.boot.0[..])
            .bind(integer(now.0))
            .bind(reason)
            .bind(report)
            .execute(db)
            .await?;
        Ok(match ended.rows_affected() {
            0 => Kept::Lost,
            _ => Kept::Ours,
        })
    }

    /// Gives the job back, to be taken again not before `at`.
    ///
    /// # Errors
    /// The database's.
    pub async fn give_back(self, db: &mut Db, at: Timestamp) -> Result<(), sqlx::Error> {
        query(
            "UPDATE jobs SET boot = NULL, lease_until = ?4
             WHERE org_id = ?1 AND id = ?2 AND fence = ?3 AND ended IS NULL",
        )
        .bind(&self.holder.org.0[..])
        .bind(&self.job.0[..])
        .bind(integer(self.fence))
        .bind(integer(at.0))
        .execute(db)
        .await?;
        Ok(())
    }
}

/// Whose hold on jobs ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// This boot's: what it said of them was lost.
    ByThisBoot,
    /// Those of the appliance's earlier boots: they lost what they had.
    ByEarlierBoots,
}

/// Frees jobs that an appliance holds.
///
/// # Errors
/// The database's.
pub async fn free(db: &mut Db, holder: &Holder, held: Held) -> Result<(), sqlx::Error> {
    query(
        "UPDATE jobs SET boot = NULL, lease_until = NULL
         WHERE org_id = ?1 AND appliance = ?2 AND ended IS NULL AND boot IS NOT NULL AND (boot = ?3) = ?4",
    )
    .bind(&holder.org.0[..])
    .bind(&holder.appliance.0[..])
    .bind(&holder.boot.0[..])
    .bind(held == Held::ByThisBoot)
    .execute(db)
    .await?;
    Ok(())
}

/// Whose jobs.
#[derive(Debug, Clone, Copy)]
pub enum Whose {
    /// An appliance's own; those of its pools are for the others.
    Appliance(ApplianceId),
    /// A pool's.
    Pool(PoolId),
}

/// Fails all jobs of those who will not come back.
///
/// # Errors
/// The database's.
pub async fn fail_those_of(
    db: &mut Db,
    org: OrgId,
    whose: Whose,
    reason: &str,
    now: Timestamp,
) -> Result<Vec<ScanId>, sqlx::Error> {
    let (appliance, pool) = match whose {
        Whose::Appliance(id) => (Some(id.0), None),
        Whose::Pool(id) => (None, Some(id.0)),
    };
    let rows = query(
        "UPDATE jobs SET ended = ?3, reason = ?4, lease_until = NULL
         WHERE org_id = ?1 AND pool IS ?5 AND (?2 IS NULL OR appliance = ?2) AND ended IS NULL
         RETURNING org_id, scan",
    )
    .bind(&org.0[..])
    .bind(appliance.map(Vec::from))
    .bind(integer(now.0))
    .bind(reason)
    .bind(pool.map(Vec::from))
    .fetch_all(db)
    .await?;
    Ok(scans(&rows)?.into_iter().map(|(_, scan)| scan).collect())
}

/// Fails jobs that were lost too often, and those that nobody took in time.
///
/// # Errors
/// The database's.
pub async fn give_up(db: &mut Db, now: Timestamp) -> Result<Vec<(OrgId, ScanId)>, sqlx::Error> {
    let mut rows = query(
        "UPDATE jobs SET ended = ?1, lease_until = NULL,
             reason = 'given up after ' || (fence - refused) || ' attempts that all were lost'
         WHERE ended IS NULL AND fence - refused >= ?2 AND (lease_until IS NULL OR lease_until <= ?1)
         RETURNING org_id, scan",
    )
    .bind(integer(now.0))
    .bind(integer(LEASES_LIMIT))
    .fetch_all(&mut *db)
    .await?;
    rows.extend(
        query(
            "UPDATE jobs SET ended = ?1, lease_until = NULL,
             reason = COALESCE(waiting, CASE WHEN pool IS NULL THEN 'the appliance did not take it in time'
                                             ELSE 'no appliance of the pool took it in time' END)
             WHERE ended IS NULL AND (lease_until IS NULL OR lease_until <= ?1)
               AND EXISTS (SELECT 1 FROM scans WHERE scans.org_id = jobs.org_id AND scans.id = jobs.scan
                           AND scans.created < ?2)
             RETURNING org_id, scan",
        )
        .bind(integer(now.0))
        .bind(integer(now.0.saturating_sub(SCAN_PATIENCE.as_secs())))
        .fetch_all(db)
        .await?,
    );
    scans(&rows)
}

/// Has jobs looked at again that waited for something of their owner, or that appliances of their pool could not do.
///
/// # Errors
/// The database's.
pub async fn look_again(db: &mut Db, org: OrgId) -> Result<(), sqlx::Error> {
    query(
        "UPDATE jobs SET lease_until = NULL
         WHERE org_id = ?1 AND ended IS NULL AND boot IS NULL AND waiting IS NOT NULL",
    )
    .bind(&org.0[..])
    .execute(&mut *db)
    .await?;
    shared::forget_passes(db, org).await
}

/// Appliances that jobs wait for.
///
/// # Errors
/// The database's.
pub async fn waited_for(db: &mut Db, now: Timestamp) -> Result<Vec<ApplianceId>, sqlx::Error> {
    let rows = query(
        "SELECT appliance FROM jobs
         WHERE ended IS NULL AND pool IS NULL AND (lease_until IS NULL OR lease_until <= ?1) AND fence < ?2
         UNION
         SELECT pool_members.appliance FROM jobs
         JOIN pool_members ON pool_members.org_id = jobs.org_id AND pool_members.pool = jobs.pool
         WHERE ended IS NULL AND (lease_until IS NULL OR lease_until <= ?1) AND fence - refused < ?2
           AND NOT EXISTS (SELECT 1 FROM job_members
                           WHERE job_members.org_id = jobs.org_id AND job_members.job = jobs.id
                             AND job_members.appliance = pool_members.appliance AND job_members.not_before > ?1)",
    )
    .bind(integer(now.0))
    .bind(integer(LEASES_LIMIT))
    .fetch_all(db)
    .await?;
    rows.iter().map(|row| row.appliance("appliance")).collect()
}

pub(super) fn scans(rows: &[SqliteRow]) -> Result<Vec<(OrgId, ScanId)>, sqlx::Error> {
    let mut scans: Vec<(OrgId, ScanId)> = rows
        .iter()
        .map(|row| Ok((row.org()?, row.scan("scan")?)))
        .collect::<Result<_, sqlx::Error>>()?;
    scans.sort_unstable();
    scans.dedup();
    Ok(scans)
}
