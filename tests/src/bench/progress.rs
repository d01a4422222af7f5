//! What is being measured, a line for each step, on stderr.

use std::fmt;
use std::time::Instant;

/// The steps of one group, with the time since it began.
#[derive(Debug)]
pub(super) struct Progress {
    group: &'static str,
    begun: Instant,
}

impl Progress {
    pub(super) fn of(group: &'static str) -> Self {
        Self {
            group,
            begun: Instant::now(),
        }
    }

    pub(super) fn step(&self, what: impl fmt::Display) {
        eprintln!(
            "[{:6.1} s] {}: {what}",
            self.begun.elapsed().as_secs_f64(),
            self.group
        );
    }
}
