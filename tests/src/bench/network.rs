//! Port scans by frames, beside nmap and masscan: over one veth pair between two namespaces, in turns.

mod bare;
mod discovery;
mod field;
mod ours;
mod peers;
mod transmit;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::field::{Field, Sink};
use super::amount::Amount;
use super::figure::Figure;
use super::median::median;
use super::progress::Progress;
use crate::programs::Programs;

/// Open ports, of several hosts.
type Open = BTreeSet<(Ipv4Addr, u16)>;

/// Goals that are measured together.
type Row = fn(&Programs, &Progress) -> Result<Vec<Figure>>;

const ROWS: &[(&str, Row)] = &[
    ("transmit", transmit::measure),
    ("discovery", discovery::measure),
    ("whole-hosts", whole_hosts),
    ("many-hosts", many_hosts),
    ("loss", lossy_road),
    ("memory", memory),
];

/// The names of the rows, in the order in which they are measured.
pub(super) fn rows() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(name, _)| *name)
}

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    measure_rows(|_| true, progress)
}

/// Those rows alone.
pub(super) fn measure_rows(wanted: impl Fn(&str) -> bool, progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-scan");
    let programs = Programs::release("vedette-scan")?;
    let mut figures = Vec::new();
    for (_, row) in ROWS.iter().filter(|(name, _)| wanted(name)) {
        figures.extend(row(&programs, progress)?);
    }
    Ok(figures)
}

/// 15 hosts, all ports, 100 of each open.
fn whole_hosts(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(15)?;
    let open = field.listen(100)?;
    let (mut our_times, mut their_times) = ([Duration::ZERO; RUNS], [Duration::ZERO; RUNS]);
    let mut fewest = usize::MAX;
    let mut of_masscan = 0;
    for (run, (our_time, their_time)) in our_times.iter_mut().zip(&mut their_times).enumerate() {
        let (ours, theirs) = (
            ours::scan(&field, programs, "1-65535")?,
            peers::nmap(&field, "1-65535")?,
        );
        (*our_time, *their_time) = (ours.took, theirs.took);
        fewest = fewest.min(ours.open.intersection(&open).count());
        ensure!(ours.open.is_subset(&open), "a port was told as open that is not");
        progress.step(format_args!(
            "15 x 65,535, run {} of {RUNS}: {:.2?} and {} ports; nmap {:.2?} and {}",
            run + 1,
            ours.took,
            ours.open.len(),
            theirs.took,
            theirs.open.len()
        ));
        if run == 0 {
            let masscan = peers::masscan(&field, "1-65535", 500_000)?;
            of_masscan = masscan.open.intersection(&open).count();
            progress.step(format_args!(
                "masscan at 500,000/s: {:.2?} and {of_masscan}",
                masscan.took
            ));
        }
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    Ok(vec![
        Figure::judged(
            "15 hosts x 65,535 ports with the kernel's own address: half of nmap's time or less",
            Amount::seconds(ours),
            Amount::seconds(theirs),
            ours * 2 <= theirs,
        ),
        Figure::judged(
            "of 1,500 open ports the fewest that a run found: all (beside: masscan)",
            Amount::ports(fewest),
            Amount::ports(of_masscan),
            fewest == open.len(),
        ),
    ])
}

/// 254 hosts, 100 ports, one of each open.
fn many_hosts(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(254)?;
    let open = field.listen_below(100)?;
    let (mut our_times, mut their_times) = ([Duration::ZERO; RUNS], [Duration::ZERO; RUNS]);
    let mut all = true;
    for (our_time, their_time) in our_times.iter_mut().zip(&mut their_times) {
        let (ours, theirs) = (
            ours::scan(&field, programs, "1-100")?,
            peers::nmap(&field, "1-100")?,
        );
        (*our_time, *their_time) = (ours.took, theirs.took);
        all &= ours.open == open;
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    progress.step(format_args!("254 x 100: {ours:.2?}; nmap {theirs:.2?}"));
    Ok(vec![Figure::judged(
        "254 hosts x 100 ports, all open ones found: 0.75 of nmap's time or less",
        Amount::seconds(ours),
        Amount::seconds(theirs),
        all && ours * 4 <= theirs * 3,
    )])
}

/// The 15 hosts again, with one packet in a hundred lost each way.
fn lossy_road(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(15)?;
    let open = field.listen(100)?;
    field.lose_one_in_a_hundred()?;
    let (mut times, mut missed, mut stated) = (Vec::new(), 0, 0.0);
    for seed in 0..SEEDS {
        let ours = ours::scan(&field, programs, "1-65535")?;
        times.push(ours.took);
        missed += open.difference(&ours.open).count();
        stated += ours.miss * open.len() as f64;
        progress.step(format_args!(
            "1 % loss, {} of {SEEDS}: {:.2?}, {missed} missed so far",
            seed + 1,
            ours.took
        ));
    }
    // Once: it takes minutes.
    let theirs = peers::nmap(&field, "1-65535")?;
    progress.step(format_args!(
        "1 % loss: nmap {:.2?} and {}",
        theirs.took,
        theirs.open.len()
    ));
    times.sort_unstable();
    let ours = times[times.len() / 2];
    // What was stated is the mean of a count of rare events: four deviations of it, and one for good measure.
    let tolerated = stated + 4.0 * stated.sqrt() + 1.0;
    Ok(vec![
        Figure::judged(
            "the same with 1 % loss each way: an eighth of nmap's time or less",
            Amount::seconds(ours),
            Amount::seconds(theirs.took),
            ours * 8 <= theirs.took,
        ),
        Figure::judged(
            "open ports missed in 20 such scans: no more than the stated probability explains (beside)",
            Amount::ports(missed),
            Amount::expected_ports(tolerated),
            missed as f64 <= tolerated,
        ),
    ])
}

/// 65,536 hosts, 1,000 ports, of which nothing answers.
fn memory(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(1)?;
    field.swallow(Sink::Routed)?;
    let bytes = ours::most_memory(
        &field,
        programs,
        &["--targets", "172.16.0.0/16", "--ports", "1-1000"],
    )?;
    progress.step(format_args!("65,536 x 1,000: {} KiB", bytes / 1024));
    Ok(vec![Figure::at_most(
        Amount::mebibytes(64 << 20),
        "memory for 65,536 hosts x 1,000 ports",
        Amount::mebibytes(bytes),
    )])
}

/// The runs of a comparison, of each program, in turns.
const RUNS: usize = 5;
const SEEDS: usize = 20;

/// What a scan found, and in which time.
#[derive(Debug)]
struct Scanned {
    took: Duration,
    open: Open,
    /// The stated chance that an open port was missed; peers state none.
    miss: f64,
}

/// An address as a program writes it.
fn host(text: &str) -> Result<Ipv4Addr> {
    text.parse().with_context(|| format!("{text:?} is no address"))
}
