//! What the programs say to the journal: lines on standard error with their level in front, as
//! sd-daemon(3) has it, without time (the journal has its own).

use std::error::Error;

use tracing_subscriber::fmt;

/// Sends what is traced from here on to the journal.
pub fn open() {
    fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing::Level::INFO)
        .with_writer(std::io::stderr)
        .init();
}

/// An error with its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
