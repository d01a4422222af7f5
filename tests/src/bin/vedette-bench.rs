//! Measures what the product promises in figures, each beside its peer in the same run.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::builder::PossibleValuesParser;
use vedette_tests::bench;

/// Prints a table, and writes each group as target/bench/GROUP.json.
#[derive(Debug, Parser)]
#[command(name = "vedette-bench", after_help = EXIT_CODES)]
struct Flags {
    /// What to measure; without one, all
    #[arg(value_name = "GROUP", value_parser = PossibleValuesParser::new(bench::names()))]
    groups: Vec<String>,
    /// One row of the group network alone, printed and not written down
    #[arg(long, value_name = "ROW", value_parser = PossibleValuesParser::new(bench::rows()), conflicts_with = "groups")]
    row: Option<String>,
}

fn main() -> Result<ExitCode> {
    let flags = Flags::parse();
    if let Some(row) = &flags.row {
        bench::run_row(row)?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted: Vec<&str> = if flags.groups.is_empty() {
        bench::names().collect()
    } else {
        flags.groups.iter().map(String::as_str).collect()
    };
    Ok(match bench::run(&wanted)? {
        bench::Outcome::Measured => ExitCode::SUCCESS,
        bench::Outcome::NotAllMeasured => ExitCode::FAILURE,
    })
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all was measured; the column HOLDS says which goals are met
  1  something could not be measured
  2  wrong usage";
