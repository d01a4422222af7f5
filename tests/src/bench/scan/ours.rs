//! vedette-scan, as a user runs it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::programs::{Programs, output_of};

pub(super) fn scan(programs: &Programs, host: Ipv4Addr) -> Result<(Duration, BTreeSet<u16>)> {
    let begun = Instant::now();
    let output = output_of(programs.command("vedette-scan").args([
        "ports",
        "--targets",
        &host.to_string(),
        "--json",
    ]))?;
    let took = begun.elapsed();
    Ok((took, open_ports(&output)?))
}

/// A line of the output, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    kind: String,
    port: Option<u16>,
    state: Option<String>,
}

fn open_ports(output: &str) -> Result<BTreeSet<u16>> {
    let mut open = BTreeSet::new();
    for line in output.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))?;
        if line.kind == "port" && line.state.as_deref() == Some("open") {
            open.extend(line.port);
        }
    }
    Ok(open)
}
