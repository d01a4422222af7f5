//! nmap's version detection: the peer.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Said, Told, Truth, hosts, ports};
use crate::lab::Lab;

pub(super) fn scan(lab: &Lab, truths: &[Truth]) -> Result<(Duration, Told)> {
    let mut command = Command::new("nmap");
    command
        .args(["-sT", "-sV", "-T4", "-n", "-Pn", "-oG", "-", "-p", &ports(truths)])
        .args(hosts(truths).iter().map(ToString::to_string));
    let begun = Instant::now();
    let output = lab.inside(|| command.output())?.context("running nmap")?;
    let took = begun.elapsed();
    ensure!(
        output.status.success(),
        "nmap failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((took, told(&String::from_utf8_lossy(&output.stdout))))
}

/// The greppable format: `Host: 127.0.0.1 ()<TAB>Ports: 22/open/tcp//ssh//OpenSSH 9.2p1 Debian 2 (protocol 2.0)/, …`.
/// Products have no field of their own: name and version are the words of one.
fn told(output: &str) -> Told {
    let mut told = Told::new();
    for line in output.lines() {
        let Some((host, rest)) = line
            .strip_prefix("Host: ")
            .and_then(|line| line.split_once(" ()\tPorts: "))
        else {
            continue;
        };
        let Ok(host) = host.parse::<Ipv4Addr>() else {
            continue;
        };
        for entry in rest.split('\t').next().unwrap_or_default().split(", ") {
            let fields: Vec<&str> = entry.split('/').collect();
            let (Some(Ok(port)), Some(&"open"), Some(said)) = (
                fields.first().map(|port| port.parse::<u16>()),
                fields.get(1),
                fields.get(6),
            ) else {
                continue;
            };
            let version = said
                .split(' ')
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            told.insert(
                SocketAddrV4::new(host, port),
                Said {
                    product: (*said).to_owned(),
                    version: version.unwrap_or_default().to_owned(),
                },
            );
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_versions_are_read() {
        let output = "# Nmap 7.93 scan initiated\n\
            Host: 127.0.7.1 ()\tStatus: Up\n\
            Host: 127.0.7.1 ()\tPorts: 22/open/tcp//ssh//OpenSSH 9.2p1 Debian 2 (protocol 2.0)/, \
            53/closed/tcp//domain///, 80/open/tcp//http//lighttpd 1.4.69/\tIgnored State: closed\n";
        let told = told(output);
        assert_eq!(told.len(), 2);
        let ssh = &told[&"127.0.7.1:22".parse().unwrap()];
        assert_eq!(
            (ssh.version.as_str(), ssh.product.starts_with("OpenSSH")),
            ("9.2p1", true)
        );
    }
}
