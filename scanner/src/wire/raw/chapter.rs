//! The loop of a raw scan: receives, says thanks, asks for neighbours, asks for ports, sleeps; until all is known.
//! Where hosts refuse by ICMP, it goes on until what is silent is known to be silent of itself ([`Doubts`]).
//!
//! One thread decides all of it, so that there is no lock and no queue between sending and receiving; where there are
//! two cores, half of what it has written goes out by another's hand ([`super::second`]), which it waits for. Hosts
//! whose neighbour answers late are scanned in a part of their own, behind those that answered at once.

mod inbox;

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::inbox::Inbox;
use super::{
    Each, Field, Ground,
    card::{Card, Frames, Sent},
    cookie::{Cookies, EPOCHS},
    limit::Limit,
    neighbours::{self, Neighbours},
    permutation::Permutation,
    question::{Envelope, Moment, Question, Refusals},
    speed::{EPOCH, Speed},
};
use crate::{
    packet::Ends,
    wire::{
        Batch, Toll,
        doubts::{self, Doubts},
        ledger::{Ledger, Pair},
        loss::{Loss, MOST_ATTEMPTS},
        sweep::{Answer, Hindrance},
    },
};

/// How a chapter ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Done,
    /// Time is up, or nobody listens any more.
    BrokenOff,
}

/// What goes on from chapter to chapter.
#[derive(Debug)]
pub(super) struct Shared {
    begun: Instant,
    limit: Limit,
    speed: Speed,
    loss: Loss,
    toll: Toll,
}

impl Shared {
    pub(super) fn new(field: &Field<'_>, refusals: Refusals) -> Self {
        let begun = Instant::now();
        let rate = match refusals {
            Refusals::ByProtocol => field.rate,
            // Few answers, and nothing that would show that the road bears more.
            Refusals::ByIcmp => Some(field.rate.unwrap_or(BLIND)),
        };
        let speed = Speed::new(rate.map(f64::from), 0);
        let limit = Limit::new(speed.per_second(), Duration::ZERO);
        Self {
            begun,
            limit,
            speed,
            loss: Loss::default(),
            toll: Toll::default(),
        }
    }

    pub(super) fn toll(&self) -> Toll {
        self.toll
    }

    /// Time since the scan began, and its epoch.
    fn now(&self) -> (Duration, u64) {
        let now = self.begun.elapsed();
        (
            now,
            u64::try_from(now.as_millis() / EPOCH.as_millis()).unwrap_or(u64::MAX),
        )
    }
}

/// Scans the hosts of a chapter.
pub(super) fn scan<Q: Question>(
    question: &Q,
    cookies: &Cookies,
    shared: &mut Shared,
    ground: Ground,
    cards: &mut [Card],
    field: Field<'_>,
    tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Ending {
    let mut waiting = ground.hosts;
    let frames = cards.iter().map(|_| Queue::default()).collect();
    let mut chapter = Chapter {
        question,
        shared,
        neighbours: ground.neighbours,
        cards,
        field,
        tell,
        ledger: Ledger::open(Vec::new(), field.ports),
        doubts: Doubts::default(),
        asked_all: false,
        frames,
        thanks: VecDeque::new(),
        batch: Batch::default(),
        told: Duration::ZERO,
        futile: 0,
        over: false,
        taken: false,
    };
    let seed = cookies.number("order");
    while !waiting.is_empty() && !chapter.over {
        chapter.find_neighbours();
        let there = |(_, hop): &(IpAddr, u32)| chapter.neighbours.at(*hop).mac.is_some();
        let (hosts, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(there);
        waiting = rest;
        if hosts.is_empty() && chapter.neighbours.is_settled() {
            break;
        }
        chapter.ledger = Ledger::open(hosts, field.ports);
        chapter.ask_all(seed);
        chapter.doubt_silence();
        chapter.close_part();
    }
    chapter.leave(&waiting);
    if chapter.over {
        Ending::BrokenOff
    } else {
        Ending::Done
    }
}

struct Chapter<'a, Q> {
    question: &'a Q,
    shared: &'a mut Shared,
    neighbours: Neighbours,
    cards: &'a mut [Card],
    field: Field<'a>,
    tell: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    /// Of the hosts that are being asked.
    ledger: Ledger,
    /// Of those, the ones that may be silent for having refused too often.
    doubts: Doubts,
    /// Each of their pairs was asked as often as it takes.
    asked_all: bool,
    /// For each card.
    frames: Vec<Queue>,
    /// What is to be said before anything is asked.
    thanks: VecDeque<(usize, Vec<u8>)>,
    batch: Batch,
    told: Duration,
    /// How often in a row waiting did not help a frame that was refused.
    futile: u32,
    over: bool,
    /// Somebody else uses the address that was ours alone.
    taken: bool,
}

/// Frames for one card: those that we send, and those of whoever sends beside us.
#[derive(Default)]
struct Queue {
    lanes: [Lane; 2],
    gone: bool,
}

/// Frames, and what they are about.
#[derive(Default)]
struct Lane {
    frames: Frames,
    pairs: Vec<Option<Pair>>,
}

/// One attempt at all that is silent.
struct Pass {
    order: Permutation,
    place: u64,
    attempt: u8,
}

/// What the loop had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Something was sent, or can be.
    Busy,
    /// Everything was asked; only answers can come.
    Asked,
}

