//! The platform on this machine's loopback: its start is timed, so nothing else waits for it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client::Client;
use crate::platform::PlatformData;
use crate::programs::Programs;

/// A running `vedette-platform serve`. Killed when dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    begun: Instant,
    log: PathBuf,
}

impl Server {
    pub(super) fn start(programs: &Programs, data: &PlatformData) -> Result<Self> {
        let address = free_address()?;
        let log = data.dir().with_extension("log");
        let output = fs::File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let begun = Instant::now();
        let child = programs
            .command("vedette-platform")
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(data.dir())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("running vedette-platform")?;
        Ok(Self {
            child,
            address,
            begun,
            log,
        })
    }

    /// Waits until /health is answered with 200, and says how long that took since the start.
    pub(super) fn until_healthy(&self, client: &Client) -> Result<Duration> {
        loop {
            match client.open(self.address, "/health") {
                Ok(()) => return Ok(self.begun.elapsed()),
                Err(error) if self.begun.elapsed() > DEADLINE => {
                    let said = fs::read_to_string(&self.log).unwrap_or_default();
                    bail!("vedette-platform is not healthy after {DEADLINE:?}: {error:#}\n{said}");
                }
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// An address that nobody had a moment ago.
fn free_address() -> Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .context("looking for a free port")
}

const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(1);
