//! The connect scan: many connection attempts at once from one thread, over epoll.
//!
//! A socket is used again for the next attempt, so that a closed port costs two system calls and no socket.
//! An open port is left by reset: nothing lingers in TIME_WAIT, here or there. What must stay true: each endpoint is told exactly once, or was not asked in time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    mem,
    net::SocketAddr,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    io::Errno,
    net::{AddressFamily, connect_unspec, sockopt::socket_error},
};

use super::{
    gate::{Attempt, Gate, family, stream_socket},
    pace::{Bounds, Pace},
};

/// What became of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Open,
    Closed,
    /// No answer to any attempt.
    Silent,
    /// The network said that it cannot be reached.
    Unreachable,
    /// Not known because of this machine.
    NotAsked(Hindrance),
}

/// Why this machine did not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hindrance {
    /// The endpoint is outside the scope.
    OutOfScope,
    /// There is no route to it.
    NoRoute,
    /// The packet filter, or another rule of this machine, forbids it.
    Forbidden,
    /// Too few ports, sockets or buffers.
    Shortage,
    /// Time was up.
    Deadline,
    /// The host refuses so seldom that what its silence means was not found out.
    Reticent,
    /// The scope has more addresses than one scan asks.
    TooMany,
    /// Somebody else uses the address that was given to scan from.
    AddressTaken,
}

impl Hindrance {
    /// In words, with what to do.
    pub fn text(self) -> &'static str {
        match self {
            Self::OutOfScope => "it is not in scope",
            Self::NoRoute => {
                "no route leads there, or the network interface went away; add one, or leave it out of the targets"
            }
            Self::Forbidden => "a packet filter on this machine, or another of its rules, forbids it",
            Self::Shortage => "this machine had too few ports, sockets or buffers; scan less at once",
            Self::Deadline => "time was up; allow more time or fewer targets",
            Self::Reticent => {
                "the host tells too seldom of closed ports for its silence to mean anything; allow more time or fewer ports"
            }
            Self::TooMany => {
                "the targets have more addresses than one scan asks; split them, or find the hosts of an IPv6 network first: discover --targets NETWORK,ff02::1"
            }
            Self::AddressTaken => "somebody else began to use the address of --source; give another",
        }
    }
}

/// What a sweep cost, and what it learnt of the road.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Toll {
    pub(crate) attempts: u64,
    pub(crate) packets: u64,
    /// Estimated chance that an open port was silent to all attempts made at it.
    pub(crate) miss: f64,
}

impl Toll {
    /// What two parts of a scan cost. Of a port that one of them missed the other knows nothing: the worse chance
    /// stands for both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            attempts: self.attempts + other.attempts,
            packets: self.packets + other.packets,
            miss: self.miss.max(other.miss),
        }
    }
}

/// Asks each endpoint whether its port is open, and tells the answer of each, in batches.
///
/// Ends when all are told, when `deadline` has passed or when `tell` breaks off; what was not told then
/// was not asked, or not to the end.
///
/// # Errors
/// When not even one socket can be had.
pub(crate) fn sweep(
    gate: &Gate,
    endpoints: impl Iterator<Item = SocketAddr>,
    bounds: Bounds,
    deadline: Instant,
    mut tell: impl FnMut(Vec<(SocketAddr, Answer)>) -> ControlFlow<()>,
) -> Result<Toll, Errno> {
    let mut sweep = Sweep::new(gate, bounds)?;
    let mut endpoints = endpoints.fuse();
    let mut told = Vec::new();
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        let now = Instant::now();
        if now >= deadline {
            break;
        }
        let waiting = sweep.launch(&mut endpoints, &mut told)?;
        // While answers come at once, they are told in few large batches.
        let tells = told.len() >= EVENTS || (waiting != Waiting::No && !told.is_empty());
        if tells && tell(mem::take(&mut told)).is_break() {
            break;
        }
        let timer = sweep.next_timer().unwrap_or(deadline).min(deadline);
        let timer = timer.saturating_duration_since(now);
        let wait = match waiting {
            Waiting::ForAnswers => timer,
            Waiting::ForRate => timer.min(RATE_STEP),
            Waiting::No => Duration::ZERO,
            Waiting::Over => break,
        };
        events.clear();
        match epoll::wait(&sweep.epoll, spare_capacity(&mut events), Some(&timespec(wait))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        for event in &events {
            if let Ok(slot) = usize::try_from(event.data.u64()) {
                sweep.answer(slot, &mut told)?;
            }
        }
        sweep.expire(Instant::now(), &mut told)?;
    }
    if !told.is_empty() {
        // Nobody is asked any more, so that it does not matter whether they want to hear more.
        let _ = tell(told);
    }
    Ok(sweep.toll())
}

