//! How fast to send: so many bits and so many packets a second, and no more in any stretch of 2 ms than that
//! and one packet. Pure; the clock comes in.

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
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            next: Duration::ZERO,
        }
    }

    /// Whether a packet may leave at `now`.
    pub(crate) fn allows(&self, now: Duration) -> bool {
        self.next <= now + SLACK
    }

    /// When a packet may leave.
    pub(crate) fn when(&self) -> Duration {
        self.next.saturating_sub(SLACK)
    }

    /// A frame of so many bytes left.
    pub(crate) fn sent(&mut self, bytes: usize, now: Duration) {
        // IEEE 802.3: 64 bytes at least, 4 of them the check sequence.
        let bits = 8 * (bytes + 4).max(64) as u64;
        let by_bits = Duration::from_nanos(bits.saturating_mul(1_000_000_000) / self.rate.bits.max(1));
        let by_packets = self
            .rate
            .packets
            .map_or(Duration::ZERO, |packets| Duration::from_secs(1) / packets.max(1));
        // Time that passed unused is not made up for.
        self.next = self.next.max(now) + by_bits.max(by_packets);
    }
}

/// How far the schedule may run ahead: what is sent in one go between two sleeps.
const SLACK: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends whenever allowed, looking at the clock every `step`.
    fn sent_within(rate: Rate, step: Duration, time: Duration) -> Vec<Duration> {
        let (mut pace, mut now, mut sent) = (Pace::new(rate), Duration::ZERO, Vec::new());
        while now < time {
            while pace.allows(now) {
                pace.sent(42, now);
                sent.push(now);
            }
            now += step;
        }
        sent
    }

    #[test]
    fn a_network_of_65_536_takes_less_than_two_seconds_at_20_mbit() {
        let sent = sent_within(
            Rate::default(),
            Duration::from_micros(500),
            Duration::from_secs(2),
        );
        assert!(sent.len() > 65_536, "{}", sent.len());
        let at = sent[65_535];
        assert!(
            at > Duration::from_millis(1600) && at < Duration::from_millis(1700),
            "{at:?}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_100_ms_hold_more_than_their_share(packets in 100u32..40_000, step in 100u64..30_000) {
            let rate = Rate { packets: Some(packets), ..Rate::default() };
            let sent = sent_within(rate, Duration::from_micros(step), Duration::from_millis(400));
            let most = packets as usize / 10 + packets as usize / 500 + 2;
            for window in sent.windows(most + 1) {
                prop_assert!(window[most] - window[0] >= Duration::from_millis(100), "{packets} a second");
            }
        }
    }
}
