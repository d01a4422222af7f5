//! How fast to ask, how long to wait and how often to ask again: decided from what was measured.
//!
//! Pure; the clock comes in. Silence alone slows nothing down, since a port behind a filter is silent at
//! any speed. What counts as loss is an answer to a later attempt: it proves that an earlier one was lost.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::loss::Loss;

/// Bounds on one sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The most connections under way at once.
    pub connections: usize,
    /// The most attempts, or packets of a raw scan, in a second; none: as fast as the answers come.
    pub rate: Option<u32>,
}

impl Bounds {
    /// What this process has descriptors for, once its soft limit is raised to its hard one; half of them
    /// are for the sweep, the rest for everything else.
    pub fn of_this_process() -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
        let descriptors = limit.current.unwrap_or(u64::MAX) / 2;
        let connections = usize::try_from(descriptors)
            .unwrap_or(MOST_CONNECTIONS)
            .clamp(4, MOST_CONNECTIONS);
        Self {
            connections,
            rate: None,
        }
    }
}

/// The state of the road, learnt from answers.
#[derive(Debug)]
pub(crate) struct Pace {
    ceiling: f64,
    window: f64,
    loss: Loss,
    trips: HashMap<IpAddr, Trip>,
    calm_until: Duration,
}

/// A host's round trip, smoothed as in RFC 6298.
#[derive(Debug, Clone, Copy)]
struct Trip {
    mean: Duration,
    deviation: Duration,
}

impl Pace {
    pub(crate) fn new(connections: usize) -> Self {
        let ceiling = connections.clamp(1, 65_536) as f64;
        Self {
            ceiling,
            window: FIRST_WINDOW.min(ceiling),
            loss: Loss::default(),
            trips: HashMap::new(),
            calm_until: Duration::ZERO,
        }
    }

    /// How many attempts may be under way.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 65,536"
    )]
    pub(crate) fn window(&self) -> usize {
        self.window as usize
    }

    /// How long to wait for the answer to an attempt; the first attempt is number 1.
    pub(crate) fn patience(&self, host: IpAddr, attempt: u8) -> Duration {
        let base = self
            .trips
            .get(&host)
            .map_or(UNKNOWN_TRIP, |trip| trip.mean + 4 * trip.deviation);
        (base.clamp(SHORTEST, LONGEST) * u32::from(attempt)).min(LONGEST)
    }

    /// How often to ask a silent endpoint.
    pub(crate) fn attempts(&self) -> u8 {
        self.loss.attempts()
    }

    /// Attempt number `attempt` is made.
    pub(crate) fn asked(&mut self, attempt: u8) {
        self.loss.asked(attempt);
    }

    /// The estimated chance that an open port was silent to so many attempts.
    pub(crate) fn miss(&self, attempts: u8) -> f64 {
        self.loss.miss(attempts)
    }

    /// An endpoint answered attempt number `attempt` after `took`, at `now`.
    pub(crate) fn answered(&mut self, host: IpAddr, attempt: u8, took: Duration, now: Duration) {
        self.loss.answered(attempt);
        self.trips
            .entry(host)
            .and_modify(|trip| trip.measure(took))
            .or_insert_with(|| Trip::first(took));
        if attempt > 1 {
            self.slow_down(now);
        } else {
            self.window = (self.window + 1.0).min(self.ceiling);
        }
    }

    /// An attempt's time is up.
    pub(crate) fn silent(&mut self) {
        self.window = (self.window + 1.0).min(self.ceiling);
    }

    /// Something was lost, or this machine is short of something: halve, at most once in a while, so that
    /// one burst counts once.
    pub(crate) fn slow_down(&mut self, now: Duration) {
        if now >= self.calm_until {
            self.window = (self.window / 2.0).max(SMALLEST_WINDOW.min(self.ceiling));
            self.calm_until = now + CALM;
        }
    }
}

impl Trip {
    fn first(took: Duration) -> Self {
        Self {
            mean: took,
            deviation: took / 2,
        }
    }

    fn measure(&mut self, took: Duration) {
        self.deviation = (self.deviation * 3 + self.mean.abs_diff(took)) / 4;
        self.mean = (self.mean * 7 + took) / 8;
    }
}

/// More half-open connections would fill the state tables of small routers.
const MOST_CONNECTIONS: usize = 2048;
const FIRST_WINDOW: f64 = 128.0;
const SMALLEST_WINDOW: f64 = 16.0;
const CALM: Duration = Duration::from_millis(100);
const UNKNOWN_TRIP: Duration = Duration::from_millis(500);
const SHORTEST: Duration = Duration::from_millis(100);
/// Below the kernel's own first retransmission at 1 s: one attempt is one packet.
const LONGEST: Duration = Duration::from_millis(950);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn one_burst_of_loss_halves_the_window_once() {
        let mut pace = Pace::new(4096);
        let before = pace.window();
        for _ in 0..10 {
            pace.answered(HOST, 3, Duration::from_millis(5), Duration::from_secs(1));
        }
        assert_eq!(pace.window(), before / 2);
    }

    #[test]
    fn patience_follows_the_measured_trip() {
        let mut pace = Pace::new(100);
        assert_eq!(pace.patience(HOST, 1), UNKNOWN_TRIP);
        for _ in 0..20 {
            pace.answered(HOST, 1, Duration::from_millis(1), Duration::ZERO);
        }
        assert_eq!(pace.patience(HOST, 1), SHORTEST);
        assert_eq!(pace.patience(HOST, 2), 2 * SHORTEST);
    }

    proptest! {
        #[test]
        fn whatever_happens_the_bounds_hold(
            ceiling in 1usize..10_000,
            events in proptest::collection::vec((1u8..8, 0u64..5_000, 0u64..100_000), 0..300),
        ) {
            let mut pace = Pace::new(ceiling);
            for (attempt, took, now) in events {
                if took % 3 == 0 { pace.silent() }
                pace.answered(HOST, attempt, Duration::from_millis(took), Duration::from_millis(now));
                prop_assert!((1..=ceiling).contains(&pace.window()));
                let patience = pace.patience(HOST, attempt);
                prop_assert!((SHORTEST..=LONGEST).contains(&patience));
            }
        }
    }
}