impl<Q: Question> Chapter<'_, Q> {
    /// Asks for neighbours until each was asked once and had some time, or all answered.
    fn find_neighbours(&mut self) {
        let begun = self.shared.now().0;
        while !self.over && !self.neighbours.is_settled() {
            let turn = self.turn(None);
            let (now, _) = self.shared.now();
            // All have been asked when the next is to be asked a second time.
            let first_round_over = self.neighbours.next().is_none_or(|next| next >= begun + GREETING);
            if turn == Turn::Asked && first_round_over && now >= begun + GREETING && self.somebody_is_there()
            {
                return;
            }
        }
    }

    fn somebody_is_there(&self) -> bool {
        self.neighbours.found() > self.ledger.hosts().len()
    }

    /// Asks every pair, and those that are silent again, as often as it takes.
    fn ask_all(&mut self, seed: u64) {
        let mut attempt = 0;
        let most = match self.question.refusals() {
            Refusals::ByProtocol => MOST_ATTEMPTS,
            Refusals::ByIcmp => DOUBTING - 1,
        };
        self.asked_all = false;
        while !self.over && self.ledger.unanswered() > 0 && attempt < self.shared.loss.attempts().min(most) {
            attempt += 1;
            self.shared.loss.asked(attempt);
            let (_, epoch) = self.shared.now();
            self.shared.speed.begin_anew(epoch);
            let order = Permutation::new(self.ledger.pairs(), seed);
            let mut pass = Pass {
                order,
                place: 0,
                attempt,
            };
            while !self.over && self.turn(Some(&mut pass)) == Turn::Busy {}
            let patience = self.shared.speed.patience();
            let asked = self.shared.now().0;
            while !self.over && self.ledger.unanswered() > 0 && self.shared.now().0 < asked + patience {
                self.turn(None);
            }
        }
        if self.ledger.unanswered() > 0 {
            let miss = self.shared.loss.miss(attempt);
            self.shared.toll.miss = self.shared.toll.miss.max(miss);
        }
        self.asked_all = !self.over;
    }

    /// Asks hosts that refuse by ICMP, at their pace, until each silence is explained.
    fn doubt_silence(&mut self) {
        if self.over || self.question.refusals() == Refusals::ByProtocol {
            return;
        }
        let doubted = self.ledger.doubted();
        if doubted.is_empty() {
            return;
        }
        self.batch.reticent = Some(self.ledger.reticence(&doubted));
        let now = self.shared.now().0;
        self.doubts = Doubts::open(doubted.into_iter(), now);
        while !self.over && !self.doubts.is_settled() {
            self.turn(None);
        }
    }

    /// One round of the loop.
    fn turn(&mut self, mut pass: Option<&mut Pass>) -> Turn {
        let (now, epoch) = self.shared.now();
        self.receive(epoch);
        if self.taken {
            // Who has it answers what was meant for us, and resets what others opened with it (RFC 5227, section 2.4).
            self.over = true;
            return Turn::Asked;
        }
        self.shared.speed.turn(epoch);
        self.shared.limit.set(self.shared.speed.per_second());
        self.tell_if_due(now);
        if Instant::now() >= self.field.deadline {
            self.over = true;
            return Turn::Asked;
        }
        let mut due = self.shared.limit.due(now, BATCH);
        let mut exhausted = pass.is_none();
        while due > 0 {
            let moment = |pass: &Pass| Moment::new(pass.attempt, epoch);
            if let Some((card, frame)) = self.thanks.pop_front() {
                self.frames[card].push(&frame, None);
            } else if let Some(hop) = self.neighbours.ask(now) {
                if let Some(frame) = hop.question(self.cards[hop.card].mac) {
                    self.frames[hop.card].push(&frame, None);
                }
            } else if let Some((pair, at)) = self.next_doubt(now) {
                self.write(pair, at);
            } else if let Some(pass) = &mut pass {
                match self.next(pass) {
                    Next::Pair(pair) => self.write(pair, moment(pass)),
                    Next::Later => break,
                    Next::Over => {
                        exhausted = true;
                        break;
                    }
                }
            } else {
                break;
            }
            due -= 1;
        }
        let sent = self.flush(epoch);
        if sent == 0 && (due == 0 || exhausted) {
            self.sleep(now, exhausted && self.thanks.is_empty());
        }
        if exhausted { Turn::Asked } else { Turn::Busy }
    }

    /// The next pair that is still silent.
    fn next(&self, pass: &mut Pass) -> Next {
        let all = self.ledger.pairs();
        for _ in 0..LOOK {
            if pass.place == all {
                return Next::Over;
            }
            let pair = pass.order.at(pass.place);
            pass.place += 1;
            if !self.ledger.is_answered(pair) {
                return Next::Pair(pair);
            }
        }
        Next::Later
    }

    /// The next pair of which it is in doubt what its silence means.
    fn next_doubt(&mut self, now: Duration) -> Option<(Pair, Moment)> {
        let ledger = &self.ledger;
        let silent = |host, place| ledger.silent_at(host, place);
        let asked = self.doubts.ask(now, silent)?;
        let address = ledger.hosts()[asked.host].address;
        let at = Moment::new(DOUBTING, asked.round.into());
        Some((ledger.pair(address, asked.port)?, at))
    }

    fn write(&mut self, pair: Pair, at: Moment) {
        let (host, port) = self.ledger.parts(pair);
        let book = &self.ledger.hosts()[host];
        let hop = self.neighbours.at(book.hop);
        let (Some(next), Some(ends)) = (hop.mac, Ends::between(hop.source, book.address)) else {
            return;
        };
        let queue = &mut self.frames[hop.card];
        if queue.gone {
            return;
        }
        let own = self.cards[hop.card].mac;
        let lane = queue.lane();
        self.question.write(
            Envelope {
                own,
                next,
                ends,
                port,
            },
            at,
            &mut lane.frames,
        );
        lane.pairs.push(Some(pair));
    }

    /// Sends what is queued; gives how many frames went out.
    fn flush(&mut self, epoch: u64) -> usize {
        let mut all = 0;
        for at in 0..self.frames.len() {
            all += self.flush_card(at, epoch);
        }
        self.shared.limit.gone(all);
        self.shared.toll.packets += all as u64;
        all
    }

    fn flush_card(&mut self, at: usize, epoch: u64) -> usize {
        let [first, mut second] = std::mem::take(&mut self.frames[at].lanes);
        let helped = second.frames.len() > 0 && self.cards[at].begin(&mut second.frames);
        let mut sent = self.send(at, &first, 0, epoch);
        let by_other = if helped {
            self.cards[at].end(&mut second.frames)
        } else {
            0
        };
        self.gone_out(&second.pairs[..by_other], epoch);
        sent += by_other + self.send(at, &second, by_other, epoch);
        self.frames[at].lanes = [first, second].map(Lane::emptied);
        sent
    }

    /// Sends a lane from the given frame on; gives how many frames went out.
    fn send(&mut self, card: usize, lane: &Lane, from: usize, epoch: u64) -> usize {
        let (mut at, mut sent, mut waited) = (from, 0, false);
        while at < lane.frames.len() && !self.frames[card].gone {
            match self.cards[card].send(&lane.frames, at) {
                Sent::Frames(count) => {
                    if waited && count > 0 {
                        // It was room that was short.
                        self.shared.speed.fell_short(epoch);
                        self.futile = 0;
                    }
                    self.gone_out(&lane.pairs[at..at + count], epoch);
                    (at, sent, waited) = (at + count, sent + count, false);
                }
                Sent::Refused if !waited && self.futile < FUTILE => {
                    waited = true;
                    std::thread::sleep(BREATH);
                }
                // It is refused whenever it comes: a filter does that.
                Sent::Refused => {
                    self.futile += u32::from(waited);
                    (at, waited) = (at + 1, false);
                }
                Sent::Gone => self.frames[card].gone = true,
            }
        }
        sent
    }

    /// Frames about these have left.
    fn gone_out(&mut self, pairs: &[Option<Pair>], epoch: u64) {
        let mut questions = 0;
        for pair in pairs.iter().flatten() {
            self.batch.asked += u64::from(self.ledger.send(*pair));
            questions += 1;
        }
        self.shared.speed.sent(epoch, questions);
    }

    /// Takes in what has come.
    fn receive(&mut self, epoch: u64) {
        for at in 0..self.cards.len() {
            let card = &mut self.cards[at];
            let own = card.mac;
            let (question, field) = (self.question, self.field);
            let mut inbox = Inbox {
                question,
                field,
                card: at,
                own,
                epoch,
                now: self.shared.begun.elapsed(),
                ledger: &mut self.ledger,
                doubts: &mut self.doubts,
                neighbours: &mut self.neighbours,
                loss: &mut self.shared.loss,
                speed: &mut self.shared.speed,
                thanks: &mut self.thanks,
                batch: &mut self.batch,
                taken: &mut self.taken,
            };
            card.receive(BLOCKS_AT_ONCE, |frame| inbox.take(frame));
        }
    }

    fn tell_if_due(&mut self, now: Duration) {
        if now < self.told + TELL_EVERY && self.batch.answers.len() < FULL {
            return;
        }
        self.told = now;
        for card in &*self.cards {
            if card.dropped() > 0 {
                let (_, epoch) = self.shared.now();
                self.shared.speed.fell_short(epoch);
            }
        }
        self.tell_now();
    }

    fn tell_now(&mut self) {
        for book in self.ledger.hosts_mut() {
            let counts = book.untold();
            for (count, answer) in [
                (counts.open, Answer::Open),
                (counts.closed, Answer::Closed),
                (counts.unreachable, Answer::Unreachable),
            ] {
                if count > 0 {
                    self.batch.counts.push((book.address, answer, count.into()));
                }
            }
        }
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() && (self.tell)(batch).is_break() {
            self.over = true;
        }
    }

    /// Sleeps until something comes in or is due.
    fn sleep(&self, now: Duration, asked: bool) {
        let limit = self.shared.limit.wait(now);
        let neighbour = self
            .neighbours
            .next()
            .map(|due| due.saturating_sub(now).max(limit));
        let wait = if asked {
            neighbour.unwrap_or(IDLE).min(IDLE)
        } else {
            limit
        };
        let wait = wait.min(self.field.deadline.saturating_duration_since(Instant::now()));
        let mut cards: Vec<PollFd<'_>> = self
            .cards
            .iter()
            .zip(&self.frames)
            // Of one that is gone, poll has always something to tell.
            .filter(|(_, queue)| !queue.gone)
            .map(|(card, _)| PollFd::new(card, PollFlags::IN))
            .collect();
        let wait = Timespec::try_from(wait).unwrap_or(Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        });
        // Whatever wakes us, the loop looks at everything.
        let _ = poll(&mut cards, Some(&wait));
    }

    /// What is silent now stays silent: tells it.
    fn close_part(&mut self) {
        for host in 0..self.ledger.hosts().len() {
            let hop = self.neighbours.at(self.ledger.hosts()[host].hop);
            let stopped = match (self.frames[hop.card].gone, self.over && !self.asked_all) {
                (true, _) => Some(Hindrance::NoRoute),
                (false, true) => Some(self.stop()),
                (false, false) => None,
            };
            self.ledger
                .tell_silence(host, stopped, &self.doubts, self.field.each, &mut self.batch);
        }
        self.tell_now();
        self.ledger = Ledger::open(Vec::new(), self.field.ports);
        self.doubts = Doubts::default();
    }

    /// Why it was broken off.
    fn stop(&self) -> Hindrance {
        match self.taken {
            true => Hindrance::AddressTaken,
            false => Hindrance::Deadline,
        }
    }

    /// Hosts that were not scanned: nobody answers for them, or time was up.
    fn leave(&mut self, hosts: &[(IpAddr, u32)]) {
        let ports = self.field.ports;
        for (address, hop) in hosts {
            let answer = match (self.frames[self.neighbours.at(*hop).card].gone, self.over) {
                (true, _) => Answer::NotAsked(Hindrance::NoRoute),
                (false, true) => Answer::NotAsked(self.stop()),
                (false, false) => Answer::Silent,
            };
            match self.field.each {
                Each::Every => {
                    let endpoint = |port: &u16| (SocketAddr::new(*address, *port), answer);
                    self.batch.answers.extend(ports.iter().map(endpoint));
                }
                Each::Open => self.batch.counts.push((*address, answer, ports.len() as u64)),
            }
            self.batch.asked += ports.len() as u64;
        }
        if !hosts.is_empty() {
            let miss = self.shared.loss.miss(neighbours::ROUNDS);
            self.shared.toll.miss = self.shared.toll.miss.max(miss);
        }
        self.tell_now();
    }
}

