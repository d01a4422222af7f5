//! The course of one worker: hears its order, has the keeper open the filter, scans, reports, ends.
//!
//! Frames come from other processes and are believed in nothing: each is bounded, has a deadline, and ends
//! the worker when it is malformed. The keeper's connection is the permission: when it closes, scanning
//! stops. What must stay true: nothing is sent to the network before the keeper has granted it.

mod application;
mod survey;

use std::{io, num::NonZeroU32, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    sync::mpsc,
    task::JoinError,
    time::{interval, timeout},
};
use vedette_protocol::{
    Finding, Frame, FrameError, Job, JobScope, Report, Target, Timestamp, codec,
    finding::{Coverage, Effort, Transport, Unanswered},
    job::{Check, Checks, Subject},
    scope::Resolved,
    target::HostName,
    vault::VaultRefusal,
    worker::{
        Adapter, FINDINGS_PER_EVENT, Order, ScopeAnswer, ScopeRefusal, ScopeRequest, WorkerEvent,
        WorkerFailure,
    },
};

use crate::{
    Bounds, EngineError, Event, Lent, Means, Scan, Tell,
    application::Leave,
    discover::DiscoverError,
    engine,
    login::{self, Line, LoginError, receive_with_descriptor},
};

/// Where the keeper listens, and who it must be.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Its socket.
    pub socket: PathBuf,
    /// Its user.
    pub uid: u32,
}

