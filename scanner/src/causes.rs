//! An error with its causes on one line, as the programs of this crate end with it.

use std::error::Error;

/// The error's text, and behind it that of each cause.
pub fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
