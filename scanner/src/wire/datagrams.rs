//! The UDP scan for processes that may not send frames: a connected socket for each question.
//!
//! To a connected socket the kernel hands over what comes from there and nothing else, an ICMP error as ECONNREFUSED.
//! Who sent that error, the kernel does not say. What silence means is decided as for frames ([`Doubts`]). What must
//! stay true: each endpoint is told once, or was not asked in time.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    net::{RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with},
};

use super::{
    Batch, Toll,
    doubts::Doubts,
    gate::{Attempt, Gate, family},
    ledger::{Ledger, Pair},
    loss::Loss,
    pace::Bounds,
    raw::{Each, Field},
    sweep::{Answer, Hindrance, Rate},
};
use crate::payload::payload;

/// Asks each pair of the field whether it is open, over UDP.
///
/// # Errors
/// When not even one socket can be had.
pub(super) fn sweep(
    gate: &Gate,
    field: Field<'_>,
    bounds: Bounds,
    tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Toll, Errno> {
    let mut sweep = Sweep {
        gate,
        field,
        tell,
        window: bounds.connections.min(MOST_FLIGHTS),
        rate: Rate::new(field.rate.unwrap_or(BLIND)),
        numbers: RandomState::new(),
        begun: Instant::now(),
        told: Duration::ZERO,
        ledger: Ledger::open(Vec::new(), field.ports),
        doubts: Doubts::default(),
        loss: Loss::default(),
        flights: Vec::new(),
        batch: Batch::default(),
        toll: Toll::default(),
        over: false,
    };
    let hosts = (CHAPTER_PAIRS / field.ports.len().max(1)).clamp(1, CHAPTER_HOSTS);
    for chapter in field.addresses.chunks(hosts) {
        sweep.chapter(chapter)?;
        if sweep.over {
            break;
        }
    }
    Ok(sweep.toll)
}

struct Sweep<'a> {
    gate: &'a Gate,
    field: Field<'a>,
    tell: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    window: usize,
    rate: Rate,
    numbers: RandomState,
    begun: Instant,
    told: Duration,
    ledger: Ledger,
    doubts: Doubts,
    loss: Loss,
    flights: Vec<Flight>,
    batch: Batch,
    toll: Toll,
    /// Time is up, or nobody listens any more.
    over: bool,
}

/// A question under way.
struct Flight {
    socket: OwnedFd,
    pair: Pair,
    port: u16,
    why: Why,
    until: Instant,
}

/// What a question is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Attempt(u8),
    Doubt { host: usize, round: u8 },
}

