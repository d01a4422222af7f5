//! How fast to send: so many bits and so many packets a second, and no more than their share in any 100 ms. Pure;
//! the clock comes in.
//!
//! Time in which we did not run is made up for, 20 ms of it at once and never beyond what the last 100 ms have left:
//! a busy machine is then no slower.

use std::time::Duration;

/// Bounds on what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bits in a second on the wire, check sequence and padding included.
    pub bits: u64,
    /// Packets in a second; none: as the bits allow.
    pub packets: Option<u32>,
}

impl Default for Rate {
    /// 20 Mbit/s: a fifth of the slowest Ethernet that is still about.
    fn default() -> Self {
        Self {
            bits: 20_000_000,
            packets: None,
        }
    }
}

/// What may be sent now.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    rate: Rate,
    /// When the next packet may leave, were none ever late.
    next: Duration,
    /// The bits of each of the last milliseconds, of which the newest is number `newest`.
    window: [u64; WINDOW],
    newest: u128,
    sum: u64,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Duration::ZERO,
            window: [0; WINDOW],
            newest: 0,
            sum: 0,
        }
    }

    /// Whether a packet may leave at `now`.
    pub(crate) fn allows(&mut self, now: Duration) -> bool {
        self.advance(now);
        self.next <= now + SLACK && !self.is_full()
    }

    /// When a packet may leave.
    pub(crate) fn when(&self) -> Duration {
        let spaced = self.next.saturating_sub(SLACK);
        if self.is_full() {
            let next = u64::try_from(self.newest + 1).unwrap_or(u64::MAX);
            spaced.max(Duration::from_millis(next))
        } else {
            spaced
        }
    }

    /// A frame of so many bytes left.
    pub(crate) fn sent(&mut self, bytes: usize, now: Duration) {
        self.advance(now);
        // IEEE 802.3: 64 bytes at least, 4 of them the check sequence.
        let bits = 8 * (bytes + 4).max(64) as u64;
        self.window[slot(self.newest)] += bits;
        self.sum += bits;
        let by_bits = Duration::from_nanos(bits.saturating_mul(1_000_000_000 / 2) / self.rate.bits.max(1));
        let by_packets = self
            .rate
            .packets
            .map_or(Duration::ZERO, |packets| Duration::from_secs(1) / packets.max(1));
        // What counts packets alone has no window that would hold it back.
        let behind = if self.rate.packets.is_none() {
            BACKLOG
        } else {
            Duration::ZERO
        };
        self.next = self.next.max(now.saturating_sub(behind)) + by_bits.max(by_packets);
    }

    /// Whether the last 100 ms hold their share.
    fn is_full(&self) -> bool {
        // One more frame of the usual length; one at least, however low the rate.
        self.sum > 0 && self.sum + 512 > self.rate.bits / 10
    }

    fn advance(&mut self, now: Duration) {
        let now = now.as_millis();
        for passed in self.newest + 1..=now.min(self.newest + WINDOW as u128) {
            let old = &mut self.window[slot(passed)];
            self.sum -= *old;
            *old = 0;
        }
        self.newest = self.newest.max(now);
    }
}

fn slot(millisecond: u128) -> usize {
    (millisecond % WINDOW as u128) as usize
}

/// Any 100 ms touch 101 of the clock's milliseconds at most.
const WINDOW: usize = 101;
/// How much time is made up for at once: a turn of another program.
const BACKLOG: Duration = Duration::from_millis(20);
/// How far the schedule may run ahead: what is sent in one go between two sleeps.
const SLACK: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends whenever allowed, looking at the clock after each of these times in turn.
    fn sent_within(rate: Rate, steps: &[Duration], time: Duration) -> Vec<Duration> {
        let (mut pace, mut now, mut sent) = (Pace::new(rate), Duration::ZERO, Vec::new());
        for step in steps.iter().cycle() {
            while pace.allows(now) {
                pace.sent(42, now);
                sent.push(now);
            }
            now += *step;
            if now >= time {
                break;
            }
        }
        sent
    }

    const HUNDRED: Duration = Duration::from_millis(100);

    #[test]
    fn a_network_of_65_536_takes_less_than_two_seconds_at_20_mbit_on_a_busy_machine_too() {
        let busy = [Duration::from_micros(500), Duration::from_millis(20)];
        for steps in [&busy[..1], &busy] {
            let sent = sent_within(Rate::default(), steps, Duration::from_secs(2));
            let at = sent[65_535];
            assert!(at < Duration::from_millis(1800), "{at:?} with {steps:?}");
        }
    }

    #[test]
    fn the_lowest_rate_sends_all_the_same() {
        let rate = Rate {
            bits: 1,
            packets: None,
        };
        assert_eq!(sent_within(rate, &[HUNDRED], Duration::from_secs(1)).len(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_100_ms_hold_more_than_their_share(
            packets in proptest::option::of(100u32..40_000),
            steps in proptest::collection::vec(100u64..60_000, 1..8),
        ) {
            let rate = Rate { packets, ..Rate::default() };
            let steps: Vec<_> = steps.into_iter().map(Duration::from_micros).collect();
            let sent = sent_within(rate, &steps, Duration::from_millis(400));
            let by_bits = 20_000_000 / 10 / 512;
            let by_packets = packets.map_or(usize::MAX, |packets| packets as usize / 10 + packets as usize / 500 + 2);
            let most = by_bits.min(by_packets);
            for window in sent.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= HUNDRED, "{packets:?} a second");
            }
        }
    }
}
