//! The platform's program: how large it is, how soon it answers, and what it holds in memory when nobody asks.

mod client;
mod server;

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use self::client::Client;
use self::server::Server;
use super::amount::Amount;
use super::figure::Figure;
use super::median::median;
use super::progress::Progress;
use super::resident::resident;
use crate::platform::PlatformData;
use crate::programs::Programs;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building vedette-platform");
    let programs = Programs::release("vedette-platform")?;
    let program = programs.path("vedette-platform");
    let size = fs::metadata(&program)
        .with_context(|| format!("looking at {}", program.display()))?
        .len();

    let dir = TempDir::new().context("making a directory for the platform")?;
    let data = PlatformData::at(&programs, &dir.path().join("data"))?;
    let client = Client::that_trusts(&data.ca())?;
    let mut starts = [Duration::ZERO; RUNS];
    for (run, start) in starts.iter_mut().enumerate() {
        let server = Server::start(&programs, &data)?;
        *start = server.until_healthy(&client)?;
        progress.step(format_args!("start {} of {RUNS}: {start:.0?}", run + 1));
    }

    let server = Server::start(&programs, &data)?;
    server.until_healthy(&client)?;
    // Idle is what is left after use: the first login costs argon2's memory, the document its text.
    client.log_in(server.address(), &data.first_login())?;
    client.open(server.address(), "/openapi.json")?;
    thread::sleep(SETTLE);
    let memory = resident(server.id())?;
    progress.step(format_args!("{} KiB resident when idle", memory / 1024));

    Ok(vec![
        Figure::at_most(
            Amount::mebibytes(40 << 20),
            "size of vedette-platform",
            Amount::mebibytes(size),
        ),
        Figure::at_most(
            Amount::milliseconds(Duration::from_millis(300)),
            "start of vedette-platform to the first answer",
            Amount::milliseconds(median(starts)),
        ),
        Figure::at_most(
            Amount::mebibytes(64 << 20),
            "memory of vedette-platform when idle after a login",
            Amount::mebibytes(memory),
        ),
    ])
}

const RUNS: usize = 5;
const SETTLE: Duration = Duration::from_secs(3);
