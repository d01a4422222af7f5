//! Whether silence means anything, of hosts that refuse by ICMP. Pure.
//!
//! A host tells of few closed ports in a second (RFC 1812, section 4.3.2.8; Linux: six at once, then one, to each
//! that asks), so that a closed port is mostly as silent as one behind a filter. So silent ports are asked again, a
//! group at a time, and right behind each group a port that is known to be closed, the control. If the control is
//! refused, the host had a refusal to spare, and would have spent it on a closed port of the group, which was asked
//! first: the silence of the group is its own. If not, nothing is known and the group is asked again, for as long as
//! the host refuses anything at all. The host itself thus sets the pace, whatever its limit is, and a group of many
//! filtered ports costs one refusal. What must stay true: silence that was not proven is never told as such.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

/// The hosts whose silence is in doubt.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    hosts: HashMap<usize, Doubt>,
    /// Whom to ask when; what is not the time in its book is stale.
    due: BinaryHeap<Reverse<(Duration, usize)>>,
    /// What is still to be asked of the group that was begun last.
    begun: VecDeque<Inquiry>,
}

/// A host of which not all silence is explained.
#[derive(Debug)]
struct Doubt {
    /// A port that is known to be closed.
    control: u16,
    /// The silence of all ports at places before this one means something.
    proven: usize,
    /// Behind the last port of the group that was asked.
    group: usize,
    /// How many silent ports make a group.
    size: usize,
    round: u8,
    next: Duration,
    /// How long a control has to be refused, and how often a host is asked that refuses nothing.
    wait: Duration,
    /// When it last refused anything.
    sign: Duration,
}

/// One thing to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inquiry {
    pub(super) host: usize,
    pub(super) port: u16,
    /// Of the host; the same for the group and its control.
    pub(super) round: u8,
}

/// What became of a port that is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// It says what silence says.
    Itself,
    /// The host may have been silent for having refused too often.
    Doubtful,
}

impl Doubts {
    /// Doubts the silence of these hosts, each with a port that is known to be closed.
    pub(super) fn open(hosts: impl Iterator<Item = (usize, u16)>, now: Duration) -> Self {
        let doubt = |control| Doubt {
            control,
            proven: 0,
            group: 0,
            size: 1,
            round: 0,
            next: now,
            wait: WAIT,
            sign: now,
        };
        let hosts: HashMap<usize, Doubt> = hosts.map(|(host, control)| (host, doubt(control))).collect();
        let due = hosts.keys().map(|host| Reverse((now, *host))).collect();
        Self {
            hosts,
            due,
            begun: VecDeque::new(),
        }
    }

    /// Whether there is nobody left to ask.
    pub(super) fn is_settled(&self) -> bool {
        self.due.is_empty() && self.begun.is_empty()
    }

    /// What to ask now. `silent` tells the port at a place of a host, and whether it has no answer; none: there is no
    /// such place.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        silent: impl Fn(usize, usize) -> Option<(u16, bool)>,
    ) -> Option<Inquiry> {
        loop {
            if let Some(inquiry) = self.begun.pop_front() {
                return Some(inquiry);
            }
            let Reverse((due, host)) = *self.due.peek()?;
            if due > now {
                return None;
            }
            self.due.pop();
            if let Some(doubt) = self.hosts.get_mut(&host).filter(|doubt| doubt.next == due) {
                self.begun = doubt.begin(host, now, &silent);
                if !self.begun.is_empty() {
                    self.due.push(Reverse((doubt.next, host)));
                }
            }
        }
    }

    /// A host refused a port that was asked in this round.
    pub(super) fn refused(&mut self, host: usize, port: u16, round: u8, now: Duration) {
        let Some(doubt) = self.hosts.get_mut(&host) else {
            return;
        };
        doubt.sign = now;
        if round != doubt.round {
            // Its refusals take longer than it was given.
            doubt.wait = (doubt.wait * 2).min(LONGEST);
            return;
        }
        if port != doubt.control {
            // Where many are closed, a refusal speaks for few.
            doubt.size = (doubt.size / 2).max(1);
        } else if doubt.group > doubt.proven {
            doubt.proven = doubt.group;
            doubt.size = (doubt.size * 2).min(MOST);
            // It has refusals to spare.
            doubt.next = now;
            self.due.push(Reverse((now, host)));
        }
    }

    /// Whether a host's silence is, or was, in doubt.
    pub(super) fn concern(&self, host: usize) -> bool {
        self.hosts.contains_key(&host)
    }

    /// What the silence at a place of a host says.
    pub(super) fn silence(&self, host: usize, place: usize) -> Silence {
        match self.hosts.get(&host) {
            Some(doubt) if place >= doubt.proven => Silence::Doubtful,
            Some(_) | None => Silence::Itself,
        }
    }
}

