//! The subcommands: one file each, one line here.
//!
//! A subcommand says what it is called, which flags it has beside the shared ones of [`What`], and runs to
//! its report. Most are a choice of checks, which [`scan`](crate::scan) runs; whoever does something else
//! prints through [`Output`](crate::output::Output) as well, so that all look alike.

mod all;
mod discover;
mod http;
mod ports;
mod services;
mod ssh;
mod templates;
mod tls;
mod topology;
mod web;

use std::error::Error;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use vedette_protocol::Report;

use crate::flags::What;

/// Every subcommand, in the order in which they are shown.
pub(crate) const SUBCOMMANDS: &[Subcommand] = &[
    discover::SUBCOMMAND,
    topology::SUBCOMMAND,
    ports::SUBCOMMAND,
    services::SUBCOMMAND,
    ssh::SUBCOMMAND,
    tls::SUBCOMMAND,
    http::SUBCOMMAND,
    web::SUBCOMMAND,
    templates::SUBCOMMAND,
    all::SUBCOMMAND,
];

/// How a subcommand ends: with a report, or because it could not be run.
pub(crate) type Ended = Result<Report, Box<dyn Error>>;

/// One way to use the engine.
#[derive(Debug)]
pub(crate) struct Subcommand {
    /// As it is typed.
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) about: &'static str,
    /// Adds its own flags to the shared ones.
    pub(crate) flags: fn(Command) -> Command,
    /// Does it; its own flags are in the matches.
    pub(crate) run: fn(&What, &ArgMatches) -> Ended,
}

impl Subcommand {
    /// The subcommand that was typed.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        SUBCOMMANDS.iter().find(|subcommand| subcommand.name == name)
    }

    /// How it is used.
    pub(crate) fn usage(&self) -> Command {
        // The description last: flags that are derived bring their own with them.
        (self.flags)(What::augment_args(Command::new(self.name))).about(self.about)
    }

    /// Does what was asked for.
    pub(crate) fn run(&self, matches: &ArgMatches) -> Ended {
        (self.run)(&What::from_arg_matches(matches)?, matches)
    }
}

/// For subcommands that have the shared flags alone.
fn no_flags(command: Command) -> Command {
    command
}
