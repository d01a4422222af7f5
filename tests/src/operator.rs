//! An operator: the tool `vedette`, with a login of its own, on a machine that knows the platform's name.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use vedette_protocol::api::{Scan, ScanState, StoredFinding};

use crate::lab::{Lab, PLATFORM_NAME};
use crate::platform::{PlatformData, url};
use crate::programs::{Programs, output_of};

/// Somebody with the tool and an account.
#[derive(Debug)]
pub struct Operator {
    wrapper: PathBuf,
    dir: PathBuf,
}

impl Operator {
    /// Logs in at the platform of a lab. What the operator keeps is in `dir`, the password too.
    pub fn log_in(programs: &Programs, data: &PlatformData, lab: &Lab, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let operator = Self {
            wrapper: wrapper(programs, lab, dir)?,
            dir: dir.to_owned(),
        };
        let password = operator.password_file();
        let mut login = operator.command(&["login", "--url", &url()]);
        login.arg("--ca").arg(data.ca());
        // The platform destroys the file of the first login when it was made.
        if !data.first_login().exists() {
            login.arg("--password-file").arg(password);
        } else {
            new_password(&password)?;
            login
                .arg("--password-file")
                .arg(data.first_login())
                .arg("--new-password-file")
                .arg(password);
        }
        output_of(&mut login).context("logging in")?;
        Ok(operator)
    }

    /// The tool with these arguments, to be run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.wrapper);
        command.args(arguments);
        command
    }

    /// Runs the tool, and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        output_of(&mut self.command(arguments))
    }

    /// Runs the tool whatever its exit code.
    pub fn try_run(&self, arguments: &[&str]) -> Result<Output> {
        self.command(arguments).output().context("running vedette")
    }

    /// Runs the tool with `--json`, and reads what it printed. A scan that is not complete is an answer too.
    pub fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let output = self
            .command(arguments)
            .arg("--json")
            .output()
            .context("running vedette")?;
        match output.status.code() {
            Some(0 | 3 | 4) => {}
            _ => bail!(
                "vedette {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            ),
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("vedette {} printed no such JSON", arguments.join(" ")))
    }

    /// A scan as it is now.
    pub fn seen(&self, scan: &Scan) -> Result<Scan> {
        self.ask(&["scan", "show", &scan.id.to_string()])
    }

    /// Waits until a scan has ended.
    pub fn ended(&self, scan: &Scan, deadline: Duration) -> Result<Scan> {
        let end = Instant::now() + deadline;
        loop {
            let now = self.seen(scan)?;
            if !matches!(now.state, ScanState::Queued | ScanState::Running) {
                return Ok(now);
            }
            ensure!(
                Instant::now() < end,
                "the scan has not ended in {deadline:?}: {now:#?}"
            );
            thread::sleep(POLL);
        }
    }

    /// What a scan saw.
    pub fn findings(&self, scan: &Scan) -> Result<Vec<StoredFinding>> {
        self.ask(&["finding", "list", "--scan", &scan.id.to_string()])
    }

    /// The script that runs the tool with this login.
    pub fn wrapper(&self) -> &Path {
        &self.wrapper
    }

    /// The file with the login.
    pub fn login_file(&self) -> PathBuf {
        self.dir.join("config/vedette/login.toml")
    }

    /// The file with the account's password.
    pub fn password_file(&self) -> PathBuf {
        self.dir.join("password")
    }
}

/// A script that runs the tool with the operator's login, where the platform's name is known: in a mount namespace
/// with another /etc/hosts, so that the machine's own stays as it is.
fn wrapper(programs: &Programs, lab: &Lab, dir: &Path) -> Result<PathBuf> {
    let hosts = dir.join("hosts");
    fs::write(
        &hosts,
        format!(
            "127.0.0.1 localhost\n{} {PLATFORM_NAME}\n",
            lab.subnet().platform()
        ),
    )
    .with_context(|| format!("writing {}", hosts.display()))?;
    let script = include_str!("../lab/vedette.sh")
        .replace("{hosts}", &quoted(&hosts))
        .replace("{config}", &quoted(&dir.join("config")))
        .replace("{vedette}", &quoted(&programs.path("vedette")));
    let path = dir.join("vedette");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context(format!("removing {}", path.display()));
        }
        _ => {}
    }
    fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)
        .and_then(|mut file| file.write_all(script.as_bytes()))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// As the shell reads it back unchanged.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

fn new_password(path: &Path) -> Result<()> {
    let mut random = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let mut file = fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("writing {}", path.display()))?;
    writeln!(file, "{:032x}", u128::from_ne_bytes(random))
        .with_context(|| format!("writing {}", path.display()))
}

const POLL: Duration = Duration::from_millis(200);
