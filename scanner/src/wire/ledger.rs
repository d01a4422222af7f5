//! What was asked and what was answered, of hosts times ports: two bits for each pair, and a few counts for each
//! host. Pure.
//!
//! A pair's number is host * ports + port. What must stay true: each pair is told at most once, whatever comes how
//! often, and a pair that was never sent is never told as silent.

use std::net::{IpAddr, SocketAddr};

use super::{
    Batch, Reticent,
    doubts::{Doubts, Silence},
    raw::Each,
    sweep::{Answer, Hindrance},
};

/// The books of one chapter of a scan.
#[derive(Debug)]
pub(super) struct Ledger {
    ports: Vec<u16>,
    /// Where a port is in `ports`, one more; 0: nowhere.
    places: Box<[u32]>,
    hosts: Vec<HostBook>,
    sent: Bits,
    answered: Bits,
}

/// What is known of a host.
#[derive(Debug, Clone)]
pub(super) struct HostBook {
    pub(super) address: IpAddr,
    /// Which next hop it is reached by.
    pub(super) hop: u32,
    /// Pairs that were sent at least once.
    asked: u32,
    pub(super) counts: Counts,
    /// Pairs of each state that were told already.
    pub(super) told: Counts,
    /// A port that it said is closed.
    pub(super) control: Option<u16>,
    /// It has been said that it accepts on every port.
    pub(super) exposed: bool,
}

/// Pairs of a host by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) open: u32,
    pub(super) closed: u32,
    /// Told to be unreachable by the network.
    pub(super) unreachable: u32,
}

/// The number of a pair.
pub(super) type Pair = u64;

impl Ledger {
    /// Books for these hosts, each with its next hop; sorted by address here.
    pub(super) fn open(mut hosts: Vec<(IpAddr, u32)>, ports: &[u16]) -> Self {
        hosts.sort_unstable();
        let mut places = vec![0; 1 << 16].into_boxed_slice();
        for (place, port) in (1..).zip(ports) {
            places[usize::from(*port)] = place;
        }
        let book = |(address, hop)| HostBook {
            address,
            hop,
            asked: 0,
            counts: Counts::default(),
            told: Counts::default(),
            control: None,
            exposed: false,
        };
        let pairs = hosts.len() as u64 * ports.len() as u64;
        Self {
            ports: ports.to_vec(),
            places,
            hosts: hosts.into_iter().map(book).collect(),
            sent: Bits::new(pairs),
            answered: Bits::new(pairs),
        }
    }

    pub(super) fn pairs(&self) -> u64 {
        self.hosts.len() as u64 * self.ports.len() as u64
    }

    pub(super) fn hosts(&self) -> &[HostBook] {
        &self.hosts
    }

    pub(super) fn hosts_mut(&mut self) -> &mut [HostBook] {
        &mut self.hosts
    }

    /// Host and port of a pair.
    #[expect(clippy::cast_possible_truncation, reason = "both are indices of vectors")]
    pub(super) fn parts(&self, pair: Pair) -> (usize, u16) {
        let ports = self.ports.len() as u64;
        ((pair / ports) as usize, self.ports[(pair % ports) as usize])
    }

    /// The pair of an address and a port, if it was to be asked at all.
    pub(super) fn pair(&self, address: IpAddr, port: u16) -> Option<Pair> {
        let host = self
            .hosts
            .binary_search_by_key(&address, |book| book.address)
            .ok()?;
        let place = u64::from(self.places[usize::from(port)]).checked_sub(1)?;
        Some(host as u64 * self.ports.len() as u64 + place)
    }

    /// The port at a place of a host, and the number of the pair; none where there is no such place.
    pub(super) fn at(&self, host: usize, place: usize) -> Option<(u16, Pair)> {
        let port = self.ports.get(place)?;
        Some((*port, host as u64 * self.ports.len() as u64 + place as u64))
    }

    pub(super) fn is_answered(&self, pair: Pair) -> bool {
        self.answered.has(pair)
    }

    /// A question left this machine; says whether it was the first about this pair.
    pub(super) fn send(&mut self, pair: Pair) -> bool {
        if self.sent.has(pair) {
            return false;
        }
        self.sent.set(pair);
        let (host, _) = self.parts(pair);
        self.hosts[host].asked += 1;
        true
    }

    /// An answer came. The first one counts, and gives the host's book; what was not asked has no answer.
    pub(super) fn answer(&mut self, pair: Pair) -> Option<&mut HostBook> {
        if self.answered.has(pair) || !self.sent.has(pair) {
            return None;
        }
        self.answered.set(pair);
        let (host, _) = self.parts(pair);
        self.hosts.get_mut(host)
    }

