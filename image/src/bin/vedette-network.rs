//! Starts systemd-networkd behind a seccomp filter, under systemd's eyes: the process stays the same one.
#![forbid(unsafe_code)]

use std::{error::Error, iter::successors, process::ExitCode};

use vedette_image::network::become_networkd;

fn main() -> ExitCode {
    let error = match become_networkd() {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let causes = successors(Some(&error as &dyn Error), |error| (*error).source());
    eprintln!(
        "vedette-network: {}",
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    );
    ExitCode::FAILURE
}
