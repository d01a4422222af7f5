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
    ("network", network::measure),
    ("services", services::measure),
    ("web", web::measure),
    ("sealing", sealing::measure),
];

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
