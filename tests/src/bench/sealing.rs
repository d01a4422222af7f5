//! What secrets cost: envelopes opened, files sealed, memory wiped, and the way to a login; beside openssl, ring alone,
//! age, the system's allocator and ssh, in turn with each.

mod age;
mod login;
mod openssl;
mod ours;

use std::time::Duration;

use anyhow::Result;

use super::amount::Amount;
use super::figure::Figure;
use super::median::median;
use super::progress::Progress;
use crate::programs::Programs;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building the programs that are measured");
    let programs = Programs::release_all(&[ours::MEASURE, ours::ENGINE, ours::WIPING])?;
    let mut figures = opens(&programs, progress)?;
    figures.extend(files(&programs, progress)?);
    figures.push(allocator(&programs, progress)?);
    figures.push(login::measure(&programs, progress)?);
    Ok(figures)
}

fn opens(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let told = ours::told(programs.command(ours::MEASURE).arg("opens"))?;
    let agreements = openssl::agreements_per_second()?;
    progress.step(format_args!(
        "openings: {told:?}, agreements of openssl: {agreements:.0}/s"
    ));
    let goal = Amount::per_second(OPENS);
    Ok(vec![
        Figure::at_least(
            goal,
            "envelopes opened, X25519, beside openssl's bare agreements",
            Amount::per_second(ours::amount(&told, "x25519")?),
        )
        .beside(Amount::per_second(agreements)),
        Figure::at_least(
            goal,
            "envelopes opened, X-Wing",
            Amount::per_second(ours::amount(&told, "xwing")?),
        ),
    ])
}

fn files(programs: &Programs, progress: &Progress) -> Result<Vec<Figure>> {
    let told = ours::told(programs.command(ours::MEASURE).arg("files"))?;
    let (ours, ring) = (ours::amount(&told, "ours")?, ours::amount(&told, "ring")?);
    let openssl = openssl::bytes_per_second()?;
    progress.step(format_args!(
        "files: {ours:.3e} B/s, ring {ring:.3e}, openssl {openssl:.3e}"
    ));
    let speed = Amount::gigabytes_per_second;
    let share = |peer: f64| ours >= SHARE * peer;
    let (sealing, age) = age::in_turn(programs)?;
    progress.step(format_args!(
        "a file of {} MiB: {sealing:.2?}, age {age:.2?}",
        age::MEBIBYTES
    ));
    Ok(vec![
        Figure::judged(
            "files sealed in chunks of 64 KiB, beside ring's AES-256-GCM: 0.8 of it or more",
            speed(ours),
            speed(ring),
            share(ring),
        ),
        Figure::judged(
            "files sealed in chunks of 64 KiB, beside openssl's AES-256-GCM: 0.8 of it or more",
            speed(ours),
            speed(openssl),
            share(openssl),
        ),
        Figure::no_more_than(
            Amount::seconds(age),
            &format!("a file of {} MiB sealed into another, beside age", age::MEBIBYTES),
            Amount::seconds(sealing),
        ),
    ])
}

/// What wiped memory costs where nothing waits: parsing.
fn allocator(programs: &Programs, progress: &Progress) -> Result<Figure> {
    let mut times = ([Duration::ZERO; TURNS], [Duration::ZERO; TURNS]);
    for (plain, wiping) in times.0.iter_mut().zip(&mut times.1) {
        *plain = ours::seconds(&mut programs.command(ours::ENGINE))?;
        *wiping = ours::seconds(&mut programs.command(ours::WIPING))?;
    }
    progress.step(format_args!(
        "the engine's parsers, plain and wiping: {times:.2?}"
    ));
    let (plain, wiping) = (median(times.0), median(times.1));
    let more = (wiping.as_secs_f64() / plain.as_secs_f64() - 1.0) * 100.0;
    Ok(Figure::at_most(
        Amount::percent(ALLOCATOR),
        "more time for the engine's parsers with wiped memory",
        Amount::percent(more),
    ))
}

/// More than a job in each millisecond.
const OPENS: f64 = 1000.0;
const SHARE: f64 = 0.8;
const ALLOCATOR: f64 = 10.0;
const TURNS: usize = 5;
