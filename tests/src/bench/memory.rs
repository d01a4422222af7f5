//! What the appliance's processes hold in memory when it has nothing to do, told by a probe inside.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::amount::Amount;
use super::figure::Figure;
use super::progress::Progress;
use crate::lab::Line;
use crate::platform::TestImages;
use crate::probes::section_of;
use crate::road::Road;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building the programs and an image with a probe");
    let mut road = Road::open_with(&[], "memory", &section_of("memory"))?;
    road.serve_platform_with(TestImages::Accepted)?;
    progress.step("first boot, which activates the appliance");
    let mut machine = road.appliance("bench")?.machine;

    progress.step(format_args!("waiting until it has done nothing for {IDLE:?}"));
    let serves = machine
        .console()
        .lines()
        .last()
        .map(|line| line.at)
        .unwrap_or_default();
    let is_later = |line: &Line| line.at > serves + IDLE && line.text.starts_with(ALL);
    machine.wait_for_line("what it holds in memory", 3 * IDLE, is_later)?;
    let held = held(&machine.console().lines());
    progress.step(format_args!("resident: {held:?}"));

    PROCESSES
        .iter()
        .map(|name| {
            let kilobytes = held
                .get(*name)
                .with_context(|| format!("the probe saw no {name}, only {held:?}"))?;
            ensure!(*kilobytes > 0, "{name} is said to hold nothing");
            Ok(Figure::at_most(
                Amount::megabytes(LIMIT),
                &format!("memory of {name} when idle"),
                Amount::megabytes(kilobytes * 1024),
            ))
        })
        .collect()
}

/// The last that the probe said of each process: `probe memory NAME kB`.
fn held(console: &[Line]) -> BTreeMap<String, u64> {
    console
        .iter()
        .filter_map(|line| {
            let (name, kilobytes) = line.text.strip_prefix(PROBE)?.split_once(' ')?;
            Some((name.to_owned(), kilobytes.parse().ok()?))
        })
        .collect()
}

const PROCESSES: [&str; 4] = ["vedetted", "vedette-keeper", "vedette-vault", "vedette-console"];
const LIMIT: u64 = 20_000_000;
const PROBE: &str = "probe memory ";
/// What ends each round of the probe.
const ALL: &str = "probe memory all ";
const IDLE: Duration = Duration::from_secs(20);
