//! `vedette-scan`: the engine from a terminal. Reads flags, resolves names, runs, prints, tells by its
//! exit code how it ended. A subcommand is a file in `subcommand/` and a line in [`subcommand`].
#![forbid(unsafe_code)]

mod fingerprints;
mod flags;
mod output;
mod progress;
mod resolve;
mod scan;
mod site;
mod subcommand;
mod udp;

use std::process::ExitCode;

use vedette_protocol::finding::Outcome;
use vedette_scanner::causes::one_line;

/// Some of what was planned went unanswered.
const PARTIAL: u8 = 3;
/// The scan could not be run. (2, wrong usage, is clap's.)
const FAILED: u8 = 4;

fn main() -> ExitCode {
    let (subcommand, matches) = flags::typed();
    match subcommand.run(&matches) {
        Ok(report) => match report.outcome() {
            Outcome::Complete => ExitCode::SUCCESS,
            Outcome::Partial => ExitCode::from(PARTIAL),
        },
        Err(error) => {
            eprintln!("vedette-scan: {}", one_line(error.as_ref()));
            ExitCode::from(FAILED)
        }
    }
}
