//! One line for each attempt.

use std::io;

/// Says how an attempt went.
pub(crate) fn report(who: &str, what: &str, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => println!("probe {who} {what} allowed"),
        Err(error) => println!("probe {who} {what} denied {}", one_word(&error)),
    }
}

/// The error's number, as errno(3) lists them, or its kind.
fn one_word(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| format!("{:?}", error.kind()), |number| number.to_string())
}
