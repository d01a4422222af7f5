//! What a process holds in memory.

use std::fs;

use anyhow::{Context, Result};

/// The resident bytes of a process (`VmRSS`, proc_pid_status(5)).
pub(super) fn resident(process: u32) -> Result<u64> {
    field(process, "VmRSS:")
}

/// The most resident bytes that it ever had (`VmHWM`).
pub(super) fn peak(process: u32) -> Result<u64> {
    field(process, "VmHWM:")
}

fn field(process: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kilobytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} has no {name}"))?;
    Ok(kilobytes * 1024)
}
