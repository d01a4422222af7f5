//! One file for each thing that can be managed.

mod appliance;
mod copy;
mod credential;
mod finding;
mod grant;
mod login;
mod owner;
mod pool;
mod scan;
mod schedule;
mod token;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::arguments::{Arguments, Command};
use crate::login::Login;
use crate::platform::Platform;
use crate::table::Table;

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A scan that was waited for left something unanswered.
    ScanPartial,
    /// A scan that was waited for ended without a report.
    ScanFailed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::ScanPartial => Self::from(3),
            Outcome::ScanFailed => Self::from(4),
        }
    }
}

/// Does what was asked for.
pub async fn run(arguments: Arguments) -> Result<Outcome> {
    let show = Show { json: arguments.json };
    match arguments.command {
        Command::Login(asked) => login::log_in(asked, show).await,
        Command::Logout => login::log_out(show).await,
        Command::Token(asked) => token::run(&platform()?, asked, show).await,
        Command::Appliance(asked) => appliance::run(asked, show).await,
        Command::Owner(asked) => owner::run(asked, show).await,
        Command::Grant(asked) => grant::run(asked, show).await,
        Command::Credential(asked) => credential::run(asked, show).await,
        Command::Copy(asked) => copy::run(asked, show).await,
        Command::Pool(asked) => pool::run(&platform()?, asked, show).await,
        Command::Scan(asked) => scan::run(&platform()?, asked, show).await,
        Command::Schedule(asked) => schedule::run(&platform()?, asked, show).await,
        Command::Finding(asked) => finding::run(&platform()?, asked, show).await,
    }
}

fn platform() -> Result<Platform> {
    let login = Login::current()?;
    Platform::new(login.url, &login.ca, Some(login.token))
        .context("trusting the CA of VEDETTE_CA, or else of the login; log in again to replace it")
}

/// Whom the output is for.
#[derive(Debug, Clone, Copy)]
struct Show {
    json: bool,
}

impl Show {
    /// Prints the value for a program, or the table for a person.
    fn value(self, value: &impl Serialize, table: impl FnOnce() -> Table) -> Result<()> {
        let text = if self.json {
            format!("{}\n", serde_json::to_string_pretty(value)?)
        } else {
            table().to_string()
        };
        print(&text)
    }

    /// Says something to a person. A program gets JSON alone.
    fn note(self, text: &str) -> Result<()> {
        if self.json {
            Ok(())
        } else {
            print(&format!("{text}\n"))
        }
    }
}

/// A reader that goes away early, as `head` does, is no error.
fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing the output"),
    }
}
