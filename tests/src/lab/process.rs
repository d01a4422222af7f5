//! A program that runs in the lab, with its output in a file.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;

/// A running program of the lab. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in the lab's network.
    pub(super) fn start(namespace: &Namespace, name: &str, command: Command, dir: &Path) -> Result<Self> {
        Self::logged(name, command, dir, |command| namespace.spawn(command))
    }

    /// Starts it in the host's network.
    pub(super) fn start_on_host(
        namespace: &Namespace,
        name: &str,
        command: Command,
        dir: &Path,
    ) -> Result<Self> {
        Self::logged(name, command, dir, |command| namespace.spawn_on_host(command))
    }

    fn logged(
        name: &str,
        mut command: Command,
        dir: &Path,
        spawn: impl FnOnce(Command) -> Result<Child>,
    ) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("making {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = spawn(command).with_context(|| format!("starting {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// The program's id, as the host sees it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child
            .try_wait()
            .with_context(|| format!("waiting for {}", self.name))
    }

    /// Waits until it ends.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!(
                    "{} still runs after {deadline:?}; it said:\n{}",
                    self.name,
                    self.said()
                );
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until it accepts a connection from the lab at `address`.
    pub(super) fn wait_for_port(
        &mut self,
        namespace: &Namespace,
        address: SocketAddr,
        deadline: Duration,
    ) -> Result<()> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                bail!(
                    "{} ended at once ({status}); it said:\n{}",
                    self.name,
                    self.said()
                );
            }
            let connected = namespace.inside(|| TcpStream::connect_timeout(&address, CONNECT))?;
            match connected {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => bail!(
                    "{} does not answer at {address} after {deadline:?} ({error}); it said:\n{}",
                    self.name,
                    self.said()
                ),
                Err(_) => thread::sleep(POLL),
            }
        }
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let start = text.len().saturating_sub(TAIL);
        String::from_utf8_lossy(text.get(start..).unwrap_or_default()).into_owned()
    }

    /// Lets it run until its lab ends.
    pub fn leave_running(self) {
        std::mem::forget(self);
    }

    /// Ends it now.
    pub fn reap(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.reap();
    }
}

const POLL: Duration = Duration::from_millis(20);
const CONNECT: Duration = Duration::from_secs(1);
const TAIL: usize = 4096;
