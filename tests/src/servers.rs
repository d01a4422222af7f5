//! Real servers from Debian's packages to be recognised: beside the lab's own targets, which are set up with care, these
//! only have to answer. Each has an address of its own in a lab.
//!
//! A new one is a row in `servers/catalogue.rs`, and a file in `tests/lab/servers` if it wants a configuration.

mod catalogue;
mod package;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

pub use self::catalogue::ALL;
pub use self::package::{Packages, version};
use crate::lab::{Lab, Process};

/// One server, and what is to be found out about it.
#[derive(Debug)]
pub struct Server {
    /// Debian's package, whose version is the truth.
    pub package: &'static str,
    /// What is to be recognised.
    pub product: &'static str,
    /// Whether it tells its version to strangers.
    pub version: Version,
    /// Where it answers over TCP.
    pub ports: &'static [u16],
    /// How long it takes to start.
    pub start: Start,
    /// How the package comes to this machine.
    pub package_is: Place,
    files: &'static [(&'static str, &'static str)],
    environment: &'static [(&'static str, &'static str)],
    command: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Told,
    Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Within a second or two, from a small package: fit for every test run.
    Quick,
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Installed,
    /// It excludes others that are needed here: it lies in a folder, with these packages beside it.
    Unpacked(&'static [&'static str]),
}

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    pub server: &'static Server,
    pub address: Ipv4Addr,
    _process: Process,
}

/// Starts these servers in the lab, all at once, and waits until each of them answers.
pub fn start(lab: &Lab, servers: &[&'static Server], packages: &Packages) -> Result<Vec<Running>> {
    thread::scope(|scope| {
        let starting: Vec<_> = (1..)
            .zip(servers)
            .map(|(number, &server)| {
                scope.spawn(move || {
                    lab.admit_server(number)
                        .and_then(|address| start_one(lab, server, address, packages))
                        .with_context(|| format!("starting {}", server.package))
                })
            })
            .collect();
        starting
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn start_one(lab: &Lab, server: &'static Server, address: Ipv4Addr, packages: &Packages) -> Result<Running> {
    let dir = lab.dir().join(server.package);
    fs::create_dir(&dir)?;
    // Some run as a user of their own, and write here.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
    certificate(&dir)?;
    let root = packages.root();
    let filled = |template: &str| {
        template
            .replace("{address}", &address.to_string())
            .replace("{name}", "server.vedette.test")
            .replace("{dir}", &dir.to_string_lossy())
            .replace("{root}", &root.to_string_lossy())
    };
    for (name, template) in server.files {
        let path = dir.join(name);
        fs::write(&path, filled(template)).with_context(|| format!("writing {}", path.display()))?;
    }
    let (program, arguments) = server
        .command
        .split_first()
        .context("the catalogue names no program")?;
    let mut command = Command::new(filled(program));
    command
        .args(arguments.iter().map(|argument| filled(argument)))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", &dir)
        .envs(
            server
                .environment
                .iter()
                .map(|(name, value)| (name, filled(value))),
        )
        .current_dir(&dir);
    let ports: Vec<SocketAddr> = server.ports.iter().map(|port| (address, *port).into()).collect();
    let process = lab.spawn_serving(server.package, command, &ports)?;
    Ok(Running {
        server,
        address,
        _process: process,
    })
}

/// For those that speak TLS.
fn certificate(dir: &Path) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["server.vedette.test".to_owned()])?;
    fs::write(dir.join("certificate.pem"), made.cert.pem())?;
    fs::write(dir.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
}
