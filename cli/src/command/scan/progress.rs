//! How far a scan is, on standard error: one line drawn over and over on a terminal, else one for each change.

use std::io::{self, IsTerminal, Write};

#[derive(Debug)]
pub(super) struct ProgressLine {
    terminal: bool,
    shown: String,
}

impl ProgressLine {
    pub(super) fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            shown: String::new(),
        }
    }

    pub(super) fn show(&mut self, text: &str) {
        if text == self.shown {
            return;
        }
        text.clone_into(&mut self.shown);
        // Progress is a courtesy: where nobody reads it, the waiting goes on.
        let _unread = if self.terminal {
            write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush())
        } else {
            writeln!(io::stderr(), "{text}")
        };
    }

    pub(super) fn end(&self) {
        if self.terminal && !self.shown.is_empty() {
            let _unread = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
