//! A cable between two network namespaces: at the near end the program under test, at the far end real hosts.
//!
//! Both ends have process and mount namespaces of their own, with an empty `/run`. When the first process of an end is
//! gone, the kernel ends every other in it; it ends by itself when its standard input does, with us.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    os::fd::AsFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Two namespaces, joined.
#[derive(Debug)]
pub struct Segment {
    near: End,
    far: End,
    servers: Mutex<Vec<Child>>,
    dir: tempfile::TempDir,
}

#[derive(Debug)]
struct End {
    first: Child,
}

impl Segment {
    /// Joins two new namespaces by `near0` and `far0`, with these addresses (192.0.2.1/24 and the like).
    pub fn start(near: &[&str], far: &[&str]) -> Result<Self> {
        let segment = Self {
            near: End::make()?,
            far: End::make()?,
            servers: Mutex::default(),
            dir: tempfile::tempdir().context("making a folder")?,
        };
        segment.cable("near0", "far0", Some(FAR_ADAPTER))?;
        for (address, at) in near
            .iter()
            .map(|a| (a, "near0"))
            .chain(far.iter().map(|a| (a, "far0")))
        {
            let mut arguments = vec!["address", "add", address, "dev", at];
            // Without duplicate address detection, which takes a second.
            if address.contains(':') {
                arguments.push("nodad");
            }
            match at {
                "near0" => segment.near(&["ip"], &arguments)?,
                _ => segment.far(&["ip"], &arguments)?,
            };
        }
        Ok(segment)
    }

    /// One more cable between the two.
    pub fn cable(&self, near: &str, far: &str, adapter: Option<&str>) -> Result<()> {
        let other = self.far.first.id().to_string();
        let mut arguments = vec!["link", "add", near, "type", "veth", "peer", "name", far];
        arguments.extend(adapter.iter().flat_map(|adapter| ["address", adapter]));
        arguments.extend(["netns", &other]);
        // In our own process namespace, where the other end's number means something.
        let network = format!("--net=/proc/{}/ns/net", self.near.first.id());
        finished(Command::new("nsenter").arg(network).arg("ip").args(&arguments))?;
        self.near(&["ip", "link", "set", near, "up"], &[])?;
        self.far(&["ip", "link", "set", far, "up"], &[])?;
        Ok(())
    }

    /// Where this segment keeps its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs a program at the near end to its end, and gives its output.
    pub fn near(&self, program: &[&str], arguments: &[&str]) -> Result<String> {
        finished(self.near.command(program[0]).args(&program[1..]).args(arguments))
    }

    /// The same at the far end.
    pub fn far(&self, program: &[&str], arguments: &[&str]) -> Result<String> {
        finished(self.far.command(program[0]).args(&program[1..]).args(arguments))
    }

    /// A program to be run at the near end.
    pub fn near_command(&self, program: impl AsRef<OsStr>) -> Command {
        self.near.command(program)
    }

    /// Starts a server at the far end; it ends with the segment at the latest.
    pub fn serve(&self, program: &[&str]) -> Result<()> {
        self.start_in(&self.far, program)
    }

    /// The same at the near end.
    pub fn serve_near(&self, program: &[&str]) -> Result<()> {
        self.start_in(&self.near, program)
    }

    fn start_in(&self, end: &End, program: &[&str]) -> Result<()> {
        let log = self.dir().join("servers.log");
        let output = fs::File::options().create(true).append(true).open(&log)?;
        let server = end
            .command(program[0])
            .args(&program[1..])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {}; see tests/packages", program[0]))?;
        self.servers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(server);
        Ok(())
    }

    /// Sends a frame as it is from an interface of the far end.
    pub fn send_from_far(&self, interface: &str, frame: &[u8]) -> Result<()> {
        let link = self.far(&["ip", "-o", "link", "show", interface], &[])?;
        let index = link.split(':').next().unwrap_or_default().parse()?;
        let network = fs::File::open(format!("/proc/{}/ns/net", self.far.first.id()))?;
        // A thread of its own, because its namespace cannot be left again.
        let sent = thread::scope(|scope| {
            let sending = scope.spawn(|| -> Result<()> {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
                let socket = vedette_sys::packet::open()?;
                vedette_sys::packet::bind(&socket, index, 0)?;
                rustix::net::send(&socket, frame, rustix::net::SendFlags::empty())?;
                Ok(())
            });
            sending.join()
        });
        sent.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .context("sending a frame from the far end")
    }

    /// Writes a file for a server, and gives its path.
    pub fn file(&self, name: &str, content: &str) -> Result<String> {
        let path = self.dir().join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// Waits until something is bound to a UDP port at the far end.
    pub fn wait_for_udp(&self, port: u16) -> Result<()> {
        let end = Instant::now() + SERVERS;
        let bound = format!(":{port:04X} ");
        loop {
            let sockets = self.far(&["cat", "/proc/self/net/udp"], &[])?;
            let local = |line: &str| line.split_whitespace().nth(1).map(|local| format!("{local} "));
            if sockets
                .lines()
                .filter_map(local)
                .any(|local| local.ends_with(&bound))
            {
                return Ok(());
            }
            if Instant::now() > end {
                let said = fs::read_to_string(self.dir().join("servers.log")).unwrap_or_default();
                bail!("nothing listens on UDP port {port} after {SERVERS:?}; the servers said:\n{said}");
            }
            thread::sleep(POLL);
        }
    }
}

impl End {
    fn make() -> Result<Self> {
        let mut first = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "sh",
                "-c",
            ])
            .arg("mount -t tmpfs tmpfs /run && ip link set lo up && echo up && read -r _")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("running unshare; it is in the package util-linux, and needs root")?;
        let mut line = String::new();
        let output = first.stdout.take().context("unshare has no output")?;
        BufReader::new(output.take(16)).read_line(&mut line)?;
        ensure!(line == "up\n", "no namespaces for a segment, which needs root");
        Ok(Self { first })
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let of = format!("/proc/{}/ns", self.first.id());
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={of}/net"))
            .arg(format!("--mount={of}/mnt"))
            .arg(format!("--pid={of}/pid_for_children"))
            .arg(program);
        command
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // The servers end with the first process of their end.
        for end in [&mut self.far, &mut self.near] {
            let _gone_already = end.first.kill();
            let _reaped = end.first.wait();
        }
        for server in self.servers.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let _reaped = server.wait();
        }
    }
}

fn finished(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .context("running nsenter; it is in the package util-linux")?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The far adapter: QEMU's block, so that it is known what kind of host that is.
pub const FAR_ADAPTER: &str = "52:54:00:12:34:56";
const SERVERS: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
