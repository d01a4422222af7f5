//! dnsmasq: DHCP for the appliances, and the lab's names. It knows no other server, so nothing leaves the lab.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::namespace::Namespace;
use super::process::Process;
use super::subnet::Subnet;
use super::targets::Target;
use super::{PLATFORM_NAME, START_DEADLINE};

pub(super) fn start(
    namespace: &Namespace,
    subnet: Subnet,
    targets: &[Target],
    dir: &Path,
) -> Result<Process> {
    let config = dir.join("dnsmasq.conf");
    let (first, last) = subnet.pool();
    let mut text = include_str!("../../lab/dnsmasq.conf")
        .replace("{address}", &subnet.dns().to_string())
        .replace("{first}", &first.to_string())
        .replace("{last}", &last.to_string())
        .replace("{dir}", &dir.to_string_lossy());
    text.push_str(&format!("host-record={PLATFORM_NAME},{}\n", subnet.platform()));
    for target in targets {
        text.push_str(&format!(
            "host-record={},{}\n",
            target.host_name(),
            subnet.host(target.seat())
        ));
    }
    fs::write(&config, text).with_context(|| format!("writing {}", config.display()))?;

    let mut command = Command::new("dnsmasq");
    command
        .arg("--keep-in-foreground")
        .arg("--log-facility=-")
        .arg(format!("--conf-file={}", config.display()));
    let mut process = Process::start(namespace, "dnsmasq", command, dir)?;
    process.wait_for_port(namespace, (subnet.dns(), 53).into(), START_DEADLINE)?;
    Ok(process)
}

/// A line of the lease file is: expiry, hardware address, IP address, name, client id.
pub(super) fn leased(dir: &Path, mac: &str) -> Result<Option<Ipv4Addr>> {
    let path = dir.join(LEASES);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("reading {}", path.display())),
    };
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace().skip(1);
        match (words.next(), words.next()) {
            (Some(its_mac), Some(address)) if its_mac == mac => {
                return Ok(Some(
                    address
                        .parse()
                        .with_context(|| format!("in {}: {line:?}", path.display()))?,
                ));
            }
            (Some(_), Some(_)) => {}
            _ => bail!("{} has a line that is no lease: {line:?}", path.display()),
        }
    }
    Ok(None)
}

pub(super) const LEASES: &str = "leases";
