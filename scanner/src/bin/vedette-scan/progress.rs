//! How far the scan is, on stderr: redrawn on a terminal, a line now and then elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use vedette_protocol::worker::Progress;

pub(crate) struct Meter {
    terminal: bool,
    shown: Option<Instant>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            shown: None,
        }
    }

    pub(crate) fn show(&mut self, progress: Progress) {
        let every = if self.terminal {
            Duration::ZERO
        } else {
            Duration::from_secs(5)
        };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let percent = 100 * progress.done / progress.total.max(1);
        let line = format!("{percent:3} %  {} of {} probes", progress.done, progress.total);
        // Progress that cannot be shown is no reason to stop.
        let _ = match self.terminal {
            true => write!(io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(io::stderr(), "{line}"),
        };
    }

    /// Something to know beside what is found.
    pub(crate) fn say(&self, text: &str) {
        self.clear();
        // Who cannot be told is scanned for all the same.
        let _ = writeln!(io::stderr(), "vedette-scan: {text}");
    }

    pub(crate) fn clear(&self) {
        if self.terminal && self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
