//! Debian's `openssl s_server`, with any settings.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) endpoint: SocketAddr,
    _files: TempDir,
}

/// Keys and certificates that a server may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Rsa,
    Ecdsa,
    Both,
    None,
}

impl Server {
    pub(crate) fn start(keys: Keys, settings: &[&str]) -> Self {
        let files = tempfile::tempdir().unwrap();
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-quiet", "-www", "-accept"])
            .arg(endpoint.to_string());
        let pairs: &[(&str, &[&str])] = match keys {
            Keys::Rsa => &[("rsa", &["-cert", "-key"])],
            Keys::Ecdsa => &[("ec", &["-cert", "-key"])],
            Keys::Both => &[("rsa", &["-cert", "-key"]), ("ec", &["-dcert", "-dkey"])],
            Keys::None => {
                command.arg("-nocert");
                &[]
            }
        };
        for (kind, flags) in pairs {
            make_key(files.path(), kind);
            command.args([flags[0], &format!("{kind}.crt"), flags[1], &format!("{kind}.key")]);
        }
        fs::write(files.path().join("openssl.cnf"), ANYTHING_GOES).unwrap();
        command
            .args(settings)
            .current_dir(files.path())
            .env("OPENSSL_CONF", files.path().join("openssl.cnf"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(endpoint).is_err() {
            assert!(
                process.try_wait().unwrap().is_none(),
                "s_server ended: {settings:?}"
            );
            assert!(Instant::now() < deadline, "s_server did not start: {settings:?}");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            process,
            endpoint,
            _files: files,
        }
    }
}

/// Debian's own default would refuse old versions and short keys before any setting of ours is read.
const ANYTHING_GOES: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n\
    [tls]\nCipherString = DEFAULT:@SECLEVEL=0\n";

/// Makes `KIND.key` and a self-signed `KIND.crt` in a folder.
pub(crate) fn make_key(folder: &Path, kind: &str) {
    let key: &[&str] = match kind {
        "rsa" => &["rsa:2048"],
        _ => &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    };
    let made = Command::new("openssl")
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
        .args(key)
        .args(["-keyout", &format!("{kind}.key"), "-out", &format!("{kind}.crt")])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
