//! The engine: plan, wire, interpret, over all endpoints at once, until everything is asked or time is up.
//!
//! The sweep runs on a thread of its own and hands over open endpoints while it goes on; each of them is
//! then examined in a task of its own. What must stay true: every endpoint of the plan ends up in the
//! books once, and every probe sent does.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, mpsc},
    task::{JoinError, JoinSet, spawn_blocking},
};
use vedette_protocol::{
    Digest, Finding, JobScope, Report, Scope, Timestamp,
    finding::{PortState, Transport},
    job::{Check, Checks},
    worker::Progress,
};

use crate::{
    books::{Books, Cost},
    interpret,
    known::Known,
    plan::{self, Plan},
    probe::Probe,
    recog::Recog,
    reply::{End, Reply},
    wire::{
        Answer, Asking, Batch, Bounds, Detour, Hindrance, Means, Postage, Reticent, Toll, Wire, WireError,
    },
};

/// What to scan, and within which bounds.
#[derive(Debug, Clone)]
pub struct Scan {
    /// What may be sent to: over UDP, each endpoint is asked whether it is open, as over TCP.
    pub scope: JobScope,
    /// What to look for.
    pub checks: Checks,
    /// The time that certificates are judged against.
    pub now: Timestamp,
    /// How long it may take.
    pub time: Duration,
    /// By which means ports are asked.
    pub means: Means,
    /// How much at once.
    pub bounds: Bounds,
    /// Which ports to tell of.
    pub tell: Tell,
}

/// What a scan may use beside its scope and our own knowledge.
#[derive(Debug, Clone, Default)]
pub struct Aids {
    /// Fingerprints that the operator brought.
    pub fingerprints: Arc<Recog>,
    /// Whether services are asked over UDP where the scope has no port of it.
    pub datagrams: Datagrams,
}

/// Whether services are asked over UDP where a scope has no port of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Datagrams {
    /// Not: the appliance's filter lets out what a job has, and nothing else.
    #[default]
    Never,
    /// On hosts that answer over TCP, on those of its ports where one is at home.
    WhereAtHome,
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
    /// Ports are asked by other means than wanted.
    Detour(Detour),
    /// Hosts refuse so seldom that they set the pace.
    Reticent(Reticent),
    /// So many ports were not asked; told at the end.
    Hindered(Hindrance, u64),
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
    run_with(scan, Aids::default(), events).await
}

/// The same, with more than TCP and our own knowledge.
///
/// # Errors
/// As [`run`].
pub async fn run_with(scan: Scan, aids: Aids, events: mpsc::Sender<Event>) -> Result<Report, EngineError> {
    let begun = Instant::now();
    let deadline = begun + scan.time;
    let parts = Parts {
        tcp: scan.scope.over(Transport::Tcp).map(Part::of),
        udp: scan.scope.over(Transport::Udp).map(Part::of),
    };
    let at_home = aids.datagrams == Datagrams::WhereAtHome && scan.checks.contains(Check::Services);
    let datagrams = match &parts {
        Parts {
            tcp: Some(tcp),
            udp: None,
        } if at_home => plan::datagrams(tcp.plan.ports()),
        Parts { .. } => Vec::new(),
    };
    let (told, mut swept) = mpsc::channel(BATCHES);
    let sweep = spawn_blocking({
        let parts = parts.clone();
        let (means, bounds, tell) = (scan.means, scan.bounds, scan.tell);
        let asking = Asking {
            means,
            bounds,
            tell,
            deadline,
        };
        move || sweep(&parts, &asking, &told)
    });
    let beyond = |(_, part): (_, &Part)| part.plan.beyond().saturating_mul(part.plan.ports().len() as u64);
    let unplanned = parts.each().map(beyond).fold(0, u64::saturating_add);
    // Both parts have the same hosts.
    let hosts = |(_, part): (_, &Part)| part.plan.hosts().saturating_add(part.plan.beyond());
    let hosts = parts.each().map(hosts).max().unwrap_or(0);
    let ports = parts
        .each()
        .map(|(_, part)| part.plan.len())
        .sum::<u64>()
        .saturating_add(unplanned);
    let mut course = Course {
        books: Books::open(hosts, ports),
        progress: Progress {
            done: 0,
            total: ports,
        },
        examination: Examination::new(scan.checks, deadline),
        parts: parts.clone(),
        found: HashSet::new(),
        fingerprints: aids.fingerprints,
        datagrams,
        greeted: HashSet::new(),
        now: scan.now,
        tell: scan.tell,
    };
    if unplanned > 0 {
        course.books.hindered(Hindrance::TooMany, unplanned);
    }
    let mut sweeping = true;
    let mut shown = begun;
    loop {
        let mut messages: Vec<Event> = Vec::new();
        let found = tokio::select! {
            batch = swept.recv(), if sweeping => match batch {
                Some((over, batch)) => {
                    messages.extend(batch.detour.map(Event::Detour));
                    messages.extend(batch.reticent.map(Event::Reticent));
                    course.swept(over, batch)
                }
                None => {
                    sweeping = false;
                    Vec::new()
                }
            },
            Some(examined) = course.examination.tasks.join_next() => course.examined(&examined?),
            else => break,
        };
        messages.extend(course.unheard(found).map(Event::Found));
        if shown.elapsed() >= PROGRESS_EVERY {
            shown = Instant::now();
            messages.push(Event::Progress(course.progress));
        }
        if tell(&events, messages).await.is_break() {
            break;
        }
    }
    drop(swept);
    let toll = sweep.await??;
    let count = |of: fn(&Postage) -> &AtomicU64| -> u64 {
        parts
            .each()
            .map(|(_, part)| of(part.wire.postage()).load(Ordering::Relaxed))
            .sum()
    };
    let hindered = course.books.hindrances();
    // Who no longer listens does not want to know.
    let _ = tell(
        &events,
        hindered
            .into_iter()
            .map(|(why, count)| Event::Hindered(why, count))
            .collect(),
    )
    .await;
    Ok(course.close(Cost {
        toll,
        requests: count(|postage| &postage.requests),
        packets: count(|postage| &postage.packets),
        took: begun.elapsed(),
    }))
}