/// What the loop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    ForAnswers,
    ForRate,
    /// More can be launched at once.
    No,
    /// Nothing is left to ask and nothing is under way.
    Over,
}

struct Sweep<'a> {
    gate: &'a Gate,
    epoll: OwnedFd,
    pace: Pace,
    rate: Option<Rate>,
    slots: Vec<Slot>,
    /// Slots without a flight, by family; the last used first, because it is warm.
    idle: [Vec<usize>; 2],
    /// Sockets that the kernel would not give us any more.
    most: usize,
    under_way: usize,
    again: VecDeque<Task>,
    timers: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    begun: Instant,
    toll: Toll,
    /// The fewest attempts made at an endpoint that never answered.
    fewest_in_vain: Option<u8>,
}

/// A socket and what it is connecting to.
struct Slot {
    socket: OwnedFd,
    family: AddressFamily,
    flight: Option<Flight>,
}

struct Flight {
    task: Task,
    sent: Instant,
    number: u64,
}

/// One endpoint to be asked: which attempt this is, and how often this machine fell short.
#[derive(Clone, Copy)]
struct Task {
    endpoint: SocketAddr,
    attempt: u8,
    shortages: u8,
}

impl Task {
    fn first(endpoint: SocketAddr) -> Self {
        Self {
            endpoint,
            attempt: 1,
            shortages: 0,
        }
    }
}

impl<'a> Sweep<'a> {
    fn new(gate: &'a Gate, bounds: Bounds) -> Result<Self, Errno> {
        Ok(Self {
            gate,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            pace: Pace::new(bounds.connections),
            rate: bounds.rate.map(Rate::new),
            slots: Vec::new(),
            idle: [Vec::new(), Vec::new()],
            most: usize::MAX,
            under_way: 0,
            again: VecDeque::new(),
            timers: BinaryHeap::new(),
            begun: Instant::now(),
            toll: Toll::default(),
            fewest_in_vain: None,
        })
    }

    /// Starts as many attempts as pace, rate and sockets allow.
    fn launch(
        &mut self,
        endpoints: &mut impl Iterator<Item = SocketAddr>,
        told: &mut Vec<(SocketAddr, Answer)>,
    ) -> Result<Waiting, Errno> {
        // In bursts: where answers come at once, sockets that are still warm serve again.
        let mut burst = 0;
        while self.under_way < self.pace.window().min(self.most) {
            if burst == BURST {
                return Ok(Waiting::No);
            }
            burst += 1;
            if self
                .rate
                .as_mut()
                .is_some_and(|rate| !rate.may_send(Instant::now()))
            {
                return Ok(Waiting::ForRate);
            }
            let Some(task) = self
                .again
                .pop_front()
                .or_else(|| endpoints.next().map(Task::first))
            else {
                break;
            };
            self.start(task, told)?;
        }
        Ok(if self.under_way == 0 && self.again.is_empty() {
            Waiting::Over
        } else {
            Waiting::ForAnswers
        })
    }