impl Sweep<'_> {
    fn chapter(&mut self, hosts: &[IpAddr]) -> Result<(), Errno> {
        let hosts = hosts.iter().map(|host| (*host, 0)).collect();
        self.ledger = Ledger::open(hosts, self.field.ports);
        self.doubts = Doubts::default();
        let mut attempt = 0;
        while !self.over && self.ledger.unanswered() > 0 && attempt < self.loss.attempts().min(ATTEMPTS) {
            attempt += 1;
            self.loss.asked(attempt);
            self.ask_all(attempt)?;
        }
        let asked_all = !self.over;
        if self.ledger.unanswered() > 0 {
            self.toll.miss = self.toll.miss.max(self.loss.miss(attempt));
        }
        if asked_all {
            self.doubt_silence()?;
        }
        let stopped = (!asked_all).then_some(Hindrance::Deadline);
        for host in 0..self.ledger.hosts().len() {
            self.ledger
                .tell_silence(host, stopped, &self.doubts, self.field.each, &mut self.batch);
        }
        self.tell_now();
        Ok(())
    }

    /// Asks every pair that is silent, port by port, so that no host bears the whole scan at once.
    fn ask_all(&mut self, attempt: u8) -> Result<(), Errno> {
        for place in 0..self.field.ports.len() {
            for host in 0..self.ledger.hosts().len() {
                let Some((_, pair)) = self.ledger.at(host, place) else {
                    continue;
                };
                if self.ledger.is_answered(pair) {
                    continue;
                }
                self.make_room()?;
                if self.over {
                    return Ok(());
                }
                self.ask(pair, Why::Attempt(attempt))?;
            }
        }
        while !self.flights.is_empty() && !self.over {
            self.listen(PATIENCE)?;
        }
        self.flights.clear();
        Ok(())
    }

    /// Asks hosts that refuse, at their pace, until each silence is explained.
    fn doubt_silence(&mut self) -> Result<(), Errno> {
        let doubted = self.ledger.doubted();
        if doubted.is_empty() {
            return Ok(());
        }
        self.batch.reticent = Some(self.ledger.reticence(&doubted));
        self.doubts = Doubts::open(doubted.into_iter(), self.begun.elapsed());
        while !self.over && !self.doubts.is_settled() {
            let (now, ledger) = (self.begun.elapsed(), &self.ledger);
            match self.doubts.ask(now, |host, place| ledger.silent_at(host, place)) {
                Some(asked) => {
                    let address = self.ledger.hosts()[asked.host].address;
                    let (host, round) = (asked.host, asked.round);
                    if let Some(pair) = self.ledger.pair(address, asked.port) {
                        self.make_room()?;
                        self.ask(pair, Why::Doubt { host, round })?;
                    }
                }
                None => self.listen(MOMENT)?,
            }
        }
        self.flights.clear();
        Ok(())
    }

    /// Listens until one more may be asked.
    fn make_room(&mut self) -> Result<(), Errno> {
        while !self.over && self.flights.len() >= self.window {
            self.listen(PATIENCE)?;
        }
        while !self.over && !self.rate.may_send(Instant::now()) {
            self.listen(MOMENT)?;
        }
        Ok(())
    }

    fn ask(&mut self, pair: Pair, why: Why) -> Result<(), Errno> {
        let (host, port) = self.ledger.parts(pair);
        let address = self.ledger.hosts()[host].address;
        let endpoint = SocketAddr::new(address, port);
        let attempt = match why {
            Why::Attempt(attempt) => attempt,
            Why::Doubt { round, .. } => round,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = match socket_with(family(endpoint), SocketType::DGRAM, flags, None) {
            Ok(socket) => socket,
            Err(errno) if self.flights.is_empty() => return Err(errno),
            // There were more a moment ago: as many as there are now are the most.
            Err(_) => {
                self.window = self.flights.len();
                self.make_room()?;
                return self.ask(pair, why);
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "a hash cut to 32 bits")]
        let number = self.numbers.hash_one((endpoint, attempt)) as u32;
        let sent = match self.gate.connect(&socket, endpoint) {
            Attempt::OutOfScope => Err(Answer::NotAsked(Hindrance::OutOfScope)),
            Attempt::Failed(errno) => Err(self.hindered(endpoint, errno)),
            Attempt::Connected | Attempt::UnderWay => {
                let say = payload(address, port, attempt, number);
                match send(&socket, &say, SendFlags::empty()) {
                    Ok(_) => Ok(()),
                    Err(errno) => Err(self.hindered(endpoint, errno)),
                }
            }
        };
        match sent {
            Ok(()) => {
                self.first_sent(pair);
                self.toll.packets += 1;
                let wait = if let Why::Doubt { .. } = why {
                    LATE
                } else {
                    PATIENCE
                };
                let until = Instant::now() + wait;
                self.flights.push(Flight {
                    socket,
                    pair,
                    port,
                    why,
                    until,
                });
            }
            Err(answer) => {
                self.first_sent(pair);
                if self.ledger.answer(pair).is_some() {
                    self.batch.answers.push((endpoint, answer));
                }
            }
        }
        Ok(())
    }

    fn first_sent(&mut self, pair: Pair) {
        let first = u64::from(self.ledger.send(pair));
        self.batch.asked += first;
        self.batch.by_connect += first;
    }

    /// What an errno means that comes at once.
    fn hindered(&self, endpoint: SocketAddr, errno: Errno) -> Answer {
        match errno {
            Errno::ACCESS if self.gate.is_broadcast(endpoint) => Answer::Unreachable,
            Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT => {
                Answer::NotAsked(Hindrance::NoRoute)
            }
            Errno::PERM | Errno::ACCESS | Errno::INVAL => Answer::NotAsked(Hindrance::Forbidden),
            _ => Answer::NotAsked(Hindrance::Shortage),
        }
    }

    /// Takes in answers, for so long at most.
    fn listen(&mut self, wait: Duration) -> Result<(), Errno> {
        let now = Instant::now();
        if now >= self.field.deadline {
            self.over = true;
            return Ok(());
        }
        let soonest = self.flights.iter().map(|flight| flight.until).min();
        let soonest = soonest.unwrap_or(now + wait).min(self.field.deadline);
        let wait = wait.min(soonest.saturating_duration_since(now));
        let wait = Timespec::try_from(wait).unwrap_or(Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        });
        let mut waiting: Vec<PollFd<'_>> = self
            .flights
            .iter()
            .map(|flight| PollFd::new(&flight.socket, PollFlags::IN))
            .collect();
        match poll(&mut waiting, Some(&wait)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
        let ready: Vec<bool> = waiting.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(waiting);
        let now = Instant::now();
        for (flight, ready) in std::mem::take(&mut self.flights).into_iter().zip(ready) {
            let answer = if ready { heard(&flight.socket) } else { None };
            match answer {
                Some(answer) => self.count(&flight, answer),
                None if now < flight.until => self.flights.push(flight),
                None => {}
            }
        }
        if self.batch.answers.len() >= FULL || self.begun.elapsed() >= self.told + TELL_EVERY {
            self.tell_now();
        }
        Ok(())
    }

    fn count(&mut self, flight: &Flight, answer: Answer) {
        if let (Why::Doubt { host, round }, Answer::Closed) = (flight.why, answer) {
            self.doubts
                .refused(host, flight.port, round, self.begun.elapsed());
        }
        let Some(book) = self.ledger.answer(flight.pair) else {
            return;
        };
        match (answer, flight.why) {
            (Answer::Open, Why::Attempt(attempt)) => self.loss.answered(attempt),
            _ => self.loss.heard(),
        }
        let address = book.address;
        if answer == Answer::Closed {
            book.control = Some(flight.port);
            book.counts.closed += 1;
        }
        if answer == Answer::Open {
            book.counts.open += 1;
        }
        if self.field.each == Each::Open && answer == Answer::Open && book.accepts_everything() {
            if !book.exposed {
                book.exposed = true;
                self.batch.accepting_everything.push(address);
            }
            self.batch.counts.push((address, answer, 1));
        } else if self.field.each == Each::Every || answer == Answer::Open {
            let endpoint = SocketAddr::new(address, flight.port);
            self.batch.answers.push((endpoint, answer));
        } else {
            self.batch.counts.push((address, answer, 1));
        }
    }

    fn tell_now(&mut self) {
        self.told = self.begun.elapsed();
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() && (self.tell)(batch).is_break() {
            self.over = true;
        }
    }
}

/// What came in on a socket; nothing: it woke up for no reason.
fn heard(socket: &OwnedFd) -> Option<Answer> {
    let mut first = [0; 1];
    match recv(socket, first.as_mut_slice(), RecvFlags::empty()) {
        Ok(_) => Some(Answer::Open),
        Err(Errno::CONNREFUSED) => Some(Answer::Closed),
        Err(Errno::AGAIN | Errno::INTR) => None,
        // Prohibited, or nobody there.
        Err(_) => Some(Answer::Unreachable),
    }
}

const MOST_FLIGHTS: usize = 1024;
/// Datagrams in a second, unless a limit says what the road bears.
const BLIND: u32 = 10_000;
const ATTEMPTS: u8 = 4;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long a refusal may be late and still say how far the host is.
const LATE: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);
const TELL_EVERY: Duration = Duration::from_millis(100);
const FULL: usize = 256;
const CHAPTER_PAIRS: usize = 1 << 22;
const CHAPTER_HOSTS: usize = 1 << 14;
