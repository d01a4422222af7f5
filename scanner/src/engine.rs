//! The engine: plan, wire, interpret, over all endpoints at once, until everything is asked or time is up.
//!
//! The sweep runs on a thread of its own and hands over open endpoints while it goes on; each of them is
//! then examined in a task of its own. What must stay true: every endpoint of the plan ends up in the
//! books once, and every probe sent does.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::{JoinError, JoinSet, spawn_blocking},
};
use vedette_protocol::{
    Finding, Report, Scope, Timestamp, finding::PortState, job::Checks, worker::Progress,
};

use crate::{
    books::{Books, Cost},
    interpret,
    known::Known,
    plan::{self, Plan},
    probe::Probe,
    reply::{End, Reply},
    wire::{Answer, Bounds, Hindrance, Toll, Wire, WireError},
};

/// What to scan, and within which bounds.
#[derive(Debug, Clone)]
pub struct Scan {
    /// What may be connected to.
    pub scope: Scope,
    /// What to look for.
    pub checks: Checks,
    /// The time that certificates are judged against.
    pub now: Timestamp,
    /// How long it may take.
    pub time: Duration,
    /// How much at once.
    pub bounds: Bounds,
    /// Which ports to tell of.
    pub tell: Tell,
}

/// Which ports are told of one by one; all are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// Those that are open.
    OpenPorts,
    /// Every one, with its state.
    EveryPort,
}

/// What a scan says while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Something was seen.
    Found(Finding),
    /// How far it is.
    Progress(Progress),
}

/// A scan could not be run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The network cannot be used.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A part of the engine panicked.
    #[error("a part of the engine ended unexpectedly")]
    Broken(#[from] JoinError),
}

/// Runs a scan to its end. Who no longer listens to events ends it early.
///
/// # Errors
/// When nothing can be asked at all. Whatever goes unanswered is in the report.
pub async fn run(scan: Scan, events: mpsc::Sender<Event>) -> Result<Report, EngineError> {
    let begun = Instant::now();
    let deadline = begun + scan.time;
    let plan = Arc::new(Plan::of(&scan.scope));
    let wire = Wire::new(Arc::new(scan.scope));
    let mut books = Books::open(plan.hosts(), plan.len());
    let (told, mut swept) = mpsc::channel(BATCHES);
    let sweep = spawn_blocking({
        let (plan, wire, bounds) = (plan.clone(), wire.clone(), scan.bounds);
        move || sweep(&wire, &plan, bounds, deadline, &told)
    });
    let mut examination = Examination {
        wire,
        checks: Arc::new(scan.checks),
        deadline,
        all: Arc::new(Semaphore::new(CONVERSATIONS)),
        hosts: HashMap::new(),
        tasks: JoinSet::new(),
    };
    let mut progress = Progress {
        done: 0,
        total: plan.len(),
    };
    let mut last = Instant::now();
    let mut sweeping = true;
    let mut waiting: Vec<Known> = Vec::new();
    loop {
        let (mut found, mut done) = (Vec::new(), 0);
        tokio::select! {
            batch = swept.recv(), if sweeping => match batch {
                Some(batch) => {
                    done = batch.len() as u64;
                    for (endpoint, answer) in batch {
                        books.port(endpoint, answer);
                        if answer == Answer::Open || scan.tell == Tell::EveryPort {
                            let guises = plan.guises(endpoint);
                            found.extend(guises.iter().map(|known| interpret::port(known, state(answer))));
                            waiting.extend(guises.into_iter().filter(|_| answer == Answer::Open));
                        }
                    }
                }
                None => sweeping = false,
            },
            Some(ended) = examination.tasks.join_next() => {
                let Examined { known, end } = ended?;
                for (probe, reply) in known.exchanges() {
                    books.exchange(&known, probe, reply);
                }
                if end == ExaminationEnd::OutOfTime {
                    books.abandoned(&known);
                }
                done = known.exchanges().len() as u64;
                progress.total += done;
                found = interpret::interpret(&known, &examination.checks, scan.now);
            }
            else => break,
        }
        for known in waiting.drain(..) {
            examination.begin(known);
        }
        progress.done += done;
        let mut heard = true;
        for finding in found {
            heard &= events.send(Event::Found(finding)).await.is_ok();
        }
        if last.elapsed() >= PROGRESS_EVERY {
            last = Instant::now();
            heard &= events.send(Event::Progress(progress)).await.is_ok();
        }
        if !heard {
            break;
        }
    }
    drop(swept);
    let toll = sweep.await??;
    books.not_reached(progress.total.saturating_sub(progress.done));
    let postage = examination.wire.postage();
    Ok(books.close(Cost {
        toll,
        requests: postage.requests.load(Ordering::Relaxed),
        packets: postage.packets.load(Ordering::Relaxed),
        took: begun.elapsed(),
    }))
}