/// A worker did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// vedetted said nothing usable, or does not listen any more.
    #[error("talking to vedetted")]
    Vedetted(#[source] FrameError),
    /// vedetted hung up before the job was done.
    #[error("vedetted hung up")]
    Abandoned,
    /// The job was not done; vedetted has been told.
    #[error("the job was not done")]
    Failed(#[source] Failure),
}

/// Why a job was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The keeper's socket cannot be reached.
    #[error("connecting to {socket}")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another user listens there.
    #[error("the keeper's socket belongs to user {found}, not to user {expected}")]
    Impostor {
        /// Who listens.
        found: u32,
        /// Who should.
        expected: u32,
    },
    /// The keeper said nothing usable.
    #[error("talking to the keeper")]
    Keeper(#[source] FrameError),
    /// The keeper refused.
    #[error("the keeper refused")]
    Refused(#[source] ScopeRefusal),
    /// The keeper hung up: its permission is over.
    #[error("the keeper hung up before the job was done")]
    Withdrawn,
    /// The engine stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nothing could be asked or heard.
    #[error(transparent)]
    Survey(#[from] DiscoverError),
    /// What asks who is there ended unexpectedly.
    #[error("the discovery ended unexpectedly")]
    Broken(#[from] JoinError),
    /// A web application is one port of one host.
    #[error("the job is not about one web application")]
    NotOneApplication,
    /// There was no logging in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The keeper granted a login and gave no line to the vault.
    #[error("the keeper gave no line to the vault")]
    NoVault,
}

/// Does the one job that comes over `vedetted`.
///
/// # Errors
/// When the job was not done. vedetted has been told why, unless it is the one that failed.
pub async fn work(mut vedetted: UnixStream, keeper: &Keeper) -> Result<(), WorkerError> {
    let order: Order = receive(&mut vedetted, ORDER)
        .await
        .map_err(WorkerError::Vedetted)?;
    let (hear, mut speak) = vedetted.into_split();
    let names = order.names.clone();
    let mut ending = match granted(order, keeper).await {
        Ok(grant) => {
            let nameless = without_address(&grant.job, &names);
            carry_out(grant, hear, &mut speak)
                .await?
                .map(|report| report.and(nameless))
        }
        Err(failure) => Err(failure),
    };
    let last = match &mut ending {
        Ok(report) => WorkerEvent::Ended(report.clone()),
        Err(failure) => WorkerEvent::Failed(told(failure)),
    };
    send(&mut speak, &last).await.map_err(WorkerError::Vedetted)?;
    ending.map(drop).map_err(WorkerError::Failed)
}

/// What the keeper allows, for as long as its connection lives.
struct Grant {
    job: Job,
    scope: JobScope,
    rate: Option<NonZeroU32>,
    keeper: UnixStream,
    /// The line to the vault, for a job that logs in.
    vault: Option<OwnedFd>,
    /// Adapters for frames of our own.
    lent: Vec<Lent>,
}

async fn granted(order: Order, keeper: &Keeper) -> Result<Grant, Failure> {
    let unreachable = |source| Failure::Connect {
        socket: keeper.socket.clone(),
        source,
    };
    let connected = timeout(KEEPER, UnixStream::connect(&keeper.socket)).await;
    let mut stream = connected
        .map_err(io::Error::from)
        .flatten()
        .map_err(unreachable)?;
    let found = stream.peer_cred().map_err(unreachable)?.uid();
    if found != keeper.uid {
        return Err(Failure::Impostor {
            found,
            expected: keeper.uid,
        });
    }
    let request = ScopeRequest {
        assignment: order.assignment,
        names: order.names,
    };
    send(&mut stream, &request).await.map_err(Failure::Keeper)?;
    let answered = timeout(KEEPER, receive_with_descriptor(&mut stream)).await;
    let (answer, vault) = answered
        .map_err(|late| Failure::Keeper(io::Error::from(late).into()))?
        .map_err(Failure::Keeper)?;
    match answer {
        ScopeAnswer::Granted {
            job,
            scope,
            rate,
            adapters,
        } => {
            let borrowed = timeout(KEEPER, borrow(&mut stream, adapters)).await;
            Ok(Grant {
                vault,
                job: *job,
                scope,
                rate,
                lent: borrowed
                    .map_err(|late| Failure::Keeper(io::Error::from(late).into()))?
                    .map_err(Failure::Keeper)?,
                keeper: stream,
            })
        }
        ScopeAnswer::Refused(refusal) => Err(Failure::Refused(refusal)),
    }
}

/// Takes the adapters that the keeper lends.
async fn borrow(keeper: &mut UnixStream, count: u8) -> Result<Vec<Lent>, FrameError> {
    let mut lent = Vec::new();
    for _ in 0..count {
        let (adapter, socket): (Adapter, _) = receive_with_descriptor(keeper).await?;
        let socket = socket.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        lent.push(Lent { adapter, socket });
    }
    Ok(lent)
}

/// Does the job, as long as both ends are there. The outer error is vedetted's silence, the inner one ours.
async fn carry_out(
    grant: Grant,
    mut hear: impl AsyncRead + Unpin,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, WorkerError> {
    let Grant {
        job,
        scope,
        rate,
        mut keeper,
        vault,
        lent,
    } = grant;
    let work = async {
        if job.login.is_some() {
            visit_and_tell(&job, &scope, rate, vault, speak).await
        } else {
            look_and_tell(&job, scope, rate, lent.into(), speak).await
        }
    };
    let (mut from_keeper, mut from_vedetted) = ([0], [0]);
    tokio::select! {
        biased;
        // Neither has anything more to say: a byte breaks the protocol as an end does.
        _ = keeper.read(&mut from_keeper) => Ok(Err(Failure::Withdrawn)),
        _ = hear.read(&mut from_vedetted) => Err(WorkerError::Abandoned),
        ended = work => ended.map_err(WorkerError::Vedetted),
    }
}

/// Logs in, and tells what that brought. The outer error is that nobody listens.
async fn visit_and_tell(
    job: &Job,
    scope: &JobScope,
    rate: Option<NonZeroU32>,
    vault: Option<OwnedFd>,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, FrameError> {
    let (tell, told) = mpsc::channel(EVENTS);
    let visiting = async move {
        let line =
            Line::new(vault.ok_or(Failure::NoVault)?).map_err(|error| LoginError::Vault(error.into()))?;
        // It has one port.
        let scope = scope.over(Transport::Tcp).or_else(|| scope.over(Transport::Udp));
        let scope = scope.ok_or(LoginError::OutOfScope)?;
        let leave = Leave {
            time: time(job, Timestamp::now()),
            rate,
        };
        Ok::<_, Failure>(login::run(job, &scope, line, leave, &tell).await?)
    };
    let visiting = async { Ok(visiting.await) };
    let (visited, ()) = tokio::try_join!(visiting, pass_on(told, speak))?;
    match visited {
        Ok((findings, report)) => {
            for part in findings.chunks(FINDINGS_PER_EVENT) {
                send(speak, &WorkerEvent::Findings(part.to_vec())).await?;
            }
            Ok(Ok(report))
        }
        Err(failure) => Ok(Err(failure)),
    }
}

/// Asks who is there, if the job says so, and then looks at ports, if it says that, or tests a web application. The outer error is that nobody
/// listens.
async fn look_and_tell(
    job: &Job,
    scope: JobScope,
    rate: Option<NonZeroU32>,
    lent: Arc<[Lent]>,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, FrameError> {
    let mut surveyed = None;
    if let Some(checks) = job.checks.of(Subject::Network) {
        let discovery = survey::plan(job, &checks, scope.clone(), rate, lent.clone());
        match survey::run_and_tell(discovery, speak).await? {
            Ok(report) => surveyed = Some(report),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    if job.checks.contains(Check::Web) {
        let tested = application::run_and_tell(job, &scope, rate, speak).await?;
        // Its checks are of one kind, as all jobs'.
        return Ok(tested);
    }
    let scanned = match job.checks.of(Subject::Endpoints) {
        Some(checks) => scan_and_tell(scan(job, checks, scope, rate, lent), speak).await?,
        None => Ok(Report::close(
            Effort::default(),
            Coverage::default(),
            0,
            Vec::new(),
        )),
    };
    Ok(scanned.map(|report| match surveyed {
        Some(surveyed) => surveyed.and(report),
        None => report,
    }))
}

fn scan(job: &Job, checks: Checks, scope: JobScope, rate: Option<NonZeroU32>, lent: Arc<[Lent]>) -> Scan {
    let now = Timestamp::now();
    // The kernel counts everything. What is left of the rate is for the conversations with what is open; to connect
    // and to hang up takes four packets.
    let (means, rate) = match lent.is_empty() {
        true => (Means::Connect, rate.map(|rate| rate.get() / 4)),
        false => (Means::Lent(lent), rate.map(|rate| rate.get() - rate.get() / 4)),
    };
    Scan {
        scope,
        checks,
        now,
        time: time(job, now),
        means,
        bounds: Bounds {
            rate: rate.map(|rate| rate.max(1)),
            ..Bounds::of_this_process()
        },
        tell: Tell::OpenPorts,
    }
}

/// Runs the engine, and tells what it finds as it goes. The outer error is that nobody listens.
async fn scan_and_tell(
    scan: Scan,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<Result<Report, Failure>, FrameError> {
    let (tell, told) = mpsc::channel(EVENTS);
    let engine = async { Ok(engine::run(scan, tell).await) };
    let (report, ()) = tokio::try_join!(engine, pass_on(told, speak))?;
    Ok(report.map_err(Failure::Engine))
}

/// Tells vedetted what is told, some of it at once, until there is no more. The error is that nobody listens.
async fn pass_on(
    mut told: mpsc::Receiver<Event>,
    speak: &mut (impl AsyncWrite + Unpin),
) -> Result<(), FrameError> {
    let mut basket = Basket::default();
    let mut tick = interval(GATHER);
    loop {
        let message = tokio::select! {
            event = told.recv() => match event {
                Some(event) => basket.add(event),
                None => break,
            },
            _ = tick.tick() => basket.empty(),
        };
        if let Some(message) = message {
            send(speak, &message).await?;
        }
    }
    match basket.empty() {
        Some(message) => send(speak, &message).await,
        None => Ok(()),
    }
}

/// How long a job may still take.
fn time(job: &Job, now: Timestamp) -> Duration {
    job.expires.since(now).min(LONGEST)
}

/// What the scan cannot know of: targets whose names have no address are gaps in it.
fn without_address(job: &Job, names: &[Resolved]) -> Report {
    let resolves = |name: &HostName| {
        names
            .iter()
            .any(|found| found.name == *name && !found.addresses.is_empty())
    };
    let mut gaps = Vec::new();
    for target in job.targets.as_slice() {
        if let Target::Name(name) = target
            && !resolves(name)
        {
            gaps.push(Unanswered {
                target: name.into(),
                port: None,
            });
        }
    }
    let hosts = gaps.len() as u64;
    let coverage = Coverage {
        hosts,
        ..Coverage::default()
    };
    Report::close(Effort::default(), coverage, hosts, gaps)
}

/// Findings on their way, gathered so that one message carries many of them.
#[derive(Default)]
struct Basket(Vec<Finding>);

impl Basket {
    /// Adds an event; gives what is to be sent now.
    fn add(&mut self, event: Event) -> Option<WorkerEvent> {
        match event {
            Event::Progress(progress) => Some(WorkerEvent::Progress(progress)),
            // Nobody on the appliance chose by what means ports are asked.
            Event::Detour(_) | Event::Reticent(_) | Event::Hindered(..) => None,
            Event::Found(finding) => {
                self.0.push(finding);
                if self.0.len() >= FINDINGS_PER_EVENT {
                    self.empty()
                } else {
                    None
                }
            }
        }
    }

    fn empty(&mut self) -> Option<WorkerEvent> {
        let findings = std::mem::take(&mut self.0);
        (!findings.is_empty()).then_some(WorkerEvent::Findings(findings))
    }
}

fn told(failure: &Failure) -> WorkerFailure {
    match failure {
        Failure::Refused(refusal) => WorkerFailure::Refused(*refusal),
        Failure::Connect { .. } | Failure::Impostor { .. } | Failure::Keeper(_) | Failure::Withdrawn => {
            WorkerFailure::NoKeeper
        }
        Failure::Engine(_) | Failure::Survey(_) | Failure::Broken(_) | Failure::NotOneApplication => {
            WorkerFailure::Engine
        }
        Failure::Login(LoginError::Refused(why)) => WorkerFailure::Refused(ScopeRefusal::Vault(*why)),
        Failure::Login(LoginError::Vault(_) | LoginError::OutOfScope) | Failure::NoVault => {
            WorkerFailure::Refused(ScopeRefusal::Vault(VaultRefusal::Closed))
        }
    }
}

async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    within: Duration,
) -> Result<T, FrameError> {
    let frame = async {
        let mut header = [0; Frame::HEADER];
        stream.read_exact(&mut header).await?;
        let mut payload = vec![0; Frame::payload_length(header)?];
        stream.read_exact(&mut payload).await?;
        Ok(codec::decode(&payload)?)
    };
    timeout(within, frame).await.map_err(io::Error::from)?
}

async fn send<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<(), FrameError> {
    let frame = Frame::of(message)?;
    timeout(SENDING, stream.write_all(frame.bytes()))
        .await
        .map_err(io::Error::from)??;
    Ok(())
}

const ORDER: Duration = Duration::from_secs(30);
const KEEPER: Duration = Duration::from_secs(30);
const SENDING: Duration = Duration::from_secs(60);
/// Of one job, however late it expires.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const GATHER: Duration = Duration::from_millis(500);
const EVENTS: usize = 256;
