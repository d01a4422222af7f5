//! The process: Chromium where it has no network, no disk and no rights, and behind its own sandbox.
//!
//! util-linux makes new mount, network and process namespaces; what is in them ends with them, and so with us. In
//! them the browser is nobody (uid 65534), so that its sandbox, which refuses to run as root, holds. Its home is a
//! file system in memory that no other process sees. Who is not root does the same in a user namespace.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use rustix::process::geteuid;
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    process::{Child, ChildStderr, Command},
    sync::mpsc,
    time::timeout,
};

use super::{
    START_PATIENCE,
    line::{Event, Line},
};

/// A running browser; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    _child: Child,
}

/// Why there is no browser.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// It is no program.
    #[error(
        "{path} is no program that can be run; install Debian's package chromium, or give --browser its path"
    )]
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// The program that makes namespaces cannot be run.
    #[error("running {UNSHARE} (Debian's package util-linux)")]
    Unshare {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not speak.
    #[error(
        "{path} did not start in namespaces of its own (as root, or where user namespaces are allowed, it can); it said: {said}"
    )]
    Silent {
        /// The browser.
        path: PathBuf,
        /// The end of its error output.
        said: String,
    },
    /// Pages broke it again and again.
    #[error("pages have broken the browser {starts} times")]
    TooOften {
        /// How often it was started.
        starts: u32,
    },
}

/// Starts the browser and waits until it speaks.
pub(super) async fn start(
    program: &Path,
) -> Result<(Process, Arc<Line>, mpsc::Receiver<Event>), BrowserError> {
    let path = program.to_owned();
    let (namespaces, way_in): (&[&str], &str) = if geteuid().is_root() {
        (&[], AS_ROOT)
    } else {
        (&["--user", "--map-root-user"], AS_ANYBODY)
    };
    let mut child = Command::new(UNSHARE)
        .args(namespaces)
        .args(NAMESPACES)
        .args(["--", "/bin/sh", "-c"])
        .arg(format!("{HOME_OF_ITS_OWN} && exec {way_in} -- \"$@\" {PIPES}"))
        .arg("sh")
        .arg(program)
        .args(FLAGS)
        .env_clear()
        .envs(ENVIRONMENT.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| BrowserError::Unshare { source })?;
    let (to, from) = (child.stdin.take(), child.stdout.take());
    let errors = child.stderr.take().map(|errors| tokio::spawn(last_words(errors)));
    let process = Process { _child: child };
    if let (Some(to), Some(from)) = (to, from) {
        let (line, events) = Line::new(to, from);
        let asked = line.ask(None, "Target.setDiscoverTargets", json!({"discover": true}));
        if let Ok(Ok(_)) = timeout(START_PATIENCE, asked).await {
            return Ok((process, line, events));
        }
    }
    drop(process);
    let said = match errors {
        Some(errors) => errors.await.unwrap_or_default(),
        None => String::new(),
    };
    Err(BrowserError::Silent { path, said })
}

/// Reads what it complains of, so that it can go on complaining, and keeps the end.
async fn last_words(mut errors: ChildStderr) -> String {
    let (mut kept, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = errors.read(&mut part).await {
        kept.extend_from_slice(&part[..length]);
        let excess = kept.len().saturating_sub(WORDS);
        kept.drain(..excess);
    }
    let text = String::from_utf8_lossy(&kept);
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

const UNSHARE: &str = "/usr/bin/unshare";
const NAMESPACES: &[&str] = &[
    "--mount",
    "--net",
    "--pid",
    "--fork",
    "--kill-child=SIGKILL",
    "--mount-proc",
];
/// The bounds on memory are each process's (in KiB, by RLIMIT_DATA), and that of all its files.
const HOME_OF_ITS_OWN: &str = "ulimit -c 0 && ulimit -d 2097152 && \
    mount -t tmpfs -o size=512m,mode=1777,nosuid,nodev,noexec vedette /dev/shm && \
    mkdir -m 777 /dev/shm/home && cd /dev/shm/home";
const AS_ROOT: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all";
const AS_ANYBODY: &str = "unshare --user --map-user=65534 --map-group=65534";
/// Chromium reads the protocol from descriptor 3 and writes it to 4: no port is opened that others could use.
const PIPES: &str = "3<&0 4>&1 </dev/null >&2";
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/dev/shm/home"),
    ("TMPDIR", "/dev/shm"),
    ("LANG", "C.UTF-8"),
];
const FLAGS: &[&str] = &[
    "--headless=new",
    "--remote-debugging-pipe",
    "--user-data-dir=/dev/shm/home/profile",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-breakpad",
    // What is looked at must run as fast as if somebody watched.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-features=Translate,HttpsUpgrades,MediaRouter",
    "--renderer-process-limit=2",
    "about:blank",
];
const WORDS: usize = 600;