/// The port scan, in batches, on the thread that it may block.
fn sweep(
    wire: &Wire,
    plan: &Plan,
    bounds: Bounds,
    deadline: Instant,
    told: &mpsc::Sender<Vec<(SocketAddr, Answer)>>,
) -> Result<Toll, WireError> {
    wire.sweep(plan.endpoints(), bounds, deadline, |batch| {
        match told.blocking_send(batch) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })
}

fn state(answer: Answer) -> PortState {
    match answer {
        Answer::Open => PortState::Open,
        Answer::Closed => PortState::Closed,
        Answer::Silent | Answer::Unreachable => PortState::Filtered,
        Answer::NotAsked(_) => PortState::Unknown,
    }
}

/// The open endpoints that are being examined.
struct Examination {
    wire: Wire,
    checks: Arc<Checks>,
    deadline: Instant,
    all: Arc<Semaphore>,
    hosts: HashMap<IpAddr, Arc<Semaphore>>,
    tasks: JoinSet<Examined>,
}

struct Examined {
    known: Known,
    end: ExaminationEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExaminationEnd {
    AllAsked,
    OutOfTime,
}

impl Examination {
    fn begin(&mut self, mut known: Known) {
        let (wire, checks, deadline, all) = (
            self.wire.clone(),
            self.checks.clone(),
            self.deadline,
            self.all.clone(),
        );
        let host = self.hosts.entry(known.endpoint().ip());
        let host = host
            .or_insert_with(|| Arc::new(Semaphore::new(CONVERSATIONS_PER_HOST)))
            .clone();
        self.tasks.spawn(async move {
            // The host's place first: who waits for it must not keep others from theirs.
            let (_host, _all) = (host.acquire().await, all.acquire().await);
            loop {
                let probes = plan::next(&known, &checks);
                if probes.is_empty() || known.exchanges().len() >= EXCHANGES_LIMIT {
                    return Examined {
                        known,
                        end: ExaminationEnd::AllAsked,
                    };
                }
                for probe in probes {
                    if Instant::now() >= deadline {
                        return Examined {
                            known,
                            end: ExaminationEnd::OutOfTime,
                        };
                    }
                    let reply = ask(&wire, &probe, deadline).await;
                    known.learn(probe, reply);
                }
            }
        });
    }
}

/// Sends a probe; once more, if it came to nothing.
async fn ask(wire: &Wire, probe: &Probe, deadline: Instant) -> Reply {
    let by = tokio::time::Instant::from_std(deadline);
    let late = |_| Reply::silent(End::NotAsked(Hindrance::Deadline));
    let first = tokio::time::timeout_at(by, wire.send(probe))
        .await
        .unwrap_or_else(late);
    // A service that greets and hangs up without a greeting was too busy for us.
    let turned_away = probe.say.is_empty() && first == Reply::silent(End::Closed);
    if first.answers(probe) && !turned_away {
        return first;
    }
    tokio::time::timeout_at(by, wire.send(probe))
        .await
        .unwrap_or_else(late)
}

const CONVERSATIONS: usize = 128;
const CONVERSATIONS_PER_HOST: usize = 8;
/// Of one endpoint; no plan comes near.
const EXCHANGES_LIMIT: usize = 256;
const BATCHES: usize = 64;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
