//! nmap and masscan: the peers.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use super::field::Field;
use super::ours::Running;
use super::{Open, Scanned, host};
use crate::programs::output_of;

pub(super) fn nmap(field: &Field, ports: &str) -> Result<Scanned> {
    let begun = Instant::now();
    let targets = field.targets_of_nmap();
    let arguments = [
        "-sS",
        "-T4",
        "-n",
        "-Pn",
        "-p",
        ports,
        "-oG",
        "-",
        targets.as_str(),
    ];
    let output = output_of(field.command("nmap").args(arguments))?;
    Ok(Scanned {
        took: begun.elapsed(),
        open: open_of_nmap(&output)?,
        miss: 0.0,
    })
}

pub(super) fn masscan(field: &Field, ports: &str, rate: u32) -> Result<Scanned> {
    let begun = Instant::now();
    let (targets, rate) = (field.targets(), rate.to_string());
    let arguments = [
        targets.as_str(),
        "-p",
        ports,
        "--rate",
        rate.as_str(),
        "--wait",
        "2",
        "-oL",
        "-",
    ];
    let output = output_of(field.command("masscan").args(arguments))?;
    Ok(Scanned {
        took: begun.elapsed(),
        open: open_of_masscan(&output)?,
        miss: 0.0,
    })
}

/// Starts masscan as fast as it goes, on one core alone, over more ports than it gets done with; nobody waits for it.
pub(super) fn masscan_on_one_core(field: &Field) -> Result<Running> {
    let child = field
        .command_on_one_core("masscan")
        .args(["10.99.1.0/24", "-p", "1-65535", "--rate", "10000000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("running masscan")?;
    Ok(Running(child))
}

/// The greppable format: `Host: 10.99.1.1 () Ports: 22/open/tcp//ssh///, …`.
fn open_of_nmap(output: &str) -> Result<Open> {
    let mut open = Open::new();
    for line in output.lines() {
        let Some((head, rest)) = line.split_once("Ports: ") else {
            continue;
        };
        let target = host(head.split_whitespace().nth(1).unwrap_or_default())?;
        for entry in rest.split('\t').next().unwrap_or_default().split(", ") {
            let mut fields = entry.split('/');
            let (port, state) = (fields.next().unwrap_or_default(), fields.next());
            if state == Some("open") {
                open.insert((
                    target,
                    port.parse().with_context(|| format!("nmap said {entry:?}"))?,
                ));
            }
        }
    }
    Ok(open)
}

/// A line for each: `open tcp 22 10.99.1.1 1767225600`.
fn open_of_masscan(output: &str) -> Result<Open> {
    let mut open = Open::new();
    for line in output.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("open") {
            let (port, target) = (words.nth(1).unwrap_or_default(), words.next().unwrap_or_default());
            open.insert((
                host(target)?,
                port.parse().with_context(|| format!("masscan said {line:?}"))?,
            ));
        }
    }
    Ok(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_ports_are_read_of_both() {
        let expected = Open::from([([10, 99, 1, 2].into(), 22), ([10, 99, 1, 2].into(), 80)]);
        let nmap = "Host: 10.99.1.2 ()\tStatus: Up\n\
            Host: 10.99.1.2 ()\tPorts: 22/open/tcp//ssh///, 80/open/tcp//http///, 81/filtered/tcp/////\tIgnored";
        assert_eq!(open_of_nmap(nmap).unwrap(), expected);
        let masscan = "#masscan\nopen tcp 22 10.99.1.2 1767225600\nopen tcp 80 10.99.1.2 1767225600\n# end\n";
        assert_eq!(open_of_masscan(masscan).unwrap(), expected);
    }
}