async fn tell(events: &mpsc::Sender<Event>, messages: Vec<Event>) -> ControlFlow<()> {
    for message in messages {
        if events.send(message).await.is_err() {
            return ControlFlow::Break(());
        }
    }
    ControlFlow::Continue(())
}

/// What is asked over one transport, and the way there.
#[derive(Debug, Clone)]
struct Part {
    plan: Arc<Plan>,
    wire: Wire,
}

impl Part {
    fn of(scope: Scope) -> Self {
        Self {
            plan: Arc::new(Plan::of(&scope)),
            wire: Wire::new(Arc::new(scope)),
        }
    }
}

/// What is asked, by transport.
#[derive(Debug, Clone)]
struct Parts {
    tcp: Option<Part>,
    udp: Option<Part>,
}

impl Parts {
    fn over(&self, transport: Transport) -> Option<&Part> {
        match transport {
            Transport::Tcp => self.tcp.as_ref(),
            Transport::Udp => self.udp.as_ref(),
        }
    }

    fn each(&self) -> impl Iterator<Item = (Transport, &Part)> {
        let both = [Transport::Tcp, Transport::Udp].into_iter();
        both.filter_map(|over| Some((over, self.over(over)?)))
    }
}

/// A scan under way: what came in, what it led to, what is on the books.
struct Course {
    parts: Parts,
    books: Books,
    progress: Progress,
    examination: Examination,
    /// What was found already: a name may stand for several addresses, which are one place in findings.
    found: HashSet<(Digest, Option<PortState>)>,
    fingerprints: Arc<Recog>,
    /// The ports that hosts are asked on over UDP, and the hosts that were.
    datagrams: Vec<u16>,
    greeted: HashSet<IpAddr>,
    now: Timestamp,
    tell: Tell,
}

impl Course {
    /// Those that were not found before.
    fn unheard(&mut self, found: Vec<Finding>) -> impl Iterator<Item = Finding> + '_ {
        found
            .into_iter()
            .filter(|finding| self.found.insert((finding.id, finding.state)))
    }

    /// Endpoints were asked whether they are open.
    fn swept(&mut self, over: Transport, batch: Batch) -> Vec<Finding> {
        self.progress.done += batch.asked;
        self.books.by_connect(batch.by_connect);
        let Some(part) = self.parts.over(over).cloned() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (host, answer, count) in batch.counts {
            self.books.ports(host, answer, count);
            self.greet(host, answer);
        }
        for host in batch.accepting_everything {
            let hosts = part.plan.hosts_named(host);
            found.extend(hosts.iter().map(|host| interpret::accepts_everything(host, over)));
        }
        for (endpoint, answer) in batch.answers {
            self.books.port(endpoint, answer);
            self.greet(endpoint.ip(), answer);
            if answer == Answer::Open || self.tell == Tell::EveryPort {
                for known in part.plan.guises(endpoint) {
                    let known = match over {
                        Transport::Tcp => known,
                        Transport::Udp => known.over_udp(),
                    };
                    found.push(interpret::port(&known, state(over, answer)));
                    if answer == Answer::Open {
                        self.examination.begin(&part.wire, known);
                    }
                }
            }
        }
        found
    }

    /// A host that answers for the first time is asked over UDP.
    fn greet(&mut self, host: IpAddr, answer: Answer) {
        if !matches!(answer, Answer::Open | Answer::Closed) || !self.greeted.insert(host) {
            return;
        }
        let Some(tcp) = &self.parts.tcp else { return };
        for port in &self.datagrams {
            for known in tcp.plan.guises(SocketAddr::new(host, *port)) {
                self.examination.begin(&tcp.wire, known.over_udp());
            }
        }
    }

    /// An open endpoint was examined.
    fn examined(&mut self, Examined { known, end }: &Examined) -> Vec<Finding> {
        for (probe, reply) in known.exchanges() {
            self.books.exchange(known, probe, reply);
        }
        if *end == ExaminationEnd::CutShort {
            self.books.abandoned(known);
        }
        self.progress.done += known.exchanges().len() as u64;
        self.progress.total += known.exchanges().len() as u64;
        if known.transport() == Transport::Udp {
            return interpret::datagram(known, &self.fingerprints);
        }
        interpret::interpret_informed(known, &self.examination.checks, self.now, &self.fingerprints)
    }

    fn close(self, cost: Cost) -> Report {
        self.books.close(cost)
    }
}

