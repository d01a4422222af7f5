//! `poll`: is there work? Held while there is none, answered from memory, and cut short when there is
//! something to say.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use tokio::time::Instant;
use vedette_protocol::{
    ApplianceId, Assignment, BootId, JobId, Timestamp,
    link::{BootRefusal, PollOutcome, PollRequest},
    owner::OwnerWord,
};

use super::{
    boot,
    request::{FromAppliance, LinkError, Reply},
};
use crate::{
    desk::{self, Desk, HOLD_LIMIT, Standing, Work},
    dispatch::{self, More, Taken},
    platform::{Platform, Shared},
    store::{
        appliances,
        jobs::{self, Holder},
        owner,
    },
};

/// The most jobs that an appliance may say it runs: what it holds is bounded by what it was given.
const RUNNING_LIMIT: usize = 1024;

pub(super) async fn poll(
    State(platform): State<Shared>,
    FromAppliance { request, digest, .. }: FromAppliance<PollRequest>,
) -> Result<Reply, LinkError> {
    if request.running.len() > RUNNING_LIMIT {
        return Err(LinkError::Malformed);
    }
    let outcome = match attend(&platform, request.appliance, request.boot).await? {
        Ok(desk) => {
            if desk.hear_of_copy(request.copy) {
                let mut writing = platform.store.write().await?;
                appliances::keep_copy_said(&mut writing, desk.org, request.appliance, &request.copy).await?;
                writing.commit().await?;
            }
            wait(&platform, &desk, &request).await?
        }
        Err(refusal) => {
            boot::note(&platform, request.appliance, refusal, Timestamp::now()).await?;
            PollOutcome::Refused(refusal)
        }
    };
    Ok(platform.reply::<PollRequest>(digest, Timestamp::now(), outcome))
}

/// The desk of an appliance, if this boot is the one that it serves.
pub(super) async fn attend(
    platform: &Platform,
    appliance: ApplianceId,
    boot: BootId,
) -> Result<Result<Arc<Desk>, BootRefusal>, LinkError> {
    let desk = match platform.desks.of(appliance) {
        Some(desk) => desk,
        None => {
            let mut reading = platform.store.read().await?;
            match appliances::with_id(&mut reading, appliance).await? {
                Some(known) => platform.desks.open(&known),
                None => return Ok(Err(BootRefusal::TicketAhead)),
            }
        }
    };
    let standing = judge(desk.standing(), boot);
    if standing.is_ok() {
        desk.hear(Timestamp::now());
    }
    Ok(standing.map(|()| desk))
}

fn judge(standing: Standing, boot: BootId) -> Result<(), BootRefusal> {
    match standing {
        Standing::Removed => Err(BootRefusal::Removed),
        Standing::Active(Some(current)) if current == boot => Ok(()),
        // Another boot was confirmed after this one: this one is the copy, or the other is.
        Standing::Active(Some(_)) => Err(BootRefusal::TicketUsed),
        Standing::Active(None) => Err(BootRefusal::Order),
    }
}

async fn wait(platform: &Platform, desk: &Desk, request: &PollRequest) -> Result<PollOutcome, LinkError> {
    let hold = Duration::from_secs(request.wait.into()).min(HOLD_LIMIT);
    let until = Instant::now() + hold;
    let mut stopping = platform.stopping.subscribe();
    let mut first = true;
    loop {
        // Before looking: what is added after the look rings.
        let ring = desk.rings();
        if let Err(refusal) = judge(desk.standing(), request.boot) {
            // No alarm: this poll was begun while its boot was the one.
            tracing::info!(appliance = %request.appliance, %refusal, "told an appliance that it serves no more");
            return Ok(PollOutcome::Refused(refusal));
        }
        let (words, heard) = words(platform, desk, request.appliance).await?;
        let words: Vec<_> = words
            .iter()
            .filter(|word| !is_taken(word, request))
            .cloned()
            .collect();
        let may_take = request.free > 0 && desk.take_hint() == Work::Maybe;
        if may_take || (first && !request.running.is_empty()) {
            let (jobs, stop) = look(platform, desk, request).await?;
            if !jobs.is_empty() || !stop.is_empty() {
                return Ok(serve(platform, &words, jobs, stop));
            }
        }
        if heard == Heard::NotYet && !words.is_empty() {
            return Ok(serve(platform, &words, Vec::new(), Vec::new()));
        }
        first = false;
        tokio::select! {
            () = ring => {}
            () = tokio::time::sleep_until(until) => return Ok(serve(platform, &words, Vec::new(), Vec::new())),
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Ok(serve(platform, &words, Vec::new(), Vec::new()));
            }
        }
    }
}

/// Whether the appliance was told these words in this boot, as far as that can be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Not yet: they are worth an answer of their own.
    NotYet,
    /// They went with an answer, and go with the next too.
    Once,
}

/// What the owner says to an appliance.
async fn words(
    platform: &Platform,
    desk: &Desk,
    appliance: ApplianceId,
) -> Result<(Arc<[OwnerWord]>, Heard), LinkError> {
    let mark = match desk.words() {
        Ok(words) => return Ok((words, Heard::Once)),
        Err(mark) => mark,
    };
    let mut reading = platform.store.read().await?;
    let words: Arc<[OwnerWord]> = match appliances::with_id(&mut reading, appliance).await? {
        Some(known) => owner::carried(&mut reading, &known)
            .await?
            .ownership()
            .words
            .into(),
        None => [].into(),
    };
    desk.learn(mark, words.clone());
    Ok((words, Heard::NotYet))
}

/// Whether the appliance has taken an order for a copy already: that is long, and not said with each answer.
fn is_taken(word: &OwnerWord, request: &PollRequest) -> bool {
    match word {
        OwnerWord::Copy(order) => order
            .danger_read_unverified()
            .is_ok_and(|order| order.number <= request.copy.number),
        OwnerWord::Pin(_) | OwnerWord::NewEpoch(_) | OwnerWord::Rotation(_) | OwnerWord::Release(_) => false,
    }
}

/// Renews what goes on, and takes new jobs.
async fn look(
    platform: &Platform,
    desk: &Desk,
    request: &PollRequest,
) -> Result<(Vec<Assignment>, Vec<JobId>), LinkError> {
    let now = Timestamp::now();
    let until = now.after(desk::lease_time(platform.desks.present()));
    let holder = Holder {
        org: desk.org,
        appliance: request.appliance,
        boot: request.boot,
    };
    let mut writing = platform.store.write().await?;
    let kept = jobs::renew(&mut writing, &holder, &request.running, now, until).await?;
    let taken = match appliances::with_id(&mut writing, request.appliance).await? {
        Some(known) if request.free > 0 => {
            let times = (now, until);
            dispatch::take(
                &mut writing,
                &platform.signer,
                &holder,
                &known,
                request.free,
                times,
            )
            .await?
        }
        Some(_) | None => Taken {
            assignments: Vec::new(),
            more: More::None,
            passed: false,
        },
    };
    writing.commit().await?;
    if taken.passed {
        platform.desks.ring_all_of(desk.org);
    }
    if taken.more == More::Perhaps {
        desk.ring();
    }
    let stop = request.running.iter().filter(|job| !kept.contains(job));
    Ok((taken.assignments, stop.copied().collect()))
}

fn serve(platform: &Platform, words: &[OwnerWord], jobs: Vec<Assignment>, stop: Vec<JobId>) -> PollOutcome {
    PollOutcome::Serve {
        jobs,
        words: words.to_vec(),
        stop,
        interval: u32::try_from(desk::poll_interval(platform.desks.present()).as_secs()).unwrap_or(u32::MAX),
    }
}
