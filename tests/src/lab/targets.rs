//! The servers to be scanned: real ones, from Debian's packages, each with an address and a name of its own.
//!
//! A new one is a line in each table here and a file beside the others.

mod certificate;
mod mariadb;
mod nginx;
mod openssh;
mod postgres;
mod redis;
mod smtp;
mod snmp;
mod vsftpd;

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::fs::{Gid, Uid};

use super::START_DEADLINE;
use super::namespace::Namespace;
use super::process::Process;
use super::subnet::Subnet;

/// A server of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// nginx as one should run it.
    GoodWeb,
    /// nginx with a directory listing, `.git` and `.env` in the open, an expired certificate and its version shown.
    BadWeb,
    /// OpenSSH.
    Ssh,
    /// Redis that asks for no password.
    Redis,
    /// vsftpd with anonymous access.
    Ftp,
    Postgres,
    Mariadb,
    /// aiosmtpd: unlike the big mail servers it can be installed beside whichever one the machine has.
    Smtp,
    /// snmpd, over UDP alone.
    Snmp,
}

impl Target {
    pub const ALL: [Self; 9] = [
        Self::GoodWeb,
        Self::BadWeb,
        Self::Ssh,
        Self::Redis,
        Self::Ftp,
        Self::Postgres,
        Self::Mariadb,
        Self::Smtp,
        Self::Snmp,
    ];

    /// Its name, as in `ssh.vedette.test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GoodWeb => "good-web",
            Self::BadWeb => "bad-web",
            Self::Ssh => "ssh",
            Self::Redis => "redis",
            Self::Ftp => "ftp",
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Smtp => "smtp",
            Self::Snmp => "snmp",
        }
    }

    /// Its name in the lab's DNS.
    pub fn host_name(self) -> String {
        format!("{}.vedette.test", self.name())
    }

    /// The ports of TCP on which it answers, and no others.
    pub fn ports(self) -> &'static [u16] {
        match self {
            Self::GoodWeb | Self::BadWeb => &[80, 443],
            Self::Ssh => &[22],
            Self::Redis => &[6379],
            Self::Ftp => &[21],
            Self::Postgres => &[5432],
            Self::Mariadb => &[3306],
            Self::Smtp => &[25],
            Self::Snmp => &[],
        }
    }

    /// The last byte of its address.
    pub(super) fn seat(self) -> u8 {
        match self {
            Self::GoodWeb => 10,
            Self::BadWeb => 11,
            Self::Ssh => 12,
            Self::Redis => 13,
            Self::Ftp => 14,
            Self::Postgres => 15,
            Self::Mariadb => 16,
            Self::Smtp => 17,
            Self::Snmp => 18,
        }
    }

    fn command(self, place: &Place) -> Result<Command> {
        match self {
            Self::GoodWeb => nginx::good(place),
            Self::BadWeb => nginx::bad(place),
            Self::Ssh => openssh::command(place),
            Self::Redis => redis::command(place),
            Self::Ftp => vsftpd::command(place),
            Self::Postgres => postgres::command(place),
            Self::Mariadb => mariadb::command(place),
            Self::Smtp => smtp::command(place),
            Self::Snmp => snmp::command(place),
        }
    }
}

/// Starts these servers, all at once, and waits until each of them answers.
pub(super) fn start(
    namespace: &Namespace,
    subnet: Subnet,
    targets: &[Target],
    dir: &Path,
) -> Result<Vec<Process>> {
    thread::scope(|scope| {
        let starting: Vec<_> = targets
            .iter()
            .map(|&target| scope.spawn(move || start_one(namespace, subnet, target, dir)))
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

fn start_one(namespace: &Namespace, subnet: Subnet, target: Target, dir: &Path) -> Result<Process> {
    let name = target.name();
    let address = subnet.host(target.seat());
    let place = Place {
        address,
        host_name: target.host_name(),
        dir: dir.join(name),
    };
    fs::create_dir(&place.dir).with_context(|| format!("making {}", place.dir.display()))?;
    place.give("")?;
    let command = target
        .command(&place)
        .with_context(|| format!("setting {name} up"))?;

    namespace.add_address(address)?;
    let mut process = Process::start(namespace, name, command, dir)?;
    for &port in target.ports() {
        process.wait_for_port(namespace, (address, port).into(), START_DEADLINE)?;
    }
    Ok(process)
}

/// Where one server stands: its address, its name, and its own directory.
#[derive(Debug)]
struct Place {
    address: Ipv4Addr,
    host_name: String,
    dir: PathBuf,
}

impl Place {
    /// Writes a file into the server's directory, with the words in braces filled in.
    fn write(&self, name: &str, template: &str) -> Result<PathBuf> {
        let text = template
            .replace("{address}", &self.address.to_string())
            .replace("{name}", &self.host_name)
            .replace("{dir}", &self.dir.to_string_lossy());
        let path = self.dir.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Makes a directory that the server may write to.
    fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        self.give(name)?;
        Ok(path)
    }

    /// Hands a file or directory to the user that the servers run as.
    fn give(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        rustix::fs::chown(&path, Some(Uid::from_raw(NOBODY)), Some(Gid::from_raw(NOBODY)))
            .with_context(|| format!("giving {} to nobody", path.display()))
    }

    /// A program as the user nobody, without any privilege or a way to gain one.
    fn unprivileged(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={NOBODY}"))
            .arg(format!("--regid={NOBODY}"))
            .args([
                "--clear-groups",
                "--no-new-privs",
                "--inh-caps=-all",
                "--bounding-set=-all",
            ])
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir(&self.dir);
        command
    }
}

/// Runs a preparing step to its end.
fn run(mut command: Command) -> Result<()> {
    let name = format!("{command:?}");
    let output = command
        .output()
        .with_context(|| format!("running {name}; see tests/packages"))?;
    ensure!(
        output.status.success(),
        "{name} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The user that every Debian has for what should own nothing.
const NOBODY: u32 = 65534;
