//! One worker, as vedetted sees it: a connection that takes an order and tells what happens.
//!
//! What a worker says is bounded, under a deadline, and believed in nothing: the events are forwarded
//! under the job that it was given, whatever it did. A worker that ends without a word has vanished.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc::Sender,
    time::{Instant, error::Elapsed, timeout, timeout_at},
};
use tracing::warn;
use vedette_protocol::{
    Finding, Frame, FrameError, Job, Timestamp, codec,
    link::{Event, What},
    worker::{FINDINGS_PER_EVENT, Order, Progress, WorkerEvent, WorkerFailure},
};

use super::spool::EVENT_LIMIT;
use crate::{conversation::FRAME_LIMIT, journal::chain};

/// How long after its job's end a worker may still speak.
const GRACE: Duration = Duration::from_secs(30);

/// The longest that a job is waited for, whatever it says.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Progress is told no more often than this.
const PROGRESS_PAUSE: Duration = Duration::from_secs(1);

/// A worker did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("starting a worker")]
    Start(#[source] io::Error),
    #[error("talking to the worker")]
    Frame(#[from] FrameError),
    #[error("the worker told more findings at once than it may")]
    TooMany,
    #[error("the worker still ran after its job had expired")]
    Overdue,
}

/// Has a job done, and tells what happens; the end comes last, whatever it is.
pub async fn work(workers: &Path, job: &Job, order: Order, tell: &Sender<Event>) {
    let teller = Teller { job, tell };
    teller.say(What::Started).await;
    let end = match talk(workers, job, &order, &teller).await {
        Ok(end) => end,
        Err(lost) => {
            warn!(job = %job.id, error = chain(&lost), "the worker is lost");
            What::Failed(WorkerFailure::Vanished)
        }
    };
    teller.say(end).await;
}

/// Tells that a job is not begun, and why.
pub async fn refuse(job: &Job, why: WorkerFailure, tell: &Sender<Event>) {
    Teller { job, tell }.say(What::Failed(why)).await;
}

async fn talk(workers: &Path, job: &Job, order: &Order, teller: &Teller<'_>) -> Result<What, Lost> {
    let order = Frame::of(order)?;
    let mut socket = timeout(FRAME_LIMIT, UnixStream::connect(workers))
        .await
        .map_err(slow)
        .and_then(|connected| connected)
        .map_err(Lost::Start)?;
    timeout(FRAME_LIMIT, socket.write_all(order.bytes()))
        .await
        .map_err(slow)
        .and_then(|written| written)
        .map_err(Lost::Start)?;
    let life = job.expires.since(Timestamp::now()).min(LONGEST) + GRACE;
    let deadline = Instant::now() + life;
    let mut told: Option<Instant> = None;
    loop {
        let event = timeout_at(deadline, receive(&mut socket))
            .await
            .map_err(|_: Elapsed| Lost::Overdue)??;
        match event {
            WorkerEvent::Progress(progress) => {
                if told.is_none_or(|told| told.elapsed() >= PROGRESS_PAUSE) {
                    told = Some(Instant::now());
                    teller.progress(progress).await;
                }
            }
            WorkerEvent::Findings(findings) if findings.len() > FINDINGS_PER_EVENT => {
                return Err(Lost::TooMany);
            }
            WorkerEvent::Findings(findings) => teller.findings(findings).await,
            WorkerEvent::Ended(report) => return Ok(What::Ended(report)),
            WorkerEvent::Failed(failure) => return Ok(What::Failed(failure)),
        }
    }
}

/// Reads one event: for the first byte of it there is time until the job's end, for the rest little.
async fn receive(socket: &mut UnixStream) -> Result<WorkerEvent, FrameError> {
    let mut header = [0; Frame::HEADER];
    socket.read_exact(&mut header[..1]).await?;
    let payload = timeout(FRAME_LIMIT, async {
        socket.read_exact(&mut header[1..]).await?;
        let mut payload = vec![0; Frame::payload_length(header)?];
        socket.read_exact(&mut payload).await?;
        Ok::<_, FrameError>(payload)
    })
    .await
    .map_err(slow)??;
    Ok(codec::decode(&payload)?)
}

fn slow(_: Elapsed) -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// Tells events of one job.
struct Teller<'a> {
    job: &'a Job,
    tell: &'a Sender<Event>,
}

impl Teller<'_> {
    async fn say(&self, what: What) {
        let event = Event {
            job: self.job.id,
            fence: self.job.fence,
            what,
        };
        // Nobody listens any more only when everything ends.
        let _ = self.tell.send(event).await;
    }

    async fn progress(&self, progress: Progress) {
        self.say(What::Progress(progress)).await;
    }

    /// Findings in as many events as their length takes.
    async fn findings(&self, findings: Vec<Finding>) {
        for part in parts(findings) {
            self.say(What::Findings(part)).await;
        }
    }
}

fn parts(findings: Vec<Finding>) -> Vec<Vec<Finding>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut room = PART_LIMIT;
    for finding in findings {
        let length = codec::encode(&finding).len();
        if length > room && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            room = PART_LIMIT;
        }
        room = room.saturating_sub(length);
        part.push(finding);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// What stands around findings in an event takes less than the rest.
const PART_LIMIT: usize = EVENT_LIMIT - 1024;

#[cfg(test)]
mod tests;
