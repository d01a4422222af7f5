//! One line for each attempt.

use std::io;

/// Says how an attempt went.
pub(crate) fn report(who: &str, what: &str, outcome: io::Result<()>) {
    match outcome {
        Ok(()) => println!("probe {who} {what} allowed"),
        Err(error) => println!("probe {who} {what} denied {}", one_word(&error)),
    }
}

fn one_word(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", rustix::io::Errno::from_raw_os_error(number)).replace(' ', "_"),
        None => format!("{:?}", error.kind()),
    }
}
