//! age, a peer that encrypts files in chunks of 64 KiB as well (with ChaCha20-Poly1305).

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::ours::MEASURE;
use crate::bench::median::median;
use crate::programs::{Programs, output_of};

/// Of the file.
pub(super) const MEBIBYTES: usize = 128;

/// The time of ours and of age for the same file, in memory, in turn.
pub(super) fn in_turn(programs: &Programs) -> Result<(Duration, Duration)> {
    let folder = tempfile::tempdir_in("/dev/shm").context("making a folder in memory")?;
    let file = |name: &str| folder.path().join(name);
    let (content, ours, theirs) = (file("content"), file("ours"), file("theirs"));
    fs::write(&content, vec![b'x'; MEBIBYTES << 20]).context("writing a file")?;
    let recipient = recipient(&file("key"))?;
    let mut times = ([Duration::ZERO; TURNS], [Duration::ZERO; TURNS]);
    for (our_time, their_time) in times.0.iter_mut().zip(&mut times.1) {
        *our_time = time(programs.command(MEASURE).arg("seal").args([&content, &ours]))?;
        *their_time = time(
            Command::new("age")
                .args(["-r", &recipient, "-o"])
                .args([&theirs, &content]),
        )?;
        for sealed in [&ours, &theirs] {
            fs::remove_file(sealed).context("removing a sealed file")?;
        }
    }
    Ok((median(times.0), median(times.1)))
}

fn recipient(key: &Path) -> Result<String> {
    output_of(Command::new("age-keygen").arg("-o").arg(key))?;
    let printed = output_of(Command::new("age-keygen").arg("-y").arg(key))?;
    Ok(printed.trim().to_owned())
}

fn time(command: &mut Command) -> Result<Duration> {
    let begun = Instant::now();
    output_of(command)?;
    Ok(begun.elapsed())
}

const TURNS: usize = 5;
