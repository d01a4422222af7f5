//! nmap's connect scan: the peer.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::programs::output_of;

pub(super) fn scan(host: Ipv4Addr) -> Result<(Duration, BTreeSet<u16>)> {
    let begun = Instant::now();
    let host = host.to_string();
    let output =
        output_of(Command::new("nmap").args(["-sT", "-T4", "-n", "-Pn", "-p-", "-oG", "-", host.as_str()]))?;
    let took = begun.elapsed();
    Ok((took, open_ports(&output)?))
}

/// The greppable format: `Host: … Ports: 22/open/tcp//ssh///, 80/open/tcp//http///<TAB>…`.
fn open_ports(output: &str) -> Result<BTreeSet<u16>> {
    let mut open = BTreeSet::new();
    for line in output.lines() {
        let Some((_, rest)) = line.split_once("Ports: ") else {
            continue;
        };
        let ports = rest.split('\t').next().unwrap_or_default();
        for entry in ports.split(", ") {
            let mut fields = entry.split('/');
            let (port, state) = (fields.next().unwrap_or_default(), fields.next());
            if state == Some("open") {
                open.insert(port.parse().with_context(|| format!("nmap said {entry:?}"))?);
            }
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ports_are_read_and_others_are_not() {
        let output = "# Nmap 7.93 scan initiated\n\
            Host: 198.18.0.2 ()\tStatus: Up\n\
            Host: 198.18.0.2 ()\tPorts: 1/open/tcp//tcpmux///, 53/open/tcp//domain///, \
            99/filtered/tcp//metagram///\tIgnored State: closed (65532)\n";
        assert_eq!(open_ports(output).unwrap(), BTreeSet::from([1, 53]));
    }
}
