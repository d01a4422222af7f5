//! A host that lets somebody in: OpenSSH with an account of the test's own, over account files that only it sees.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use super::USER;
use crate::programs::output_of;

/// OpenSSH, until it is dropped.
#[derive(Debug)]
pub struct LoginHost {
    process: Child,
    files: TempDir,
    host_key: String,
}

impl LoginHost {
    /// Starts it at an endpoint, where this thread stands; [`USER`] may log in with the password.
    pub fn start(endpoint: SocketAddr, password: &str) -> Result<Self> {
        let files = tempfile::tempdir().context("making a folder for sshd")?;
        let dir = files.path();
        let key = dir.join("host_key");
        output_of(
            Command::new("ssh-keygen")
                .args(["-q", "-N", "", "-t", "ed25519", "-f"])
                .arg(&key),
        )?;
        let hash = output_of(
            Command::new("perl")
                .args(["-e", "print crypt($ARGV[0], $ARGV[1])", password])
                .arg("$6$vedette$"),
        )?;
        let with_line = |name: &str, line: String| {
            let text = fs::read_to_string(Path::new("/etc").join(name))?;
            fs::write(dir.join(name), text + &line)
        };
        with_line("passwd", format!("{USER}:x:4242:4242::/:/bin/sh\n")).context("making account files")?;
        with_line("shadow", format!("{USER}:{}:19000:0:99999:7:::\n", hash.trim()))
            .context("making account files")?;
        fs::write(dir.join("authorized_keys"), "").context("making account files")?;
        // The account itself cannot look into the folder of a test.
        let config = format!(
            "UsePAM no\nPidFile none\nStrictModes no\nPasswordAuthentication yes\nLogLevel VERBOSE\nHostKey {key}\n\
             AuthorizedKeysFile none\nAuthorizedKeysCommand /bin/cat {dir}/authorized_keys\n\
             AuthorizedKeysCommandUser root\n",
            key = key.display(),
            dir = dir.display(),
        );
        fs::write(dir.join("config"), config).context("configuring sshd")?;
        // It will not start without the folder that it confines its children to.
        fs::create_dir_all("/run/sshd").context("making /run/sshd")?;
        let script = format!(
            "mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/shadow /etc/shadow && \
             exec /usr/sbin/sshd -D -e -p {port} -o ListenAddress={address} -f {dir}/config",
            dir = dir.display(),
            port = endpoint.port(),
            address = endpoint.ip(),
        );
        let log = fs::File::create(dir.join("log")).context("opening sshd's log")?;
        let mut process = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting sshd")?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(endpoint).is_err() {
            let ended = process.try_wait().context("waiting for sshd")?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("sshd does not listen: {}", read(&dir.join("log"))?);
            }
            thread::sleep(Duration::from_millis(20));
        }
        let printed = output_of(
            Command::new("ssh-keygen")
                .args(["-l", "-f"])
                .arg(key.with_extension("pub")),
        )?;
        let host_key = printed.split(' ').nth(1).unwrap_or_default().to_owned();
        ensure!(
            host_key.starts_with("SHA256:"),
            "ssh-keygen printed no fingerprint: {printed}"
        );
        Ok(Self {
            process,
            files,
            host_key,
        })
    }

    /// Its host key as `ssh-keygen -l` prints it: `SHA256:` and base64.
    pub fn host_key(&self) -> &str {
        &self.host_key
    }

    /// Lets [`USER`] log in with another key, given as in authorized_keys(5).
    pub fn authorize(&self, public_key: &str) -> Result<()> {
        let path = self.files.path().join("authorized_keys");
        let known = read(&path)?;
        fs::write(&path, format!("{known}{}\n", public_key.trim())).context("authorizing a key")
    }

    /// Where it writes what happens.
    pub fn log_file(&self) -> PathBuf {
        self.files.path().join("log")
    }

    /// What it has logged.
    pub fn log(&self) -> Result<String> {
        read(&self.log_file())
    }
}

impl Drop for LoginHost {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}
