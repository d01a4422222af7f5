//! How fast to ask: as fast as answers come, never above the rate, slower when the site suffers. Pure; the
//! clock comes in.

use std::time::Duration;

use super::response::{Failure, Response};

/// The pace of one scan.
#[derive(Debug)]
pub struct Pace {
    /// What the rate leaves between two requests.
    least_gap: Duration,
    /// What the site's state adds.
    gap: Duration,
    next: Duration,
    usual: Option<Duration>,
    failures: u32,
}

/// How the site takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It does not answer any more.
    Dead,
}

impl Pace {
    /// The pace at this rate, in requests a second.
    pub fn new(rate: Option<u32>) -> Self {
        Self {
            least_gap: rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.max(1)),
            gap: Duration::ZERO,
            next: Duration::ZERO,
            usual: None,
            failures: 0,
        }
    }

    /// Takes the next place in the row; how long to wait for it.
    pub fn place(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now);
        self.next = at + self.least_gap.max(self.gap);
        at - now
    }

    /// An answer came that nothing of ours had delayed.
    pub fn answered(&mut self, response: &Response) {
        self.failures = 0;
        let took = response.took;
        let late = self
            .usual
            .is_some_and(|usual| took > usual * SLOWER && took > NOTICEABLE);
        if late || matches!(response.status, 429 | 502 | 503 | 504) {
            self.ease();
        } else {
            self.gap = if self.gap > SHORTEST_GAP {
                self.gap / 2
            } else {
                Duration::ZERO
            };
        }
        let usual = self.usual.unwrap_or(took);
        self.usual = Some((usual * 15 + took) / 16);
    }

    /// No answer came.
    pub fn failed(&mut self, failure: Failure) -> Health {
        match failure {
            // A broken answer is one all the same.
            Failure::NotHttp => self.failures = 0,
            Failure::Refused
            | Failure::Unreachable
            | Failure::NoTls
            | Failure::TooSlow
            | Failure::HungUp
            | Failure::NotAsked => {
                self.failures += 1;
                self.ease();
            }
        }
        if self.failures >= DEAD {
            Health::Dead
        } else {
            Health::Well
        }
    }

    fn ease(&mut self) {
        self.gap = (self.gap * 2).clamp(SHORTEST_GAP, LONGEST_GAP);
    }
}

const SLOWER: u32 = 6;
const NOTICEABLE: Duration = Duration::from_millis(750);
const SHORTEST_GAP: Duration = Duration::from_millis(20);
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// So many failures in a row, ever further apart, are an end.
const DEAD: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, millis: u64) -> Response {
        Response {
            took: Duration::from_millis(millis),
            ..Response::answering(status, &[], "")
        }
    }

    #[test]
    fn the_rate_is_never_passed() {
        let mut pace = Pace::new(Some(50));
        let mut at = Duration::ZERO;
        for _ in 0..100 {
            at = pace.place(Duration::ZERO);
        }
        assert_eq!(at, Duration::from_millis(99 * 20));
    }

    #[test]
    fn a_site_that_suffers_is_eased_and_one_that_recovers_is_not() {
        let mut pace = Pace::new(None);
        pace.answered(&answer(200, 10));
        for _ in 0..5 {
            pace.answered(&answer(503, 10));
        }
        pace.place(Duration::ZERO);
        assert!(pace.place(Duration::ZERO) >= Duration::from_millis(300));
        for _ in 0..20 {
            pace.answered(&answer(200, 10));
        }
        let now = Duration::from_secs(60);
        pace.place(now);
        assert_eq!(pace.place(now), Duration::ZERO);
        pace.answered(&answer(200, 4000));
        pace.place(now);
        assert!(pace.place(now) > Duration::ZERO, "lateness counts as well");
    }

    #[test]
    fn silence_is_an_end_and_one_answer_begins_anew() {
        let mut pace = Pace::new(None);
        for _ in 0..DEAD - 1 {
            assert_eq!(pace.failed(Failure::Refused), Health::Well);
        }
        pace.answered(&answer(200, 1));
        for _ in 0..DEAD - 1 {
            assert_eq!(pace.failed(Failure::TooSlow), Health::Well);
        }
        assert_eq!(pace.failed(Failure::TooSlow), Health::Dead);
    }
}
