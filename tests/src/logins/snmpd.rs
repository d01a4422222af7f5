//! net-snmp's agent.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::server::Server;
use crate::programs::output_of;

/// net-snmp's agent on loopback.
#[derive(Debug)]
pub struct Agent {
    _process: Server,
    _files: TempDir,
    community: String,
    /// Where it listens.
    pub port: u16,
}

impl Agent {
    /// What it calls itself.
    pub const NAME: &str = "edge.example";

    /// Starts it, for who knows the community.
    pub fn start(community: &str) -> Result<Self> {
        let files = tempfile::tempdir().context("making a folder for snmpd")?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
        let port = socket.local_addr()?.port();
        drop(socket);
        let config = files.path().join("config");
        let name = Self::NAME;
        fs::write(
            &config,
            format!("rocommunity {community} 127.0.0.1\nsysName {name}\n"),
        )?;
        let log = fs::File::create(files.path().join("log"))?;
        let process = Command::new("snmpd")
            .args(["-f", "-Lo", "-C", "-c"])
            .arg(&config)
            .arg("-p")
            .arg(files.path().join("pid"))
            .arg(format!("udp:127.0.0.1:{port}"))
            .env("SNMP_PERSISTENT_DIR", files.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .context("starting snmpd")?;
        let mut process = Server(process);
        process.wait(
            || get(port, community, SYS_NAME).is_ok_and(|name| name.contains(Self::NAME)),
            || fs::read_to_string(files.path().join("log")).unwrap_or_default(),
        )?;
        Ok(Self {
            _process: process,
            _files: files,
            community: community.to_owned(),
            port,
        })
    }

    /// How many questions came under a community that it does not know.
    pub fn refused(&self) -> Result<u64> {
        let counted = get(self.port, &self.community, BAD_COMMUNITIES)?;
        let count = counted.split_whitespace().last().unwrap_or_default();
        count
            .parse()
            .with_context(|| format!("snmpget printed {counted}"))
    }
}

/// An object, by another's tool.
fn get(port: u16, community: &str, object: &str) -> Result<String> {
    output_of(
        Command::new("snmpget")
            .args(["-v2c", "-c", community, "-t", "1", "-r", "0", "-On"])
            .arg(format!("127.0.0.1:{port}"))
            .arg(object),
    )
}

const SYS_NAME: &str = ".1.3.6.1.2.1.1.5.0";
/// snmpInBadCommunityNames (RFC 3418).
const BAD_COMMUNITIES: &str = ".1.3.6.1.2.1.11.4.0";
