//! How many frames go out in a second, and how evenly, where nothing answers and everything is swallowed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::field::{Field, Sink};
use super::ours::{self, Running};
use super::{bare, peers};
use crate::bench::amount::Amount;
use crate::bench::figure::Figure;
use crate::bench::progress::Progress;
use crate::programs::Programs;

pub(super) fn measure(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(15)?;
    field.swallow(Sink::Hosts)?;
    let targets = field.targets();
    let all = ["--targets", targets.as_str(), "--ports", "1-65535", "--time", "8"];
    let fast = [&all[..], &["--rate", "5000000"]].concat();

    let (mut ours, mut masscans, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=RUNS {
        ours.push(median(rates(
            &field,
            ours::start_on_one_core(&field, programs, &fast)?,
        )?));
        masscans.push(median(rates(&field, peers::masscan_on_one_core(&field)?)?));
        bares.push(bare::rate(&field)?);
        progress.step(format_args!(
            "one core, run {run} of {RUNS}: {:.0} frames/s; masscan {:.0}, a bare loop {:.0}",
            ours[run - 1],
            masscans[run - 1],
            bares[run - 1]
        ));
    }
    let all_cores = median(rates(&field, ours::start(&field, programs, &fast)?)?);
    progress.step(format_args!("all cores: {all_cores:.0} frames/s"));
    let paced = rates(
        &field,
        ours::start(&field, programs, &[&all[..], &["--rate", "50000"]].concat())?,
    )?;
    let off = paced
        .iter()
        .map(|rate| (rate / 50_000.0 - 1.0).abs() * 100.0)
        .fold(0.0, f64::max);
    let above = paced.iter().copied().fold(0.0, f64::max);
    progress.step(format_args!(
        "of 50,000/s: off by {off:.2} % at most, {above:.0}/s at most"
    ));
    let (ours, masscan, bare) = (median(ours), median(masscans), median(bares));
    Ok(vec![
        Figure::at_least(
            Amount::per_second(1_200_000.0),
            "frames sent by one core (beside: masscan)",
            Amount::per_second(ours),
        )
        .beside(Amount::per_second(masscan)),
        Figure::judged(
            "frames sent by one core: 0.8 or more of what a bare loop of sendmmsg sends",
            Amount::per_second(ours),
            Amount::per_second(bare),
            ours >= 0.8 * bare,
        ),
        Figure::at_most(
            Amount::percent(2.0),
            "50,000/s: off the rate in the worst of 30 tenths of a second",
            Amount::percent(off),
        ),
    ])
}

/// Frames a second in each tenth of a second, once it has got going.
fn rates(field: &Field, _running: Running) -> Result<Vec<f64>> {
    thread::sleep(Duration::from_secs(2));
    let mut rates = Vec::new();
    let counter = field.counter()?;
    let (mut before, mut at) = (counter.sent()?, Instant::now());
    for _ in 0..SAMPLES {
        thread::sleep(Duration::from_millis(100));
        let (after, now) = (counter.sent()?, Instant::now());
        rates.push((after - before) as f64 / (now - at).as_secs_f64());
        (before, at) = (after, now);
    }
    Ok(rates)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

const SAMPLES: usize = 30;
const RUNS: usize = 3;