impl Doubt {
    /// The next group and its control; nothing when all is proven, or when it is of no use.
    fn begin(
        &mut self,
        host: usize,
        now: Duration,
        silent: &impl Fn(usize, usize) -> Option<(u16, bool)>,
    ) -> VecDeque<Inquiry> {
        if self.group > self.proven && now >= self.sign + PATIENCE {
            return VecDeque::new();
        }
        self.round = (self.round + 1) % ROUNDS;
        let round = self.round;
        let mut group = VecDeque::new();
        let mut place = self.proven;
        while let Some((port, is_silent)) = silent(host, place) {
            if is_silent && group.len() == self.size {
                break;
            }
            if is_silent {
                group.push_back(Inquiry { host, port, round });
            } else if group.is_empty() {
                self.proven = place + 1;
            }
            place += 1;
        }
        self.group = place;
        if !group.is_empty() {
            group.push_back(Inquiry {
                host,
                port: self.control,
                round,
            });
        }
        self.next = now + self.wait;
        group
    }
}

/// As many as a question's number tells apart.
pub(super) const ROUNDS: u8 = 32;
/// Silent ports that one refusal may speak for.
const MOST: usize = 64;
const WAIT: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(1600);
/// A host that has refused nothing for so long will not.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    const STEP: Duration = Duration::from_millis(1);

    /// A host that refuses so many at once, and then one in each interval, as Linux does.
    struct Host {
        closed: HashSet<u16>,
        credit: Duration,
        interval: Duration,
        burst: u32,
        last: Duration,
    }

    impl Host {
        fn refuses(&mut self, port: u16, now: Duration) -> bool {
            if !self.closed.contains(&port) {
                return false;
            }
            self.credit = (self.credit + (now - self.last)).min(self.interval * self.burst);
            self.last = now;
            let refuses = self.credit >= self.interval;
            if refuses {
                self.credit -= self.interval;
            }
            refuses
        }
    }

    /// Asks until all is settled; gives what was found closed, what was doubtful, how long it took.
    fn drive(host: &mut Host, ports: &[u16], control: u16) -> (HashSet<u16>, Vec<u16>, Duration) {
        let mut found = HashSet::from([control]);
        let mut now = Duration::ZERO;
        let mut doubts = Doubts::open([(0, control)].into_iter(), now);
        while !doubts.is_settled() && now < Duration::from_secs(100_000) {
            let is_silent = |_, place: usize| ports.get(place).map(|port| (*port, !found.contains(port)));
            match doubts.ask(now, is_silent) {
                Some(asked) => {
                    if host.refuses(asked.port, now) {
                        found.insert(asked.port);
                        doubts.refused(0, asked.port, asked.round, now);
                    }
                }
                None => now += STEP,
            }
        }
        let places = ports.iter().enumerate();
        let doubtful = places
            .filter(|(place, port)| !found.contains(port) && doubts.silence(0, *place) == Silence::Doubtful)
            .map(|(_, port)| *port)
            .collect();
        (found, doubtful, now)
    }

    fn host(closed: impl IntoIterator<Item = u16>, interval: Duration) -> Host {
        Host {
            closed: closed.into_iter().collect(),
            credit: interval * 6,
            interval,
            burst: 6,
            last: Duration::ZERO,
        }
    }

    proptest! {
        #[test]
        fn every_closed_port_is_told_from_the_silent_ones(
            closed in proptest::collection::hash_set(0..60_u16, 1..50),
            millis in 1..2_000_u64,
        ) {
            let control = *closed.iter().min().unwrap();
            let ports: Vec<u16> = (0..60).collect();
            let mut limited = host(closed.clone(), Duration::from_millis(millis));
            let (found, doubtful, _) = drive(&mut limited, &ports, control);
            prop_assert_eq!(found, closed);
            prop_assert!(doubtful.is_empty(), "{:?}", doubtful);
        }
    }

    #[test]
    fn a_host_behind_a_filter_costs_few_refusals() {
        let ports: Vec<u16> = (1..=10_000).collect();
        let mut filtered = host([5000], Duration::from_secs(1));
        let (_, doubtful, took) = drive(&mut filtered, &ports, 5000);
        assert!(doubtful.is_empty());
        assert!(took < Duration::from_secs(10_000 / 32), "{took:?}");
    }

    #[test]
    fn a_host_that_refuses_no_more_is_given_up_and_its_silence_doubted() {
        let ports: Vec<u16> = (1..=100).collect();
        let mut dead = host([], Duration::from_secs(1));
        let (found, doubtful, took) = drive(&mut dead, &ports, 50);
        assert_eq!((found.len(), doubtful.len()), (1, 99));
        assert!(took < PATIENCE + Duration::from_secs(2), "{took:?}");
    }

    #[test]
    fn a_late_refusal_of_an_earlier_round_proves_nothing() {
        let ports = [1, 2, 3];
        let mut doubts = Doubts::open([(0, 1)].into_iter(), Duration::ZERO);
        let silent = |_, place: usize| ports.get(place).map(|port| (*port, *port != 1));
        let mut now = Duration::ZERO;
        let first = doubts.ask(now, silent).unwrap();
        while doubts.ask(now, silent).is_some() {}
        now += WAIT;
        while doubts.ask(now, silent).is_some() {}
        doubts.refused(0, 1, first.round, now);
        assert_eq!(doubts.silence(0, 1), Silence::Doubtful);
        doubts.refused(0, 1, first.round + 1, now);
        assert_eq!(doubts.silence(0, 1), Silence::Itself);
        assert_eq!(doubts.silence(0, 2), Silence::Doubtful);
        assert_eq!(doubts.silence(7, 2), Silence::Itself, "nobody doubts that one");
    }
}
