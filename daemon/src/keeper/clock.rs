//! The appliance's clock: no earlier than the image, and from the first exchange on the platform's.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, Timespec, clock_settime};
use vedette_protocol::Timestamp;

use super::course::Now;

/// Whose clock it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The machine's: the kernel's clock is set.
    Machine,
    /// This process's alone, on a machine whose clock belongs to others.
    Process,
}

/// A clock that runs by the monotonic one.
#[derive(Debug)]
pub struct Clock {
    reach: Reach,
    started: Instant,
    /// What the time was, and when.
    set: (Timestamp, Duration),
}

impl Clock {
    /// Starts at a time, whatever the machine's clock says.
    pub fn start(reach: Reach, at: Timestamp) -> io::Result<Self> {
        let mut clock = Self {
            reach,
            started: Instant::now(),
            set: (at, Duration::ZERO),
        };
        clock.set(at)?;
        Ok(clock)
    }

    /// The moment.
    pub fn now(&self) -> Now {
        let monotonic = self.started.elapsed();
        let (at, when) = self.set;
        Now {
            monotonic,
            wall: at.after(monotonic.saturating_sub(when)),
        }
    }

    /// Sets it.
    pub fn set(&mut self, to: Timestamp) -> io::Result<()> {
        if self.reach == Reach::Machine {
            let seconds = i64::try_from(to.0).map_err(io::Error::other)?;
            let to = Timespec {
                tv_sec: seconds,
                tv_nsec: 0,
            };
            clock_settime(ClockId::Realtime, to)?;
        }
        self.set = (to, self.started.elapsed());
        Ok(())
    }

    /// Lets it follow a time that may be late but not early; what is within the tolerance changes nothing.
    pub fn follow(&mut self, at_least: Timestamp) -> io::Result<()> {
        if at_least.since(self.now().wall) > TOLERANCE {
            self.set(at_least)?;
        }
        Ok(())
    }
}

const TOLERANCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_does_not_turn_the_clock_back() {
        let mut clock = Clock::start(Reach::Process, Timestamp(1000)).unwrap();
        clock.follow(Timestamp(10)).unwrap();
        assert!(clock.now().wall >= Timestamp(1000));
        clock.follow(Timestamp(2000)).unwrap();
        assert!(clock.now().wall >= Timestamp(2000));
    }
}
