//! PostgreSQL, which has each way of asking for a password.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Stdio,
};

use anyhow::{Context, Result};
use tempfile::TempDir;
use vedette_protocol::Digest;

use super::{
    USER,
    server::{Server, as_nobody, certify, give},
};
use crate::programs::output_of;

/// PostgreSQL where it is at home, so that nobody waits for it to greet: on its port of an address of loopback.
#[derive(Debug)]
pub struct Postgres {
    _process: Server,
    files: TempDir,
    /// Where it listens.
    pub endpoint: SocketAddr,
    /// The digest of its public key.
    pub spki: Digest,
    /// Its version.
    pub version: String,
}

impl Postgres {
    /// Starts it. [`USER`] may log in with the password by SCRAM; `hashed` by MD5 and `plain` as it stands, over TLS;
    /// `prepared` by SCRAM with the password `IX`.
    pub fn start(address: Ipv4Addr, password: &str) -> Result<Self> {
        let programs = programs()?;
        let files = tempfile::tempdir().context("making a folder for PostgreSQL")?;
        let dir = files.path();
        give(dir)?;
        let data = dir.join("data");
        output_of(
            as_nobody(programs.join("initdb"))
                .args(["--auth=trust", "--no-locale", "--encoding=UTF8", "--no-sync"])
                .args(["--username=owner", "-D"])
                .arg(&data),
        )?;
        let spki = certify(&data)?;
        fs::write(
            data.join("pg_hba.conf"),
            "local all owner trust\n\
             hostssl all plain all password\n\
             hostssl all hashed all md5\n\
             host all scanner,prepared all scram-sha-256\n",
        )?;
        give(&data)?;
        fs::set_permissions(data.join("key.pem"), fs::Permissions::from_mode(0o600))?;
        let log = fs::File::create(dir.join("log"))?;
        let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
        let process = as_nobody(programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(setting("listen_addresses", &address.to_string()))
            .args(setting("unix_socket_directories", &dir.to_string_lossy()))
            .args(setting("ssl", "on"))
            .args(setting("ssl_cert_file", "certificate.pem"))
            .args(setting("ssl_key_file", "key.pem"))
            .args(setting("log_connections", "on"))
            .args(setting("fsync", "off"))
            .args(setting("shared_buffers", "16MB"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting PostgreSQL")?;
        let ask = |sql: &str| {
            let mut psql = as_nobody(programs.join("psql"));
            psql.arg("-h").arg(dir);
            psql.args(["-U", "owner", "-d", "postgres", "-Atqc", sql]);
            psql
        };
        let mut process = Server(process);
        process.wait(
            || {
                ask("SELECT 1")
                    .output()
                    .is_ok_and(|output| output.status.success())
            },
            || fs::read_to_string(dir.join("log")).unwrap_or_default(),
        )?;
        output_of(&mut ask(&format!(
            "CREATE ROLE {USER} LOGIN PASSWORD '{password}'; CREATE ROLE plain LOGIN PASSWORD '{password}';
             CREATE ROLE prepared LOGIN PASSWORD 'IX'; SET password_encryption = 'md5';
             CREATE ROLE hashed LOGIN PASSWORD '{password}';"
        )))?;
        let version = output_of(&mut ask("SHOW server_version"))?;
        let version = version.split_whitespace().next().unwrap_or_default().to_owned();
        Ok(Self {
            _process: process,
            files,
            endpoint: (address, 5432).into(),
            spki,
            version,
        })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.files.path().join("log")).unwrap_or_default()
    }
}

/// Debian keeps each version in a folder of its own: the newest will do.
pub fn programs() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").context("looking for PostgreSQL")?;
    versions
        .flatten()
        .filter(|entry| entry.path().join("bin/postgres").exists())
        .max_by_key(|entry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0))
        .map(|entry| entry.path().join("bin"))
        .context("no PostgreSQL server in /usr/lib/postgresql; see tests/packages")
}
