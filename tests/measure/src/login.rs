//! From a signed job to the moment in which a real OpenSSH has let its worker in.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use vedette_protocol::{
    Digest,
    credential::{Login, SecretText, Trust},
    job::Check,
};
use zeroize::Zeroizing;

use crate::visit::Visit;

/// An OpenSSH, and who may log in.
#[derive(Debug)]
pub struct Host {
    /// Where it listens.
    pub endpoint: SocketAddr,
    /// Its host key as `ssh-keygen -l` prints it.
    pub key: String,
    /// Where it writes what happens.
    pub log: PathBuf,
    /// Who.
    pub user: String,
    /// With which password.
    pub password: String,
}

/// How long it takes from the job's order to the login.
///
/// # Errors
/// When nobody is let in.
pub fn measure(host: &Host) -> Result<Duration> {
    let digest = host.key.strip_prefix("SHA256:").unwrap_or_default();
    let digest = STANDARD_NO_PAD.decode(digest).context("reading the host key")?;
    let digest = Digest(digest.try_into().ok().context("reading the host key")?);
    let login = Login::SshPassword {
        user: host.user.clone(),
        password: SecretText::new(Zeroizing::new(host.password.clone())),
    };
    let trust = Trust::SshHostKey(digest);
    let visit = Visit::new(&[Check::Inventory], None, host.endpoint, &login, trust)?;
    let before = logins(&host.log)?;
    let log = host.log.clone();
    let begun = Instant::now();
    let watching = thread::spawn(move || wait_for_login(&log, before));
    visit.run()?;
    let logged_in = watching.join().ok().context("watching the host's log")??;
    Ok(logged_in - begun)
}

fn wait_for_login(log: &Path, before: usize) -> Result<Instant> {
    let end = Instant::now() + LIMIT;
    loop {
        let now = Instant::now();
        if logins(log)? > before {
            return Ok(now);
        }
        ensure!(now < end, "nobody was let in within {LIMIT:?}");
        thread::sleep(LOOK);
    }
}

/// How often it has let somebody in.
fn logins(log: &Path) -> Result<usize> {
    let text = fs::read_to_string(log).with_context(|| format!("reading {}", log.display()))?;
    Ok(text.matches("Accepted password").count())
}

const LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_micros(500);
