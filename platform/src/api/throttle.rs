//! Throttling of guesses: after a few failures each next attempt waits longer.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Failures by whom they count against.
pub struct Throttle<K>(Mutex<HashMap<K, Failures>>);

struct Failures {
    number: u32,
    last: Instant,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Hash + Eq> Throttle<K> {
    /// How long to wait still, if at all.
    pub fn wait(&self, key: &K, now: Instant) -> Option<Duration> {
        let failures = self.lock();
        let failures = failures.get(key)?;
        let until = failures.last + pause(failures.number);
        // Whole seconds, upwards: that is what Retry-After can say.
        let left = until.checked_duration_since(now)?;
        (!left.is_zero()).then(|| Duration::from_secs(left.as_secs() + 1))
    }

    /// Counts a failure.
    pub fn fail(&self, key: K, now: Instant) {
        let mut failures = self.lock();
        failures.retain(|_, failures| now.duration_since(failures.last) < FORGOTTEN_AFTER);
        if failures.len() >= KEPT {
            // Somebody uses many names: forgetting the oldest keeps memory bounded.
            failures.retain(|_, failures| now.duration_since(failures.last) < FORGOTTEN_AFTER / 16);
        }
        let entry = failures.entry(key).or_insert(Failures { number: 0, last: now });
        entry.number = entry.number.saturating_add(1);
        entry.last = now;
    }

    /// Forgets the failures of one who succeeded.
    pub fn succeed(&self, key: &K) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Failures>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pause(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => Duration::from_secs(1 << over.min(9)),
    }
}

/// Failures that cost nothing.
const FREE: u32 = 5;
const FORGOTTEN_AFTER: Duration = Duration::from_mins(16);
const KEPT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_slowed_down_and_forgotten() {
        let throttle = Throttle::default();
        let start = Instant::now();
        for _ in 0..FREE - 1 {
            throttle.fail("admin", start);
            assert_eq!(throttle.wait(&"admin", start), None);
        }
        throttle.fail("admin", start);
        throttle.fail("admin", start);
        assert!(throttle.wait(&"admin", start).unwrap() > Duration::from_secs(1));
        assert_eq!(throttle.wait(&"other", start), None);
        assert_eq!(throttle.wait(&"admin", start + Duration::from_mins(9)), None);
        throttle.succeed(&"admin");
        throttle.fail("admin", start);
        assert_eq!(throttle.wait(&"admin", start), None);
    }
}