/// The next thing to ask.
enum Next {
    Pair(Pair),
    /// Nothing for now: there was much to skip.
    Later,
    Over,
}

impl Queue {
    fn push(&mut self, frame: &[u8], pair: Option<Pair>) {
        if !self.gone {
            let lane = self.lane();
            lane.frames.push(frame);
            lane.pairs.push(pair);
        }
    }

    /// Where the next frame goes.
    fn lane(&mut self) -> &mut Lane {
        let [first, second] = &mut self.lanes;
        if first.frames.len() < LANE { first } else { second }
    }
}

impl Lane {
    fn emptied(mut self) -> Self {
        self.frames.clear();
        self.pairs.clear();
        self
    }
}

/// Frames that are sent at once.
const BATCH: usize = 2 * LANE;
/// Of these, as many as one thread sends. Fewer are not worth waking another for.
const LANE: usize = 256;
/// Pairs that are looked at before the loop looks at everything else.
const LOOK: usize = 8192;
/// All that a ring holds, so that nothing is taken for lost that only waits to be read.
const BLOCKS_AT_ONCE: usize = 128;
/// How long neighbours have to answer before the scan of those that did begins.
const GREETING: Duration = Duration::from_millis(100);
const TELL_EVERY: Duration = Duration::from_millis(100);
const FULL: usize = 256;
const IDLE: Duration = Duration::from_millis(5);
/// How long a full queue has to make room.
const BREATH: Duration = Duration::from_millis(1);
const FUTILE: u32 = 16;
/// Whose source port says that silence is in doubt: none of the attempts before it.
const DOUBTING: u8 = MOST_ATTEMPTS;
const _: () = assert!(doubts::ROUNDS <= EPOCHS, "a round is told by an epoch");
/// Datagrams in a second, unless a limit says what the road bears.
const BLIND: u32 = 10_000;
