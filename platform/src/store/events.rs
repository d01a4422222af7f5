//! Events of a boot: taken once each, in order, whatever is sent twice.

use std::net::{IpAddr, SocketAddr};

use sqlx::query;
use vedette_protocol::{
    Finding, Target, Timestamp,
    finding::Host,
    link::{Event, What},
    vault::Opening,
    worker::{ScopeRefusal, WorkerFailure},
};

use super::{
    Db,
    audit::{self, Actor},
    column::{Columns, integer},
    findings,
    jobs::{self, Elsewhere, End, Followed, Held, Holder, Kept, Lease, Part, Scope},
    scans,
};
use crate::split;

/// What came of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// All below this number are kept.
    pub next: u64,
    /// Whether jobs are there to be done again, by this appliance or another, or new ones.
    pub again: bool,
}

/// Takes the events that are new: the number below which all are kept. A gap before `first` is what a database that was
/// restored has lost, and the appliance has no more: what the appliance had under way is to be done again.
///
/// # Errors
/// The database's.
pub async fn take(
    db: &mut Db,
    holder: &Holder,
    first: u64,
    events: &[Event],
    now: Timestamp,
) -> Result<Taken, sqlx::Error> {
    let mut next = next_event(db, holder).await?;
    let mut again = first > next;
    if again {
        tracing::warn!(appliance = %holder.appliance, lost = first - next, "events are lost: its jobs are done again");
        jobs::free(db, holder, Held::ByThisBoot).await?;
        next = first;
    }
    for (number, event) in (first..).zip(events) {
        if number == next {
            next += 1;
            again |= apply(db, holder, event, now).await? == After::Again;
        }
    }
    query("UPDATE boots SET next_event = ?4 WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
        .bind(&holder.org.0[..])
        .bind(&holder.appliance.0[..])
        .bind(&holder.boot.0[..])
        .bind(integer(next))
        .execute(db)
        .await?;
    Ok(Taken { next, again })
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

/// What comes after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing.
    Nothing,
    /// Another appliance may do the job at once, or there are new ones.
    Again,
}

/// Applies one event; what comes under a lost lease is dropped.
async fn apply(db: &mut Db, holder: &Holder, event: &Event, now: Timestamp) -> Result<After, sqlx::Error> {
    if let What::Opened(opening) = &event.what {
        note_opening(db, holder, opening, now).await?;
        return Ok(After::Nothing);
    }
    let Some(lease) = jobs::lease(db, holder, event.job, event.fence).await? else {
        tracing::info!(job = %event.job, fence = event.fence, "dropped an event under a lost lease");
        return Ok(After::Nothing);
    };
    match &event.what {
        What::Started | What::Opened(_) => {}
        What::Progress(progress) => lease.advance(db, *progress).await?,
        What::Findings(found) => return keep(db, lease, found, now).await,
        What::Ended(report) => {
            let mut places = report.examples().iter();
            if places.all(|place| allowed(&lease.scope, &place.target)) {
                end(db, lease, &End::Reported(report.clone()), now).await?;
            } else {
                disbelieve(db, lease, now).await?;
            }
        }
        What::Failed(failure) => match verdict(*failure) {
            Verdict::Again(after) => lease.give_back(db, now.after(after)).await?,
            Verdict::Final => {
                note_refusal(db, &lease, failure, now).await?;
                return fail(db, lease, because(failure), now).await;
            }
        },
    }
    Ok(After::Nothing)
}

/// An appliance cannot do a job: another of its pool may be able to.
async fn fail(db: &mut Db, lease: Lease, why: String, now: Timestamp) -> Result<After, sqlx::Error> {
    let (holder, scan) = (lease.holder, lease.scan);
    match jobs::refuse(db, &holder, (lease.job, lease.fence), &why, now).await? {
        Elsewhere::Perhaps => {
            scans::end_with_last_job(db, holder.org, scan, now).await?;
            Ok(After::Again)
        }
        Elsewhere::Never => {
            end(db, lease, &End::Failed(why), now).await?;
            Ok(After::Nothing)
        }
    }
}

async fn keep(db: &mut Db, lease: Lease, found: &[Finding], now: Timestamp) -> Result<After, sqlx::Error> {
    if let Some(wrong) = found.iter().find(|finding| !credible(&lease.scope, finding)) {
        tracing::warn!(job = %lease.job, finding = %wrong.id, "refused a finding that is not the job's");
        disbelieve(db, lease, now).await?;
        return Ok(After::Nothing);
    }
    for finding in found {
        findings::keep(db, &lease, finding, now).await?;
    }
    let servers = found.iter();
    let parts: Vec<Part> = servers
        .filter_map(|finding| split::application(finding, &lease.scope.exclude))
        .collect();
    if parts.is_empty() || !scans::tests_applications(db, lease.holder.org, lease.scan).await? {
        return Ok(After::Nothing);
    }
    let mut work = After::Nothing;
    for part in &parts {
        if jobs::follow(db, &lease, part, now).await? == Followed::New {
            work = After::Again;
        }
    }
    Ok(work)
}

/// That a credential was opened is for the audit trail, if it is that of a job of this appliance.
async fn note_opening(
    db: &mut Db,
    holder: &Holder,
    opening: &Opening,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Opening {
        job,
        credential,
        target,
        port,
        at,
    } = opening;
    let Some(scan) = jobs::scan_with(db, holder, *job, credential.id).await? else {
        tracing::warn!(%job, credential = %credential.id, "refused an opening that is no job's");
        return Ok(());
    };
    let actor = Actor(holder.appliance.to_string());
    let object = format!(
        "{} version {} for {} at {at}, job {job} of scan {scan}",
        credential.id,
        credential.version,
        SocketAddr::new(*target, *port),
    );
    audit::record(db, holder.org, &actor, "credential.open", &object, now).await
}

/// What the owner did not allow is for the audit trail: somebody asked for it.
async fn note_refusal(
    db: &mut Db,
    lease: &Lease,
    failure: &WorkerFailure,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let WorkerFailure::Refused(refusal @ (ScopeRefusal::NotGranted { .. } | ScopeRefusal::Vault(_))) =
        failure
    else {
        return Ok(());
    };
    let action = "job.refused";
    let actor = Actor(lease.holder.appliance.to_string());
    let object = format!("{} of scan {}: {refusal}", lease.job, lease.scan);
    audit::record(db, lease.holder.org, &actor, action, &object, now).await
}

/// Ends the job of a liar.
async fn disbelieve(db: &mut Db, lease: Lease, now: Timestamp) -> Result<(), sqlx::Error> {
    let reason = "a worker reported what its job does not cover; nothing of it is believed".to_owned();
    end(db, lease, &End::Failed(reason), now).await
}

async fn end(db: &mut Db, lease: Lease, end: &End, now: Timestamp) -> Result<(), sqlx::Error> {
    let (org, scan) = (lease.holder.org, lease.scan);
    match lease.finish(db, end, now).await? {
        Kept::Ours => scans::end_with_last_job(db, org, scan, now).await.map(drop),
        Kept::Lost => Ok(()),
    }
}

/// Whether a finding is what its type and id say, and lies where its job was allowed to look.
fn credible(scope: &Scope, finding: &Finding) -> bool {
    let usual = (finding.type_.severity(), finding.type_.cwe());
    finding.id_is_right()
        && (finding.severity, finding.cwe) == usual
        && finding
            .port
            .is_none_or(|port| scope.ports.contains(finding.transport, port))
        && allowed(scope, &finding.target)
}

/// Whether a job may say something about a host. What was scanned under a name is told under that name.
fn allowed(scope: &Scope, host: &Host) -> bool {
    let address: Option<IpAddr> = host.as_str().parse().ok();
    let is_in = |target: &Target| match target {
        Target::Span(span) => address.is_some_and(|address| span.contains(address)),
        Target::Name(name) => name.as_str() == host.as_str(),
    };
    scope.targets.as_slice().iter().any(is_in) && !scope.exclude.iter().any(is_in)
}

enum Verdict {
    Again(std::time::Duration),
    Final,
}

/// Whether a job that failed is worth another attempt.
fn verdict(failure: WorkerFailure) -> Verdict {
    match failure {
        WorkerFailure::NoKeeper
        | WorkerFailure::Engine
        | WorkerFailure::Vanished
        | WorkerFailure::Unsealed => Verdict::Again(RETRY),
        WorkerFailure::Refused(refusal) => match refusal {
            ScopeRefusal::Expired
            | ScopeRefusal::NotServing
            | ScopeRefusal::AlreadyGranted
            | ScopeRefusal::Filter
            | ScopeRefusal::Names => Verdict::Again(RETRY),
            ScopeRefusal::NotSigned
            | ScopeRefusal::NotOurs
            | ScopeRefusal::NothingInScope
            | ScopeRefusal::TooLarge
            | ScopeRefusal::NotGranted { .. }
            | ScopeRefusal::Vault(_) => Verdict::Final,
        },
    }
}

fn because(failure: &WorkerFailure) -> String {
    match failure {
        WorkerFailure::Refused(refusal) => format!("{failure}: {refusal}"),
        WorkerFailure::NoKeeper
        | WorkerFailure::Engine
        | WorkerFailure::Vanished
        | WorkerFailure::Unsealed => failure.to_string(),
    }
}

const RETRY: std::time::Duration = std::time::Duration::from_secs(5);
