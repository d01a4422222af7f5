//! The limit on packets: never more than a tenth of it in any tenth of a second.
//!
//! Packets are due at even intervals. Who comes late may catch up on [`SLACK`], no more; that it is not too much in any
//! [`WINDOW`] either is counted, so that a thread that the machine held up for some milliseconds still keeps its rate.
//! Pure; the clock comes in.

use std::{collections::VecDeque, time::Duration};

/// Lets packets through at a rate.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    interval: f64,
    /// When the next packet is due, in seconds.
    next: f64,
    /// The most packets in a window.
    most: usize,
    /// What has gone within the last window, and when; all of it.
    lately: VecDeque<(Duration, usize)>,
    sum: usize,
    now: Duration,
}

impl Limit {
    pub(super) fn new(per_second: f64, now: Duration) -> Self {
        let mut limit = Self {
            interval: 1.0,
            next: now.as_secs_f64(),
            most: 1,
            lately: VecDeque::new(),
            sum: 0,
            now,
        };
        limit.set(per_second);
        limit
    }

    /// Changes the rate from the next packet on.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and cut to what fits"
    )]
    pub(super) fn set(&mut self, per_second: f64) {
        let per_second = per_second.max(1.0);
        self.interval = 1.0 / per_second;
        self.most = ((per_second * WINDOW.as_secs_f64()) as usize).max(1);
    }

    /// How many packets may go now.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least 0, at most `most`"
    )]
    pub(super) fn due(&mut self, now: Duration, most: usize) -> usize {
        self.now = now;
        while let Some((at, packets)) = self.lately.front().copied()
            && at + WINDOW <= now
        {
            self.sum -= packets;
            self.lately.pop_front();
        }
        let now = now.as_secs_f64();
        self.next = self.next.max(now - SLACK.as_secs_f64());
        let due = (now - self.next) / self.interval;
        if due < 0.0 {
            0
        } else {
            (due as usize + 1).min(most).min(self.room())
        }
    }

    /// So many have gone, of those that were due last.
    pub(super) fn gone(&mut self, packets: usize) {
        if packets > 0 {
            self.next += packets as f64 * self.interval;
            self.lately.push_back((self.now, packets));
            self.sum += packets;
        }
    }

    /// How long to sleep: until the next packet is due, or a handful where they are close together.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        let handful = HANDFUL.as_secs_f64();
        let gather = if self.interval < handful { handful } else { 0.0 };
        let due = Duration::try_from_secs_f64(self.next + gather - now.as_secs_f64()).unwrap_or_default();
        match self.lately.front() {
            Some((oldest, _)) if self.room() == 0 => due.max((*oldest + WINDOW).saturating_sub(now)),
            _ => due,
        }
    }

    fn room(&self) -> usize {
        self.most.saturating_sub(self.sum)
    }
}

const WINDOW: Duration = Duration::from_millis(100);
const SLACK: Duration = Duration::from_millis(10);
const HANDFUL: Duration = Duration::from_micros(500);

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

    /// Packets of so many microseconds each, in each tenth of a second after the first.
    fn tenths(steps: impl Fn(u64) -> u64) -> Vec<usize> {
        let mut limit = Limit::new(100_000.0, Duration::ZERO);
        let (mut micros, mut tenths) = (0, vec![0; 10]);
        while micros < 1_000_000 {
            let now = Duration::from_micros(micros);
            let due = limit.due(now, 1_000);
            limit.gone(due);
            tenths[usize::try_from(micros / 100_000).unwrap()] += due;
            micros += steps(micros);
        }
        tenths.split_off(1)
    }

    #[test]
    fn who_comes_in_time_has_all_of_it_in_each_tenth_of_a_second() {
        let tenths = tenths(|_| 200);
        assert!(
            tenths.iter().all(|count| (9_950..=10_000).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn who_is_held_up_for_some_milliseconds_catches_up() {
        // Once in each tenth of a second, in the middle of it.
        let tenths = tenths(|micros| if micros % 100_000 == 50_000 { 8_000 } else { 200 });
        assert!(
            tenths.iter().all(|count| (9_900..=10_000).contains(count)),
            "{tenths:?}"
        );
    }

    #[test]
    fn nothing_is_saved_up() {
        let mut limit = Limit::new(1_000.0, Duration::ZERO);
        let most = 1 + usize::try_from(SLACK.as_millis()).unwrap();
        assert!(limit.due(Duration::from_secs(3600), 10_000) <= most);
    }
}