    /// How many pairs have no answer.
    pub(super) fn unanswered(&self) -> u64 {
        self.pairs() - self.answered.count()
    }

    /// The ports of a host that have no answer, each with its place, and whether they were asked at all.
    pub(super) fn silent_ports(&self, host: usize) -> impl Iterator<Item = (usize, u16, bool)> + '_ {
        let first = host as u64 * self.ports.len() as u64;
        (first..)
            .zip(self.ports.iter().enumerate())
            .filter(|(pair, _)| !self.answered.has(*pair))
            .map(|(pair, (place, port))| (place, *port, self.sent.has(pair)))
    }

    /// The port at a place of a host, and whether it has no answer; none where there is no such place.
    pub(super) fn silent_at(&self, host: usize, place: usize) -> Option<(u16, bool)> {
        let (port, pair) = self.at(host, place)?;
        Some((port, !self.answered.has(pair)))
    }

    /// The hosts that refused a port and are silent on others: each with the port that it refused.
    pub(super) fn doubted(&self) -> Vec<(usize, u16)> {
        let hosts = self.hosts.iter().enumerate();
        hosts
            .filter(|(host, _)| self.silent(*host).0 > 0)
            .filter_map(|(host, book)| Some((host, book.control?)))
            .collect()
    }

    /// How much of these hosts' silence is in doubt.
    pub(super) fn reticence(&self, doubted: &[(usize, u16)]) -> Reticent {
        Reticent {
            hosts: doubted.len() as u64,
            ports: doubted.iter().map(|(host, _)| self.silent(*host).0).sum(),
        }
    }

    /// Tells what is silent of a host; `stopped`: why it was not asked to the end.
    pub(super) fn tell_silence(
        &self,
        host: usize,
        stopped: Option<Hindrance>,
        doubts: &Doubts,
        each: Each,
        batch: &mut Batch,
    ) {
        let address = self.hosts[host].address;
        let answer = |sent: bool, silence: Silence| match (stopped, sent, silence) {
            (Some(hindrance), ..) => Answer::NotAsked(hindrance),
            (None, false, _) => Answer::NotAsked(Hindrance::Forbidden),
            (None, true, Silence::Doubtful) => Answer::NotAsked(Hindrance::Reticent),
            (None, true, Silence::Itself) => Answer::Silent,
        };
        if each == Each::Open && !doubts.concern(host) {
            // There may be very many of these.
            let (sent, unsent) = self.silent(host);
            let counts = [(sent, true), (unsent, false)].into_iter();
            let counts = counts.filter(|(count, _)| *count > 0);
            let told = counts.map(|(count, sent)| (address, answer(sent, Silence::Itself), count));
            batch.counts.extend(told);
            batch.asked += unsent;
            return;
        }
        let mut counts: Vec<(Answer, u64)> = Vec::new();
        for (place, port, sent) in self.silent_ports(host) {
            let answer = answer(sent, doubts.silence(host, place));
            batch.asked += u64::from(!sent);
            match (each, counts.iter_mut().find(|(of, _)| *of == answer)) {
                (Each::Every, _) => batch.answers.push((SocketAddr::new(address, port), answer)),
                (Each::Open, Some((_, count))) => *count += 1,
                (Each::Open, None) => counts.push((answer, 1)),
            }
        }
        let counts = counts.into_iter();
        batch
            .counts
            .extend(counts.map(|(answer, count)| (address, answer, count)));
    }

    /// How many of them were sent, and how many never were; 64 at a time, since it is all that many scans see.
    pub(super) fn silent(&self, host: usize) -> (u64, u64) {
        let ports = self.ports.len() as u64;
        let (mut at, end) = (host as u64 * ports, (host as u64 + 1) * ports);
        let (mut sent, mut not) = (0, 0);
        while at < end {
            let width = (64 - at % 64).min(end - at);
            let mask = (u64::MAX >> (64 - width)) << (at % 64);
            let unanswered = !self.answered.word(at) & mask;
            let was_sent = self.sent.word(at);
            sent += u64::from((unanswered & was_sent).count_ones());
            not += u64::from((unanswered & !was_sent).count_ones());
            at += width;
        }
        (sent, not)
    }
}

impl HostBook {
    /// What was counted since this was last asked.
    pub(super) fn untold(&mut self) -> Counts {
        let (now, told) = (self.counts, self.told);
        self.told = now;
        Counts {
            open: now.open - told.open,
            closed: now.closed - told.closed,
            unreachable: now.unreachable - told.unreachable,
        }
    }

