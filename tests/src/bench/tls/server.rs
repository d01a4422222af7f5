//! `openssl s_server` on the loopback, until it is dropped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::programs::output_of;

pub(super) struct Server {
    process: Child,
    endpoint: SocketAddr,
    _files: TempDir,
}

impl Server {
    pub(super) fn start(settings: &[&str]) -> Result<Self> {
        let files = tempfile::tempdir().context("making a directory for keys")?;
        make_key(files.path(), "rsa", &["rsa:2048"])?;
        make_key(files.path(), "ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])?;
        fs::write(files.path().join("openssl.cnf"), ANYTHING_GOES).context("writing openssl.cnf")?;
        let endpoint = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        // With -www or -rev it sleeps for a second when it is asked to renegotiate, and serves nobody meanwhile.
        let process = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &endpoint.to_string()])
            .args([
                "-cert", "rsa.crt", "-key", "rsa.key", "-dcert", "ec.crt", "-dkey", "ec.key",
            ])
            .args(settings)
            .current_dir(files.path())
            .env("OPENSSL_CONF", files.path().join("openssl.cnf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("running openssl s_server")?;
        let mut server = Self {
            process,
            endpoint,
            _files: files,
        };
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(endpoint).is_err() {
            ensure!(
                server.process.try_wait()?.is_none(),
                "s_server ended, told {settings:?}"
            );
            ensure!(
                Instant::now() < deadline,
                "s_server did not start, told {settings:?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    pub(super) fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn make_key(folder: &Path, name: &str, kind: &[&str]) -> Result<()> {
    output_of(
        Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                "90",
                "-subj",
                "/CN=host.example",
                "-newkey",
            ])
            .args(kind)
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")])
            .current_dir(folder),
    )?;
    Ok(())
}

/// Debian's own default would refuse old versions before any setting is read.
const ANYTHING_GOES: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
    [tls]\nCipherString = DEFAULT:@SECLEVEL=0\n";
const START_DEADLINE: Duration = Duration::from_secs(20);
