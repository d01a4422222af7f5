//! All 65,535 ports of one host by connecting, beside nmap: over the same road, one after the other, in turns.

mod listeners;
mod nmap;
mod ours;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use self::listeners::Listeners;
use super::amount::Amount;
use super::figure::Figure;
use super::median::median;
use super::progress::Progress;
use crate::lab::Lab;
use crate::programs::Programs;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-scan");
    let programs = Programs::release("vedette-scan")?;
    let lab = Lab::start(&[])?;
    let host = lab.subnet().dns();
    let listeners = Listeners::open(&lab, host)?;

    let (mut our_times, mut their_times) = ([Duration::ZERO; RUNS], [Duration::ZERO; RUNS]);
    let (mut our_ports, mut their_ports) = (BTreeSet::new(), BTreeSet::new());
    let mut all_the_same = true;
    for (run, (our_time, their_time)) in our_times.iter_mut().zip(&mut their_times).enumerate() {
        (*our_time, our_ports) = ours::scan(&programs, host)?;
        (*their_time, their_ports) = nmap::scan(host)?;
        progress.step(format_args!(
            "run {} of {RUNS}: {our_time:.2?} and {} ports, nmap {their_time:.2?} and {}",
            run + 1,
            our_ports.len(),
            their_ports.len()
        ));
        all_the_same &= our_ports == their_ports;
    }
    ensure!(
        listeners.ports().is_subset(&their_ports),
        "nmap does not see all ports that are open: the road to them is broken"
    );
    Ok(vec![
        Figure::no_more_than(
            Amount::seconds(median(their_times)),
            "connect scan of 65,535 ports of one host: as fast as nmap or faster",
            Amount::seconds(median(our_times)),
        ),
        Figure::judged(
            "open ports found: the same as nmap, each time",
            Amount::ports(our_ports.len()),
            Amount::ports(their_ports.len()),
            all_the_same,
        ),
    ])
}

/// Of each, in turns.
const RUNS: usize = 5;
