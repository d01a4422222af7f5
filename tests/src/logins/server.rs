//! What the servers have in common: a user, a certificate, a free port, and an end.

use std::{
    ffi::OsStr,
    fs,
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use vedette_protocol::Digest;

use crate::programs::output_of;

/// A server's process, which is asked to end when it is dropped: servers with children end them then.
#[derive(Debug)]
pub struct Server(pub Child);

impl Server {
    /// Waits until it answers; the log says why it does not.
    pub fn wait(&mut self, answers: impl Fn() -> bool, log: impl Fn() -> String) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !answers() {
            let ended = self.0.try_wait().context("waiting for a server")?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("a server does not answer: {ended:?} {}", log());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Puts `certificate.pem` and `key.pem` into a folder: the digest of the public key.
pub fn certify(dir: &Path) -> Result<Digest> {
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec!["server.example".to_owned()])?.self_signed(&key)?;
    fs::write(dir.join("certificate.pem"), certificate.pem()).context("writing a certificate")?;
    fs::write(dir.join("key.pem"), key.serialize_pem()).context("writing a certificate's key")?;
    Ok(Digest::of(&key.subject_public_key_info()))
}

/// A program as the user nobody: database servers do not run as root.
pub fn as_nobody(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "--no-new-privs",
        ])
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

/// Gives a folder and what is in it to that user.
pub fn give(folder: &Path) -> Result<()> {
    output_of(Command::new("chown").args(["-R", "65534:65534"]).arg(folder)).map(drop)
}

/// A port of this address that nobody listens on.
pub fn free_port(address: IpAddr) -> Result<u16> {
    let listener = TcpListener::bind((address, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}
