//! vedette-scan, as a user runs it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::field::Field;
use super::{Open, Scanned, host};
use crate::programs::{Programs, output_of};

/// A line of the output, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    target: Option<String>,
    port: Option<u16>,
    state: Option<String>,
    miss_probability: Option<f64>,
}

pub(super) fn scan(field: &Field, programs: &Programs, ports: &str) -> Result<Scanned> {
    let program = program(programs);
    let begun = Instant::now();
    let arguments = ["ports", "--targets", &field.targets(), "--ports", ports, "--json"];
    let output = output_of(field.command(&program).args(arguments))?;
    let took = begun.elapsed();
    let (mut open, mut miss) = (Open::new(), 0.0);
    for line in output.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))?;
        if let (Some(target), Some(port), Some("open")) = (&line.target, line.port, line.state.as_deref()) {
            open.insert((host(target)?, port));
        }
        miss = line.miss_probability.unwrap_or(miss);
    }
    Ok(Scanned { took, open, miss })
}

/// Starts a scan that nobody waits for.
pub(super) fn start(field: &Field, programs: &Programs, arguments: &[&str]) -> Result<Running> {
    started(field.command(&program(programs)), arguments)
}

/// The same, on one core alone.
pub(super) fn start_on_one_core(field: &Field, programs: &Programs, arguments: &[&str]) -> Result<Running> {
    started(field.command_on_one_core(&program(programs)), arguments)
}

fn program(programs: &Programs) -> String {
    programs.path("vedette-scan").display().to_string()
}

fn started(mut command: Command, arguments: &[&str]) -> Result<Running> {
    let child = command
        .args(["ports", "--json"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("running vedette-scan")?;
    Ok(Running(child))
}

/// Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The most that a scan held in memory (`VmHWM`, proc_pid_status(5)), looked at while it ran for some seconds.
pub(super) fn most_memory(field: &Field, programs: &Programs, arguments: &[&str]) -> Result<u64> {
    let arguments = [arguments, &["--rate", "5000000", "--time", "20"]].concat();
    let running = start(field, programs, &arguments)?;
    let path = format!("/proc/{}/status", running.0.id());
    let mut most = 0;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(200));
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let held = status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        });
        most = most.max(held.unwrap_or(0) * 1024);
    }
    Ok(most)
}
