//! How many frames go out in a second, and how evenly, where nothing answers and everything is swallowed.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::field::{Field, Sink};
use super::ours;
use crate::bench::amount::Amount;
use crate::bench::figure::Figure;
use crate::bench::progress::Progress;
use crate::programs::Programs;

pub(super) fn measure(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let field = Field::with_hosts(15)?;
    field.swallow(Sink::Hosts)?;
    let targets = field.targets();
    let all = ["--targets", targets.as_str(), "--ports", "1-65535", "--time", "8"];

    let fastest = rates(&field, programs, &[&all[..], &["--rate", "5000000"]].concat())?;
    let fast = median(fastest);
    progress.step(format_args!("{fast:.0} frames/s"));
    let paced = rates(&field, programs, &[&all[..], &["--rate", "50000"]].concat())?;
    let off = paced
        .iter()
        .map(|rate| (rate / 50_000.0 - 1.0).abs() * 100.0)
        .fold(0.0, f64::max);
    let above = paced.iter().copied().fold(0.0, f64::max);
    progress.step(format_args!(
        "of 50,000/s: off by {off:.2} % at most, {above:.0}/s at most"
    ));
    Ok(vec![
        Figure::at_least(
            Amount::per_second(1_200_000.0),
            "frames sent by one core",
            Amount::per_second(fast),
        ),
        Figure::at_most(
            Amount::percent(2.0),
            "50,000/s: off the rate in the worst of 30 tenths of a second",
            Amount::percent(off),
        ),
    ])
}

/// Frames a second in each tenth of a second, once it has got going.
fn rates(field: &Field, programs: &Programs, arguments: &[&str]) -> Result<Vec<f64>> {
    let _running = ours::start(field, programs, arguments)?;
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
