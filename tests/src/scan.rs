//! A scan from begin to end, for tests that judge all that it found.

use std::time::Duration;

use anyhow::Result;
use tokio::{runtime, sync::mpsc};
use vedette_protocol::{Finding, Report, Scope, Timestamp, job::Checks};
use vedette_scanner::{Aids, Bounds, Event, Means, Scan, Tell, run_with};

/// A scan of a scope over TCP as any program may run it.
pub fn scan_of(scope: Scope, checks: Checks, time: Duration) -> Scan {
    Scan {
        scope: scope.into(),
        checks,
        now: Timestamp::now(),
        time,
        means: Means::Connect,
        bounds: Bounds::of_this_process(),
        tell: Tell::OpenPorts,
    }
}

/// Runs a scan to its end.
pub async fn gather(scan: Scan, aids: Aids) -> Result<(Vec<Finding>, Report)> {
    let (tell, mut told) = mpsc::channel(64);
    let listen = async {
        let mut findings = Vec::new();
        while let Some(event) = told.recv().await {
            if let Event::Found(finding) = event {
                findings.push(finding);
            }
        }
        findings
    };
    let (report, findings) = tokio::join!(run_with(scan, aids, tell), listen);
    Ok((findings, report?))
}

/// The same on this thread, in whatever network it stands.
pub fn gather_here(scan: Scan, aids: Aids) -> Result<(Vec<Finding>, Report)> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(gather(scan, aids))
}
