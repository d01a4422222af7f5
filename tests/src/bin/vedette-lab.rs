//! Starts a lab with every target in it, says where they are, and ends it when its input ends.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::Result;
use vedette_tests::lab::{Lab, Target};

fn main() -> Result<()> {
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
    for target in lab.targets() {
        writeln!(
            out,
            "{:<15} {:<24} {:?}",
            lab.address(target),
            target.host_name(),
            target.ports()
        )?;
    }
    writeln!(out, "files: {}", lab.dir().display())?;
    writeln!(out, "end of input ends it")?;
    out.flush()?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    drop(lab);
    Ok(())
}
