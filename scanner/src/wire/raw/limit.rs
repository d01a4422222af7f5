//! The limit on packets: never more than a tenth of it in any tenth of a second.
//!
//! Packets are due at even intervals. Who comes late may catch up on [`SLACK`], no more, and so that this is not
//! too much in any [`WINDOW`] either, the intervals are longer by the share of the slack in the window: in a window
//! there are then at most (window + slack) / interval = rate * window packets. Pure; the clock comes in.

use std::time::Duration;

/// Lets packets through at a rate.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    interval: f64,
    /// When the next packet is due, in seconds.
    next: f64,
}

impl Limit {
    pub(super) fn new(per_second: f64, now: Duration) -> Self {
        let mut limit = Self {
            interval: 1.0,
            next: now.as_secs_f64(),
        };
        limit.set(per_second);
        limit
    }

    /// Changes the rate from the next packet on.
    pub(super) fn set(&mut self, per_second: f64) {
        let stretch = (WINDOW + SLACK).as_secs_f64() / WINDOW.as_secs_f64();
        self.interval = stretch / per_second.max(1.0);
    }

    /// How many packets may go now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, at most `most`"
    )]
    pub(super) fn due(&mut self, now: Duration, most: usize) -> usize {
        let now = now.as_secs_f64();
        self.next = self.next.max(now - SLACK.as_secs_f64());
        let due = (now - self.next) / self.interval;
        if due < 0.0 {
            0
        } else {
            (due as usize + 1).min(most)
        }
    }

    /// So many have gone.
    pub(super) fn gone(&mut self, packets: usize) {
        self.next += packets as f64 * self.interval;
    }

    /// How long to sleep: until the next packet is due, or a handful where they are close together.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let handful = SLACK.as_secs_f64() / 2.0;
        let gather = if self.interval < handful { handful } else { 0.0 };
        Duration::try_from_secs_f64(self.next + gather - now.as_secs_f64()).unwrap_or_default()
    }
}

const WINDOW: Duration = Duration::from_millis(100);
const SLACK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The most packets in any window, of packets at these times.
    fn fullest(times: &[(Duration, usize)]) -> usize {
        let within = |begin: Duration| {
            times
                .iter()
                .filter(|(at, _)| (begin..begin + WINDOW).contains(at))
                .map(|(_, count)| count)
                .sum()
        };
        times.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
    }

    proptest! {
        #[test]
        fn no_tenth_of_a_second_sees_more_than_a_tenth(
            tens in 1..100_000_u32,
            pauses in proptest::collection::vec(0..3_000_u64, 1..400),
            most in 1..300_usize,
        ) {
            let rate = tens * 10;
            let mut limit = Limit::new(rate.into(), Duration::ZERO);
            let mut now = Duration::ZERO;
            let mut times = Vec::new();
            for pause in pauses {
                now += Duration::from_micros(pause);
                let due = limit.due(now, most);
                limit.gone(due);
                times.push((now, due));
            }
            prop_assert!(fullest(&times) <= usize::try_from(tens).unwrap(), "{} of {}", fullest(&times), tens);
        }
    }

    #[test]
    fn who_comes_in_time_has_98_of_a_hundred_in_each_tenth_of_a_second() {
        let mut limit = Limit::new(100_000.0, Duration::ZERO);
        let mut times = Vec::new();
        for micros in (0..1_000_000).step_by(200) {
            let now = Duration::from_micros(micros);
            let due = limit.due(now, 1_000);
            limit.gone(due);
            times.push((now, due));
        }
        for tenth in 0..10 {
            let span = WINDOW * tenth..WINDOW * (tenth + 1);
            let count: usize = times
                .iter()
                .filter(|(at, _)| span.contains(at))
                .map(|(_, count)| count)
                .sum();
            assert!((9_800..=10_000).contains(&count), "{count}");
        }
    }

    #[test]
    fn nothing_is_saved_up() {
        let mut limit = Limit::new(1_000.0, Duration::ZERO);
        assert!(limit.due(Duration::from_secs(3600), 10_000) <= 2);
    }
}
