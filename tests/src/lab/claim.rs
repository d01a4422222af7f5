//! A lab's number, held by a lock on a file: two labs never have the same one, and a dead lab's is free at once.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::Pid;

/// The number of a lab, and the third byte of its subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabNumber(u8);

impl LabNumber {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }

    /// The number that somebody noted.
    pub fn noted(number: u8) -> Self {
        Self(number)
    }

    pub(super) fn byte(self) -> u8 {
        self.0
    }
}

impl fmt::Display for LabNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to use a number, until dropped.
#[derive(Debug)]
pub(super) struct Claim {
    number: LabNumber,
    lock: File,
}

impl Claim {
    /// Takes the lowest number that is free.
    pub(super) fn take() -> Result<Self> {
        for number in LabNumber::all() {
            if let Some(claim) = Self::try_take(number)? {
                return Ok(claim);
            }
        }
        bail!("all 256 lab numbers are taken; `ls {LOCKS}` names them, end some labs")
    }

    /// Takes this number if it is free.
    pub(super) fn try_take(number: LabNumber) -> Result<Option<Self>> {
        if let Err(error) = fs::DirBuilder::new().mode(0o700).create(LOCKS)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error).context(format!("making {LOCKS}; labs need root"));
        }
        let path = lock_path(number);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("opening {}; labs need root", path.display()))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { number, lock })),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    /// Waits until this number is free, and takes it.
    pub(super) fn wait_for(number: LabNumber) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(claim) = Self::try_take(number)? {
                return Ok(claim);
            }
            ensure!(
                Instant::now() < end,
                "lab {number} is still running after {PATIENCE:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process that was left to hold this number, if it still does.
    pub(super) fn holder(number: LabNumber) -> Result<Option<Pid>> {
        let path = lock_path(number);
        let noted = match fs::read_to_string(&path) {
            Ok(noted) => noted,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("reading {}", path.display())),
        };
        let Ok(holder) = noted.trim().parse::<i32>() else {
            return Ok(None);
        };
        // The number may be another process's by now: only one that has the lock open is the holder.
        let holds = fs::read_link(format!("/proc/{holder}/fd/1")).is_ok_and(|open| open == path);
        Ok(Pid::from_raw(holder).filter(|_| holds))
    }

    /// Notes who holds the number when this process does no more.
    pub(super) fn name_holder(&self, process: u32) -> Result<()> {
        self.lock.set_len(0)?;
        (&self.lock)
            .write_all(process.to_string().as_bytes())
            .context("noting who holds the lab's number")
    }

    pub(super) fn number(&self) -> LabNumber {
        self.number
    }

    /// The lock, for a process that is to hold it too.
    pub(super) fn lock(&self) -> Result<Stdio> {
        Ok(self
            .lock
            .try_clone()
            .context("sharing the lock on the lab's number")?
            .into())
    }
}

fn lock_path(number: LabNumber) -> PathBuf {
    PathBuf::from(LOCKS).join(format!("{number}.lock"))
}

const PATIENCE: Duration = Duration::from_secs(10);
/// Root's own directory, so that nobody else can hold a lab up.
const LOCKS: &str = "/run/vdt";
