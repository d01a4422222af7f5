//! How long to wait before the next try: longer each time, and never at the same moment as others.

use std::time::Duration;

/// The pauses between tries of one thing.
#[derive(Debug, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The pause before the next try: the full one doubles up to a bound; at least half of it is waited,
    /// and how much of the rest is chance, so that a fleet does not come back as one.
    pub fn pause(&mut self) -> Duration {
        self.pause_by(u32::from_le_bytes(vedette_crypto::random()))
    }

    fn pause_by(&mut self, chance: u32) -> Duration {
        let full = FIRST.saturating_mul(1 << self.tries.min(16)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        jittered(full, chance)
    }
}

/// A time between half of `full` and `full`.
pub fn jitter(full: Duration) -> Duration {
    jittered(full, u32::from_le_bytes(vedette_crypto::random()))
}

fn jittered(full: Duration, chance: u32) -> Duration {
    full / 2 + (full / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_are_never_short() {
        let (mut least, mut most) = (Backoff::default(), Backoff::default());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            assert_eq!(least.pause_by(0), Duration::from_secs(seconds) / 2);
            assert_eq!(most.pause_by(u32::MAX), Duration::from_secs(seconds));
        }
        for _ in 0..100 {
            most.pause_by(7);
        }
    }
}
