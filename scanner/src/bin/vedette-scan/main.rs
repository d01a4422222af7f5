//! `vedette-scan`: the engine from a terminal. Reads flags, resolves names, runs, prints, tells by its
//! exit code how it ended.
#![forbid(unsafe_code)]

mod flags;
mod output;
mod progress;
mod resolve;

use std::{error::Error, io, process::ExitCode};

use clap::Parser;
use tokio::sync::mpsc;
use vedette_protocol::{Report, Scope, Timestamp, finding::Outcome};
use vedette_scanner::{Event, Scan, Tell, causes::one_line, run};

use self::{flags::Flags, output::Output, progress::Meter};

/// Some of what was planned went unanswered.
const PARTIAL: u8 = 3;
/// The scan could not be run. (2, wrong usage, is clap's.)
const FAILED: u8 = 4;

fn main() -> ExitCode {
    let flags = Flags::parse();
    match scan(&flags) {
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

fn scan(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let (command, target) = flags.command.parts();
        let names = resolve::names(target.targets.iter().chain(&target.exclude)).await?;
        let ports = target.ports.clone().unwrap_or_else(|| command.ports());
        let named = target.ports.is_some();
        let scope = Scope::new(&target.targets, &target.exclude, &names, ports);
        let asked = scope
            .addresses()
            .take(FEW)
            .count()
            .saturating_mul(scope.ports().len());
        let scan = Scan {
            scope,
            checks: command.checks(),
            now: Timestamp::now(),
            time: target.time,
            bounds: target.bounds(),
            tell: if named && asked <= FEW {
                Tell::EveryPort
            } else {
                Tell::OpenPorts
            },
        };
        let mut output = Output::new(target.json, io::stdout().lock());
        let mut meter = Meter::new();
        let (tell, mut told) = mpsc::channel(EVENTS);
        let printing = async {
            while let Some(event) = told.recv().await {
                match event {
                    Event::Found(finding) => output.finding(finding)?,
                    Event::Progress(progress) => meter.show(progress),
                }
            }
            Ok::<_, io::Error>(())
        };
        let (ended, printed) = tokio::join!(run(scan, tell), printing);
        meter.clear();
        let report = ended?;
        printed?;
        output.close(&report)?;
        Ok(report)
    });
    runtime.shutdown_background();
    ended
}

/// Of so few ports that were asked for by number each is told with its state; of more, the open ones.
const FEW: usize = 1024;
const EVENTS: usize = 256;
