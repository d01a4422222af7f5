//! vedette-scan, as a user runs it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vedette_protocol::{Finding, finding::Evidence};

use super::Spoken;
use crate::programs::{Programs, output_of};

/// The suites of TLS 1.3 (RFC 8446, appendix B.4).
const TLS13: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:\
    TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";

/// The numbers of suites by IANA's names of them, as openssl knows them.
pub(super) fn numbers() -> Result<BTreeMap<String, u16>> {
    let all = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    // Those of TLS 1.3 are asked for by name: openssl lists three of its five unless told.
    let output =
        output_of(Command::new("openssl").args(["ciphers", "-V", "-stdname", "-ciphersuites", TLS13, all]))?;
    // `0xC0,0x2F - TLS_… - …`
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let number = words.next()?.replace("0x", "").replace(',', "");
        let number = u16::from_str_radix(&number, 16).ok()?;
        Some((words.nth(1)?.to_owned(), number))
    };
    Ok(output.lines().filter_map(row).collect())
}

pub(super) fn scan(
    programs: &Programs,
    numbers: &BTreeMap<String, u16>,
    endpoint: SocketAddr,
) -> Result<(Duration, Spoken)> {
    let begun = Instant::now();
    let (host, port) = (endpoint.ip().to_string(), endpoint.port().to_string());
    let flags = ["tls", "--json", "--targets", &host, "--ports", &port];
    let output = output_of(programs.command("vedette-scan").args(flags))?;
    let took = begun.elapsed();
    let mut spoken = Spoken::new();
    // The last line is the report.
    for finding in output
        .lines()
        .filter_map(|line| serde_json::from_str::<Finding>(line).ok())
    {
        if finding.type_.name() == "tls-suites" {
            for evidence in &finding.evidence {
                if let Evidence::TlsSuite { version, suite } = evidence {
                    let number = numbers.get(suite.as_str());
                    let number = number.with_context(|| format!("openssl knows no {suite}"))?;
                    spoken.insert((version.to_string(), *number));
                }
            }
        }
    }
    Ok((took, spoken))
}
