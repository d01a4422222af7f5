//! A lab by hand, with every target in it: `vedette-lab` ends it with its input, `vedette-lab keep` leaves it running,
//! and `vedette-lab end NUMBER` ends that one.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vedette_tests::lab::{Lab, LabNumber, Target, end_left_running};

/// Starts a lab with every target in it, and ends it when its input ends
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    instead: Option<Instead>,
}

#[derive(Debug, Subcommand)]
enum Instead {
    /// Starts a lab and leaves it running
    Keep,
    /// Ends a lab that was left running
    End { number: u8 },
}

fn main() -> Result<()> {
    match Arguments::parse().instead {
        None => {
            let lab = start()?;
            println!("end of input ends it");
            io::copy(&mut io::stdin(), &mut io::sink())?;
            drop(lab);
        }
        Some(Instead::Keep) => {
            let number = start()?.leave_running()?;
            println!("`vedette-lab end {number}` ends it");
        }
        Some(Instead::End { number }) => end_left_running(LabNumber::noted(number))?,
    }
    Ok(())
}

fn start() -> Result<Lab> {
    let begun = Instant::now();
    let lab = Lab::start(&Target::ALL)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "lab {} on {} after {:.1?}",
        lab.number(),
        lab.subnet(),
        begun.elapsed()
    )?;
    for &target in lab.targets() {
        writeln!(
            out,
            "{:<15} {:<24} {:?}",
            lab.address(target),
            target.host_name(),
            target.ports()
        )?;
    }
    writeln!(out, "files: {}", lab.dir().display())?;
    out.flush()?;
    Ok(lab)
}
