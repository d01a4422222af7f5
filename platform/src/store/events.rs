//! Events of a boot: taken once each, in order, whatever is sent twice.

use sqlx::query;
use vedette_protocol::{
    Finding, Target, Timestamp,
    link::{Event, What},
    worker::{ScopeRefusal, WorkerFailure},
};

use super::{
    Db,
    column::{Columns, integer},
    findings,
    jobs::{self, End, Holder, Kept, Lease, Scope},
    scans,
};

/// Takes the events that are new: the number below which all are kept. With a gap before `first` none is
/// taken, and the appliance sends them again.
///
/// # Errors
/// The database's.
pub async fn take(
    db: &mut Db,
    holder: &Holder,
    first: u64,
    events: &[Event],
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let mut next = next_event(db, holder).await?;
    for (number, event) in (first..).zip(events) {
        if number == next {
            next += 1;
            apply(db, holder, event, now).await?;
        }
    }
    query("UPDATE boots SET next_event = ?4 WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
        .bind(&holder.org.0[..])
        .bind(&holder.appliance.0[..])
        .bind(&holder.boot.0[..])
        .bind(integer(next))
        .execute(db)
        .await?;
    Ok(next)
}

async fn next_event(db: &mut Db, holder: &Holder) -> Result<u64, sqlx::Error> {
    query("SELECT next_event FROM boots WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
        .bind(&holder.org.0[..])
        .bind(&holder.appliance.0[..])
        .bind(&holder.boot.0[..])
        .fetch_one(db)
        .await?
        .count("next_event")
}

/// Applies one event; what comes under a lost lease is dropped.
async fn apply(db: &mut Db, holder: &Holder, event: &Event, now: Timestamp) -> Result<(), sqlx::Error> {
    let Some(lease) = jobs::lease(db, holder, event.job, event.fence).await? else {
        tracing::info!(job = %event.job, fence = event.fence, "dropped an event under a lost lease");
        return Ok(());
    };
    match &event.what {
        What::Started => {}
        What::Progress(progress) => lease.advance(db, *progress).await?,
        What::Findings(found) => keep(db, lease, found, now).await?,
        What::Ended(report) => end(db, lease, &End::Reported(report.clone()), now).await?,
        What::Failed(failure) => match verdict(*failure) {
            Verdict::Again(after) => lease.give_back(db, now.after(after)).await?,
            Verdict::Final => end(db, lease, &End::Failed(because(failure)), now).await?,
        },
    }
    Ok(())
}

async fn keep(db: &mut Db, lease: Lease, found: &[Finding], now: Timestamp) -> Result<(), sqlx::Error> {
    if let Some(wrong) = found.iter().find(|finding| !credible(&lease.scope, finding)) {
        tracing::warn!(job = %lease.job, finding = %wrong.id, "refused a finding that is not the job's");
        let reason = "a worker reported what its job does not cover; nothing of it is believed".to_owned();
        return end(db, lease, &End::Failed(reason), now).await;
    }
    for finding in found {
        findings::keep(db, &lease, finding, now).await?;
    }
    Ok(())
}

async fn end(db: &mut Db, lease: Lease, end: &End, now: Timestamp) -> Result<(), sqlx::Error> {
    let (org, scan) = (lease.holder.org, lease.scan);
    match lease.finish(db, end, now).await? {
        Kept::Ours => scans::end_with_last_job(db, org, scan, now).await.map(drop),
        Kept::Lost => Ok(()),
    }
}

/// Whether a finding is what its id says, and lies where its job was allowed to look. An address is
/// believed of any job with a name among its targets: only the appliance knows what that stands for.
fn credible(scope: &Scope, finding: &Finding) -> bool {
    let covered = |target: &Target| match finding.target.as_str().parse() {
        Ok(address) => target.span().is_none_or(|span| span.contains(address)),
        Err(_) => matches!(target, Target::Name(name) if name.as_str() == finding.target.as_str()),
    };
    let excluded = |target: &Target| match finding.target.as_str().parse() {
        Ok(address) => target.span().is_some_and(|span| span.contains(address)),
        Err(_) => matches!(target, Target::Name(name) if name.as_str() == finding.target.as_str()),
    };
    finding.id_is_right()
        && finding.port.is_none_or(|port| scope.ports.contains(port))
        && scope.targets.as_slice().iter().any(covered)
        && !scope.exclude.iter().any(excluded)
}

enum Verdict {
    Again(std::time::Duration),
    Final,
}

/// Whether a job that failed is worth another attempt.
fn verdict(failure: WorkerFailure) -> Verdict {
    match failure {
        WorkerFailure::NoKeeper | WorkerFailure::Engine | WorkerFailure::Vanished => Verdict::Again(RETRY),
        WorkerFailure::Refused(refusal) => match refusal {
            ScopeRefusal::Expired
            | ScopeRefusal::NotServing
            | ScopeRefusal::AlreadyGranted
            | ScopeRefusal::Filter
            | ScopeRefusal::Names => Verdict::Again(RETRY),
            ScopeRefusal::NotSigned
            | ScopeRefusal::NotOurs
            | ScopeRefusal::NothingInScope
            | ScopeRefusal::TooLarge => Verdict::Final,
        },
    }
}

fn because(failure: &WorkerFailure) -> String {
    match failure {
        WorkerFailure::Refused(refusal) => format!("{failure}: {refusal}"),
        WorkerFailure::NoKeeper | WorkerFailure::Engine | WorkerFailure::Vanished => failure.to_string(),
    }
}

const RETRY: std::time::Duration = std::time::Duration::from_secs(5);
