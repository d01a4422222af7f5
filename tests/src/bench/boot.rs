//! From switching on to serving, beside a plain Debian on the same virtual machine to multi-user, in turns.
//!
//! Both are started with their kernel loaded, so neither's firmware or boot loader is in it. Both were booted before.
//! Ours has then an address, the time, its key share from the platform, and a new workspace.

use std::time::Duration;

use anyhow::{Context, Result};
use vedette_protocol::status::State;

use super::amount::Amount;
use super::debian::Debian;
use super::figure::Figure;
use super::median::median;
use super::progress::Progress;
use crate::appliance::BOOT_DEADLINE;
use crate::lab::{Boot, Disk, Image, Lab, Line, Machine, StatusLine};
use crate::road::Road;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building the programs and the image");
    let road = Road::open(&[])?;
    let Road { lab, image, .. } = &road;
    let debian = Debian::with_kernel_of(image, progress)?.image()?;
    progress.step("first boot, which activates the appliance");
    let disk = road.appliance("bench")?.disk;

    let (mut our_times, mut their_times) = ([Duration::ZERO; RUNS], [Duration::ZERO; RUNS]);
    for (run, (our_time, their_time)) in our_times.iter_mut().zip(&mut their_times).enumerate() {
        *our_time = boot(lab, image, &disk, "state=serving", serves)
            .with_context(|| format!("the platform said:\n{}", road.platform_said()))?;
        *their_time = boot(
            lab,
            &debian,
            &Disk::over(lab, debian.raw())?,
            "that it is up",
            is_multi_user,
        )
        .context("booting the plain Debian")?;
        progress.step(format_args!(
            "run {} of {RUNS}: serving after {our_time:.1?}, Debian multi-user after {their_time:.1?}",
            run + 1
        ));
    }
    Ok(vec![Figure::no_more_than(
        Amount::seconds(median(their_times)),
        "from kernel start to serving: no longer than a plain Debian to multi-user",
        Amount::seconds(median(our_times)),
    )])
}

fn boot(lab: &Lab, image: &Image, disk: &Disk, what: &str, is_it: fn(&Line) -> bool) -> Result<Duration> {
    let mut machine = Machine::boot(lab, image, disk, Boot::Kernel)?;
    Ok(machine.wait_for_line(what, BOOT_DEADLINE, is_it)?.at)
}

fn serves(line: &Line) -> bool {
    StatusLine::parse(&line.text).is_some_and(|status| status.state == State::Serving.to_string())
}

/// systemd's `[  OK  ] Reached target multi-user.target - Multi-User System.`
fn is_multi_user(line: &Line) -> bool {
    line.text.contains("Reached target") && line.text.contains("multi-user.target")
}

const RUNS: usize = 3;