/// The port scan, in batches, on the thread that it may block. One transport after the other, so that the limit on
/// packets holds for both.
fn sweep(parts: &Parts, asking: &Asking, told: &mpsc::Sender<(Transport, Batch)>) -> Result<Toll, WireError> {
    let one = |part: &Part, over: Transport| {
        let mut tell = |batch| match told.blocking_send((over, batch)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        match part.plan.is_empty() {
            true => Ok(Toll::default()),
            false => part.wire.sweep(&part.plan, over, asking, &mut tell),
        }
    };
    let mut toll = Toll::default();
    for (over, part) in parts.each() {
        toll = toll.and(one(part, over)?);
    }
    Ok(toll)
}

fn state(over: Transport, answer: Answer) -> PortState {
    match (answer, over) {
        (Answer::Open, _) => PortState::Open,
        (Answer::Closed, _) => PortState::Closed,
        (Answer::Silent, Transport::Udp) => PortState::NoAnswer,
        (Answer::Silent, Transport::Tcp) | (Answer::Unreachable, _) => PortState::Filtered,
        (Answer::NotAsked(_), _) => PortState::Unknown,
    }
}

/// The open endpoints that are being examined.
struct Examination {
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
    /// By time, by the bound on exchanges, or because the target wears us out.
    CutShort,
}

impl Examination {
    fn new(checks: Checks, deadline: Instant) -> Self {
        Self {
            checks: Arc::new(checks),
            deadline,
            all: Arc::new(Semaphore::new(CONVERSATIONS)),
            hosts: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// An open endpoint; over UDP, one that may be.
    fn begin(&mut self, wire: &Wire, known: Known) {
        if known.transport() == Transport::Udp && !self.checks.contains(Check::Services) {
            return;
        }
        let place = || Arc::new(Semaphore::new(CONVERSATIONS_PER_HOST));
        let host = self
            .hosts
            .entry(known.endpoint().ip())
            .or_insert_with(place)
            .clone();
        let (all, wire) = (self.all.clone(), wire.clone());
        let (checks, deadline) = (self.checks.clone(), self.deadline);
        self.tasks.spawn(async move {
            // The host's place first: who waits for it must not keep others from theirs.
            let (_host, _all) = (host.acquire().await, all.acquire().await);
            match known.transport() {
                Transport::Tcp => examine(known, &wire, &checks, deadline).await,
                Transport::Udp => examine_over_udp(known, &wire, deadline).await,
            }
        });
    }
}

/// Asks an open endpoint whatever the plan wants to know of it.
async fn examine(mut known: Known, wire: &Wire, checks: &Checks, deadline: Instant) -> Examined {
    loop {
        let probes = plan::next(&known, checks);
        if probes.is_empty() {
            let end = match plan::is_given_up(&known, checks) {
                true => ExaminationEnd::CutShort,
                false => ExaminationEnd::AllAsked,
            };
            return Examined { known, end };
        }
        for together in probes.chunks(QUESTIONS_AT_ONCE) {
            if Instant::now() >= deadline || known.exchanges().len() >= EXCHANGES_LIMIT {
                return Examined {
                    known,
                    end: ExaminationEnd::CutShort,
                };
            }
            for (probe, reply) in ask_together(wire, together, deadline).await {
                known.learn(probe, reply);
            }
        }
    }
}

/// Sends probes side by side; the replies are in the order of the probes.
async fn ask_together(wire: &Wire, probes: &[Probe], deadline: Instant) -> Vec<(Probe, Reply)> {
    let asking = probes.iter().cloned().map(|probe| {
        let wire = wire.clone();
        tokio::spawn(async move {
            let reply = ask(&wire, &probe, deadline).await;
            (probe, reply)
        })
    });
    let mut exchanges = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        match asked.await {
            Ok(exchange) => exchanges.push(exchange),
            // Nothing cancels it: it panicked, and so shall we.
            Err(broken) => std::panic::resume_unwind(broken.into_panic()),
        }
    }
    exchanges
}

/// Asks an endpoint the one thing that is asked over UDP.
async fn examine_over_udp(mut known: Known, wire: &Wire, deadline: Instant) -> Examined {
    for probe in known.datagrams() {
        let reply = ask(wire, &probe, deadline).await;
        known.learn(probe, reply);
    }
    Examined {
        known,
        end: ExaminationEnd::AllAsked,
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

/// With what each may keep of its replies, this is the bound on memory.
const CONVERSATIONS: usize = 64;
const CONVERSATIONS_PER_HOST: usize = 8;
/// To one endpoint; of one host's endpoints many may be examined at once.
const QUESTIONS_AT_ONCE: usize = 4;
/// Of one endpoint. The suites of a server that takes all of them need most; those replies are short.
const EXCHANGES_LIMIT: usize = 1024;
const BATCHES: usize = 64;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);
