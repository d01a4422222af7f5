//! What a lab could leave behind, how it is recognised, and how it is cleared.
//!
//! Everything carries the prefix `vdt` and the lab's number, and nothing else is ever touched.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, kill_process};

use super::claim::{Claim, LabNumber};
use super::namespace::{Namespace, ip_on_host};

/// Where the directories of labs are. Not /tmp: disk images may be larger than a tmpfs.
pub(super) const DIRS: &str = "/var/tmp";

pub(super) fn dir_prefix(number: LabNumber) -> String {
    format!("{PREFIX}-{number}-")
}

/// The host's end of the veth.
pub(super) fn host_link(number: LabNumber) -> String {
    format!("{PREFIX}{number}")
}

/// Clears what labs left whose number is free, so that whoever held it is dead.
pub(super) fn clear_all_dead() -> Result<()> {
    for number in LabNumber::all() {
        if (link_is_there(number) || !dirs(number)?.is_empty())
            && let Some(claim) = Claim::try_take(number)?
        {
            clear(&claim)?;
        }
    }
    Ok(())
}

/// Clears what earlier labs of this number left. Who holds the claim knows that they are dead.
pub(super) fn clear(claim: &Claim) -> Result<()> {
    let number = claim.number();
    if link_is_there(number) {
        ip_on_host(&["link", "delete", &host_link(number)])?;
    }
    for dir in dirs(number)? {
        fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    Ok(())
}

/// Kills the process that was left to hold a lab, and waits until all others of the lab are gone with it.
pub(super) fn end_holder(number: LabNumber) -> Result<()> {
    let Some(holder) = Claim::holder(number)? else {
        return Ok(());
    };
    let namespace = File::open(format!("/proc/{}/ns/pid", holder.as_raw_nonzero()))?;
    kill_process(holder, Signal::KILL).context("killing the process that holds the lab")?;
    let end = Instant::now() + SETTLE;
    loop {
        let left = processes_in(&namespace);
        if left.is_empty() {
            return Ok(());
        }
        ensure!(
            Instant::now() < end,
            "still there after {SETTLE:?}: {}",
            left.join(", ")
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// What is left of a lab that has ended. Waits a little, for the kernel takes links down in the background.
pub(super) fn of(number: LabNumber, namespace: &Namespace) -> Vec<String> {
    let end = Instant::now() + SETTLE;
    loop {
        let mut left = processes_in(namespace.processes());
        if link_is_there(number) {
            // The namespace is still referred to by our own descriptors; the link need not wait for those.
            let _gone_already = ip_on_host(&["link", "delete", &host_link(number)]);
            if link_is_there(number) {
                left.push(format!("link {}", host_link(number)));
            }
        }
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn link_is_there(number: LabNumber) -> bool {
    Path::new("/sys/class/net").join(host_link(number)).exists()
}

/// Real directories of root's with the lab's prefix: in a directory where all may write, the name proves nothing.
fn dirs(number: LabNumber) -> Result<Vec<PathBuf>> {
    let prefix = dir_prefix(number);
    let mut found = Vec::new();
    for entry in fs::read_dir(DIRS).with_context(|| format!("listing {DIRS}"))? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(&prefix);
        if ours
            && entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == 0)
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn processes_in(namespace: &File) -> Vec<String> {
    let Ok(namespace) = namespace.metadata() else {
        return Vec::new();
    };
    let same = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (namespace.dev(), namespace.ino()))
    };
    let Ok(processes) = fs::read_dir("/proc") else {
        return vec!["an unreadable /proc".to_owned()];
    };
    processes
        .flatten()
        .filter(|process| same(&process.path().join("ns/pid")))
        .map(|process| {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            format!(
                "process {} ({})",
                process.file_name().to_string_lossy(),
                name.trim()
            )
        })
        .collect()
}

const PREFIX: &str = "vdt";
const SETTLE: Duration = Duration::from_secs(5);