    /// Whether it accepts on every port, so that accepting says nothing: a proxy or a trap that answers for all.
    pub(super) fn accepts_everything(&self) -> bool {
        let Counts {
            open,
            closed,
            unreachable,
        } = self.counts;
        open >= MANY && open >= self.asked / 2 && open / 10 >= closed + unreachable
    }
}

/// Bits, all unset at first.
#[derive(Debug)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    fn new(bits: u64) -> Self {
        let words = usize::try_from(bits.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            words: vec![0; words],
            count: 0,
        }
    }

    fn has(&self, bit: u64) -> bool {
        let (word, mask) = Self::place(bit);
        self.words.get(word).is_some_and(|bits| bits & mask != 0)
    }

    /// The bits around this one.
    fn word(&self, bit: u64) -> u64 {
        let (word, _) = Self::place(bit);
        self.words.get(word).copied().unwrap_or_default()
    }

    fn set(&mut self, bit: u64) {
        let (word, mask) = Self::place(bit);
        if let Some(bits) = self.words.get_mut(word) {
            self.count += u64::from(*bits & mask == 0);
            *bits |= mask;
        }
    }

    fn count(&self) -> u64 {
        self.count
    }

    fn place(bit: u64) -> (usize, u64) {
        (usize::try_from(bit / 64).unwrap_or(usize::MAX), 1 << (bit % 64))
    }
}

/// Fewer ports of a host may well all be open.
const MANY: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    proptest! {
        #[test]
        fn each_pair_is_answered_once_and_only_what_was_sent(
            events in proptest::collection::vec((0..6_u8, 0..12_u16, any::<bool>()), 0..300),
        ) {
            let ports: Vec<u16> = (2..10).chain(100..130).collect();
            let mut ledger = Ledger::open((1..5).map(|last| (address(last), 0)).collect(), &ports);
            let (mut sent, mut answered) = (std::collections::HashSet::new(), std::collections::HashSet::new());
            for (last, port, send) in events {
                let Some(pair) = ledger.pair(address(last), port) else {
                    prop_assert!(!(1..5).contains(&last) || !(2..10).contains(&port));
                    continue;
                };
                let (host, of) = ledger.parts(pair);
                prop_assert_eq!((ledger.hosts()[host].address, of), (address(last), port));
                if send {
                    prop_assert_eq!(ledger.send(pair), sent.insert(pair));
                } else {
                    let counts = sent.contains(&pair) && answered.insert(pair);
                    prop_assert_eq!(ledger.answer(pair).is_some(), counts);
                    if !sent.contains(&pair) { answered.remove(&pair); }
                }
            }
            prop_assert_eq!(ledger.unanswered(), ledger.pairs() - answered.len() as u64);
            for host in 0..4 {
                let one_by_one = ledger.silent_ports(host).fold((0, 0), |(sent, not), (.., was)| {
                    (sent + u64::from(was), not + u64::from(!was))
                });
                prop_assert_eq!(ledger.silent(host), one_by_one);
            }
            let silent: u64 = (0..4).map(|host| ledger.silent(host)).map(|(sent, not)| sent + not).sum();
            prop_assert_eq!(silent, ledger.unanswered());
        }
    }

    #[test]
    fn what_is_told_is_told_once() {
        let mut ledger = Ledger::open(vec![(address(1), 0)], &[80]);
        let book = &mut ledger.hosts_mut()[0];
        book.counts.closed = 3;
        assert_eq!(book.untold().closed, 3);
        book.counts.closed += 2;
        assert_eq!(book.untold().closed, 2);
        assert_eq!(book.untold(), Counts::default());
    }

    #[test]
    fn a_few_open_ports_are_not_everything() {
        let mut ledger = Ledger::open(vec![(address(1), 0)], &[80]);
        let book = &mut ledger.hosts_mut()[0];
        for (asked, open, closed, everything) in [
            (100, 100, 0, false),
            (128, 128, 0, true),
            (2000, 1000, 150, false),
            (65_535, 60_000, 2, true),
            // A firewall that lets some ports through and is silent about the rest.
            (65_535, 1_000, 0, false),
        ] {
            book.asked = asked;
            book.counts = Counts {
                open,
                closed,
                unreachable: 0,
            };
            assert_eq!(
                book.accepts_everything(),
                everything,
                "{open} open and {closed} closed of {asked}"
            );
        }
    }

    #[test]
    fn sixty_five_million_pairs_take_two_bits_each() {
        let bits = Bits::new(65_536 * 1_000);
        assert_eq!(bits.words.len() * 8, 65_536 * 1_000 / 8);
    }
}