    fn start(&mut self, task: Task, told: &mut Vec<(SocketAddr, Answer)>) -> Result<(), Errno> {
        let Some(at) = self.slot(task.endpoint)? else {
            self.again.push_front(task);
            return Ok(());
        };
        let attempt = self.gate.connect(&self.slots[at].socket, task.endpoint);
        if attempt != Attempt::OutOfScope {
            self.toll.attempts += 1;
            self.toll.packets += 1;
        }
        let sent = Instant::now();
        match attempt {
            Attempt::UnderWay => {
                let number = self.toll.attempts;
                let patience = self.pace.patience(task.endpoint.ip(), task.attempt);
                self.timers.push(Reverse((sent + patience, at, number)));
                self.slots[at].flight = Some(Flight { task, sent, number });
                self.under_way += 1;
            }
            Attempt::Connected => {
                told.push((task.endpoint, Answer::Open));
                self.hang_up(at)?;
            }
            Attempt::OutOfScope => {
                told.push((task.endpoint, Answer::NotAsked(Hindrance::OutOfScope)));
                self.rest(at);
            }
            Attempt::Failed(errno) => {
                self.rest(at);
                // An errno at once, before any packet was answered, is this machine's.
                match errno {
                    Errno::CONNREFUSED => told.push((task.endpoint, Answer::Closed)),
                    Errno::NETUNREACH if self.gate.is_broadcast(task.endpoint) => {
                        told.push((task.endpoint, Answer::Unreachable));
                    }
                    Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT => {
                        told.push((task.endpoint, Answer::NotAsked(Hindrance::NoRoute)));
                    }
                    Errno::PERM | Errno::ACCESS | Errno::INVAL => {
                        told.push((task.endpoint, Answer::NotAsked(Hindrance::Forbidden)));
                    }
                    _ => self.fall_short(task, told),
                }
            }
        }
        Ok(())
    }

    /// A socket became ready: the attempt on it has come to an end, or the event is a stale one.
    fn answer(&mut self, at: usize, told: &mut Vec<(SocketAddr, Answer)>) -> Result<(), Errno> {
        let Some(Slot {
            socket,
            flight: Some(flight),
            ..
        }) = self.slots.get(at)
        else {
            return Ok(());
        };
        let (task, took) = (flight.task, flight.sent.elapsed());
        let host = task.endpoint.ip();
        let answer = match self.gate.connect(socket, task.endpoint) {
            Attempt::UnderWay => return Ok(()),
            Attempt::Connected => {
                // The acknowledgement of their half, and the reset.
                self.toll.packets += 2;
                Answer::Open
            }
            Attempt::OutOfScope => Answer::NotAsked(Hindrance::OutOfScope),
            Attempt::Failed(Errno::CONNREFUSED | Errno::CONNRESET | Errno::CONNABORTED) => Answer::Closed,
            Attempt::Failed(Errno::TIMEDOUT) => Answer::Silent,
            Attempt::Failed(Errno::PERM) => Answer::NotAsked(Hindrance::Forbidden),
            Attempt::Failed(Errno::NOBUFS | Errno::NOMEM | Errno::ADDRNOTAVAIL) => {
                self.land(at);
                self.rest(at);
                self.fall_short(task, told);
                return Ok(());
            }
            Attempt::Failed(_) => Answer::Unreachable,
        };
        self.land(at);
        match answer {
            Answer::Open => self.hang_up(at)?,
            Answer::Closed | Answer::Silent | Answer::Unreachable | Answer::NotAsked(_) => self.rest(at),
        }
        if matches!(answer, Answer::Open | Answer::Closed) {
            self.pace.answered(host, task.attempt, took, self.begun.elapsed());
        }
        told.push((task.endpoint, answer));
        Ok(())
    }

    /// Gives up attempts whose time is up, and asks again or says so.
    fn expire(&mut self, now: Instant, told: &mut Vec<(SocketAddr, Answer)>) -> Result<(), Errno> {
        while let Some(Reverse((due, at, number))) = self.timers.peek().copied() {
            if due > now {
                break;
            }
            self.timers.pop();
            if !self.flies(at, number) {
                continue;
            }
            // The answer may wait behind others, or have come while this thread stood still on a busy machine:
            // time is up only for what has not been answered now.
            self.answer(at, told)?;
            let Some(Flight { task, sent, .. }) = &self.slots[at].flight else {
                continue;
            };
            let mut task = *task;
            if sent.elapsed() >= KERNEL_RETRANSMITS {
                self.toll.packets += 1;
            }
            self.land(at);
            self.hang_up(at)?;
            self.pace.silent();
            if task.attempt < self.pace.attempts() {
                task.attempt += 1;
                self.pace.asked(task.attempt);
                self.again.push_back(task);
            } else {
                let fewest = self.fewest_in_vain.unwrap_or(u8::MAX);
                self.fewest_in_vain = Some(fewest.min(task.attempt));
                told.push((task.endpoint, Answer::Silent));
            }
        }
        Ok(())
    }

