//! Jobs of a pool: which of its appliances had one, and which cannot do it. What one cannot do is left to the others;
//! when none is left, the job has failed, with the reason of each.

use sqlx::query;
use vedette_protocol::{JobId, OrgId, ScanId, Timestamp};

use super::{Holder, scans};
use crate::store::{Db, column::integer};

/// For how long an appliance is not asked.
pub(super) enum Pass {
    /// Until then.
    Until(Timestamp),
    /// Until somebody grants, seals or says something.
    Refused,
}

/// Whether another appliance may be able to do what one cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elsewhere {
    /// It is a pool's job.
    Perhaps,
    /// It is the appliance's own.
    Never,
}

/// Notes that a job is sent to an appliance: what it says of it later can be told from what a stranger says.
///
/// # Errors
/// The database's.
pub async fn sent(db: &mut Db, holder: &Holder, job: JobId) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO job_members (org_id, job, appliance, fence)
         SELECT org_id, id, ?3, fence FROM jobs WHERE org_id = ?1 AND id = ?2 AND pool IS NOT NULL
         ON CONFLICT DO UPDATE SET fence = excluded.fence, not_before = NULL, refused = 0, why = NULL",
    )
    .bind(&holder.org.0[..])
    .bind(&job.0[..])
    .bind(&holder.appliance.0[..])
    .execute(db)
    .await?;
    Ok(())
}

/// Leaves a job to the other appliances of its pool, if it has one.
pub(super) async fn pass(
    db: &mut Db,
    holder: &Holder,
    job: JobId,
    pass: Pass,
    why: &str,
) -> Result<Elsewhere, sqlx::Error> {
    let (not_before, refused) = match pass {
        Pass::Until(at) => (integer(at.0), false),
        Pass::Refused => (i64::MAX, true),
    };
    let noted = query(
        "INSERT INTO job_members (org_id, job, appliance, not_before, refused, why)
         SELECT org_id, id, ?3, ?4, ?5, ?6 FROM jobs WHERE org_id = ?1 AND id = ?2 AND pool IS NOT NULL
         ON CONFLICT DO UPDATE
         SET not_before = excluded.not_before, refused = excluded.refused, why = excluded.why",
    )
    .bind(&holder.org.0[..])
    .bind(&job.0[..])
    .bind(&holder.appliance.0[..])
    .bind(not_before)
    .bind(refused)
    .bind(why)
    .execute(db)
    .await?;
    Ok(match noted.rows_affected() {
        0 => Elsewhere::Never,
        _ => Elsewhere::Perhaps,
    })
}

/// An appliance cannot do a job that it holds under this fence. One that was sent to it counts as no attempt.
///
/// # Errors
/// The database's.
pub async fn refuse(
    db: &mut Db,
    holder: &Holder,
    (job, fence): (JobId, u64),
    why: &str,
    now: Timestamp,
) -> Result<Elsewhere, sqlx::Error> {
    let sent = was_sent(db, holder, job, fence).await?;
    if pass(db, holder, job, Pass::Refused, why).await? == Elsewhere::Never {
        return Ok(Elsewhere::Never);
    }
    query(
        "UPDATE jobs
         SET boot = NULL, lease_until = NULL,
             waiting = (SELECT name FROM appliances WHERE org_id = ?1 AND id = ?6) || ': ' || ?4,
             fence = CASE WHEN ?5 THEN fence ELSE fence - 1 END,
             refused = CASE WHEN ?5 THEN refused + 1 ELSE refused END
         WHERE org_id = ?1 AND id = ?2 AND fence = ?3 AND ended IS NULL",
    )
    .bind(&holder.org.0[..])
    .bind(&job.0[..])
    .bind(integer(fence))
    .bind(why)
    .bind(sent)
    .bind(&holder.appliance.0[..])
    .execute(&mut *db)
    .await?;
    fail_where_all_refuse(db, holder.org, Some(job), now).await?;
    Ok(Elsewhere::Perhaps)
}

async fn was_sent(db: &mut Db, holder: &Holder, job: JobId, fence: u64) -> Result<bool, sqlx::Error> {
    let row = query(
        "SELECT fence FROM job_members WHERE org_id = ?1 AND job = ?2 AND appliance = ?3 AND fence = ?4",
    )
    .bind(&holder.org.0[..])
    .bind(&job.0[..])
    .bind(&holder.appliance.0[..])
    .bind(integer(fence))
    .fetch_optional(db)
    .await?;
    Ok(row.is_some())
}

/// Fails the jobs of pools that no appliance of their pool can do, once one has left: their scans.
///
/// # Errors
/// The database's.
pub async fn settle(db: &mut Db, org: OrgId, now: Timestamp) -> Result<Vec<ScanId>, sqlx::Error> {
    fail_where_all_refuse(db, org, None, now).await
}

/// A pool without any appliance is waited for: whoever has taken the last one out may put in another.
async fn fail_where_all_refuse(
    db: &mut Db,
    org: OrgId,
    only: Option<JobId>,
    now: Timestamp,
) -> Result<Vec<ScanId>, sqlx::Error> {
    let rows = query(include_str!("../../../sql/all_refuse.sql"))
        .bind(&org.0[..])
        .bind(only.as_ref().map(|job| &job.0[..]))
        .bind(integer(now.0))
        .fetch_all(db)
        .await?;
    Ok(scans(&rows)?.into_iter().map(|(_, scan)| scan).collect())
}

/// Has every appliance asked again.
pub(super) async fn forget_passes(db: &mut Db, org: OrgId) -> Result<(), sqlx::Error> {
    query(
        "UPDATE job_members SET not_before = NULL, refused = 0, why = NULL
         WHERE org_id = ?1 AND why IS NOT NULL
           AND job IN (SELECT id FROM jobs WHERE org_id = ?1 AND ended IS NULL AND pool IS NOT NULL)",
    )
    .bind(&org.0[..])
    .execute(db)
    .await?;
    Ok(())
}
