//! The figures that the product promises, measured where it stands, each beside its peer in the same run.
//!
//! A group is a line in `GROUPS` and a file. What must stay true: a figure was measured in this run, and a group
//! that cannot be measured leaves no older figures behind.

mod amount;
mod boot;
mod debian;
mod facts;
mod figure;
mod image;
mod median;
mod memory;
mod network;
mod platform;
mod progress;
mod record;
mod resident;
mod scan;
mod sealing;
mod services;
mod tls;
mod web;

use anyhow::{Context, Result};

use self::figure::{Figure, Table};
use self::progress::Progress;

/// A group of goals that are measured together.
type Measure = fn(&Progress) -> Result<Vec<Figure>>;

const GROUPS: &[(&str, Measure)] = &[
    ("image", image::measure),
    ("boot", boot::measure),
    ("memory", memory::measure),
    ("platform", platform::measure),
    ("scan", scan::measure),
    ("tls", tls::measure),
    (NETWORK, network::measure),
    ("services", services::measure),
    ("web", web::measure),
    ("sealing", sealing::measure),
];

const NETWORK: &str = "network";

/// Whether there is a figure for everything that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Measured,
    NotAllMeasured,
}

/// The names of the groups, in the order in which they are measured.
pub fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

/// The rows of the port scan's table, which can be measured alone.
pub fn rows() -> impl Iterator<Item = &'static str> {
    network::rows()
}

/// Measures one row of the port scan's table, and prints it. It is not written down: the rest would be missing.
pub fn run_row(row: &str) -> Result<()> {
    let mut table = Table::default();
    let figures = network::measure_rows(|name| name == row, &Progress::of(NETWORK))?;
    table.add(NETWORK, figures);
    print!("{table}");
    Ok(())
}

/// Measures these groups, writes each down as it is ready, and prints all of them as one table.
pub fn run(wanted: &[&str]) -> Result<Outcome> {
    let mut table = Table::default();
    let mut outcome = Outcome::Measured;
    for (name, measure) in GROUPS.iter().filter(|(name, _)| wanted.contains(name)) {
        record::remove(name)?;
        let progress = Progress::of(name);
        match measure(&progress).with_context(|| format!("measuring {name}")) {
            Ok(figures) => {
                record::write(name, &figures)?;
                table.add(name, figures);
            }
            Err(error) => {
                eprintln!("vedette-bench: {error:#}");
                outcome = Outcome::NotAllMeasured;
            }
        }
    }
    print!("{table}");
    Ok(outcome)
}