    /// An idle socket of the endpoint's family; none when the kernel gives no more for now.
    fn slot(&mut self, endpoint: SocketAddr) -> Result<Option<usize>, Errno> {
        let family = family(endpoint);
        if let Some(at) = self.idle_of(family).pop() {
            return Ok(Some(at));
        }
        let socket = match stream_socket(family) {
            Ok(socket) => socket,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) if self.under_way > 0 => {
                self.most = self.under_way;
                return Ok(None);
            }
            Err(errno) => return Err(errno),
        };
        let at = self.slots.len();
        self.watch(&socket, at)?;
        self.slots.push(Slot {
            socket,
            family,
            flight: None,
        });
        Ok(Some(at))
    }

    /// Dissolves what the socket is bound up in, and it can be used again: an attempt ends without a packet,
    /// a connection by reset.
    fn hang_up(&mut self, at: usize) -> Result<(), Errno> {
        let socket = &self.slots[at].socket;
        connect_unspec(socket)?;
        // Our own reset counts as an error of the connection; whatever it was, it is over.
        let _ = socket_error(socket)?;
        self.rest(at);
        Ok(())
    }

    fn watch(&self, socket: &OwnedFd, at: usize) -> Result<(), Errno> {
        // Edge-triggered: the registration outlives every use of the socket.
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(at as u64), flags)
    }

    /// Whether this flight of a slot goes on.
    fn flies(&self, at: usize, number: u64) -> bool {
        let flight = self.slots[at].flight.as_ref();
        flight.is_some_and(|flight| flight.number == number)
    }

    /// The flight of a slot is over.
    fn land(&mut self, at: usize) {
        self.slots[at].flight = None;
        self.under_way -= 1;
    }

    fn rest(&mut self, at: usize) {
        self.idle_of(self.slots[at].family).push(at);
    }

    fn idle_of(&mut self, family: AddressFamily) -> &mut Vec<usize> {
        &mut self.idle[usize::from(family == AddressFamily::INET6)]
    }

    /// This machine lacked something: slow down and come back to it, a few times.
    fn fall_short(&mut self, mut task: Task, told: &mut Vec<(SocketAddr, Answer)>) {
        self.pace.slow_down(self.begun.elapsed());
        task.shortages += 1;
        if task.shortages < MOST_SHORTAGES {
            self.again.push_back(task);
        } else {
            told.push((task.endpoint, Answer::NotAsked(Hindrance::Shortage)));
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((due, ..))| *due)
    }

    /// An open port is missed when all attempts at it are lost; where nothing stayed silent, none was.
    fn toll(&self) -> Toll {
        let miss = self
            .fewest_in_vain
            .map_or(0.0, |attempts| self.pace.miss(attempts));
        Toll { miss, ..self.toll }
    }
}

/// Lets attempts through at a rate, saving up no more than a millisecond's worth.
pub(super) struct Rate {
    interval: Duration,
    next: Instant,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self {
            interval: Duration::from_secs(1) / per_second.max(1),
            next: Instant::now(),
        }
    }

    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let earliest = now.checked_sub(RATE_STEP).unwrap_or(now);
        self.next = self.next.max(earliest) + self.interval;
        true
    }
}

fn timespec(wait: Duration) -> Timespec {
    // The kernel rounds down to milliseconds where it must; a loop that wakes early only looks again.
    Timespec::try_from(wait).unwrap_or(Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    })
}

const EVENTS: usize = 256;
const BURST: usize = 64;
const RATE_STEP: Duration = Duration::from_millis(1);
const MOST_SHORTAGES: u8 = 8;
/// When the kernel sends a second SYN of its own (RFC 6298, section 2).
const KERNEL_RETRANSMITS: Duration = Duration::from_secs(1);
