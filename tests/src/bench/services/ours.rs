//! vedette-scan, as a user runs it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Said, Told, Truth, hosts, ports};
use crate::lab::Lab;
use crate::programs::Programs;

pub(super) fn scan(lab: &Lab, programs: &Programs, truths: &[Truth]) -> Result<(Duration, Told)> {
    let hosts: Vec<String> = hosts(truths).iter().map(ToString::to_string).collect();
    let mut command = programs.command("vedette-scan");
    command.args([
        "services",
        "--json",
        "--targets",
        &hosts.join(","),
        "--ports",
        &ports(truths),
    ]);
    let begun = Instant::now();
    let output = lab.inside(|| command.output())?.context("running vedette-scan")?;
    let took = begun.elapsed();
    // 3: some of it went unanswered, which what follows will show.
    if !matches!(output.status.code(), Some(0 | 3)) {
        bail!("vedette-scan failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok((took, told(&String::from_utf8(output.stdout)?)?))
}

/// A line of the output, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Line {
    kind: String,
    #[serde(rename = "type")]
    type_: Option<String>,
    target: Option<Ipv4Addr>,
    port: Option<u16>,
    product: Option<String>,
    version: Option<String>,
}

fn told(output: &str) -> Result<Told> {
    let mut told = Told::new();
    for line in output.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))?;
        let is_service = line.kind == "service" && line.type_.as_deref() == Some("service");
        if let (true, Some(target), Some(port)) = (is_service, line.target, line.port) {
            let (product, version) = (line.product.unwrap_or_default(), line.version.unwrap_or_default());
            told.insert(SocketAddrV4::new(target, port), Said { product, version });
        }
    }
    Ok(told)
}
