//! The network and process namespace of a lab, and the links in it.
//!
//! `unshare` makes both. The first process inside reads a pipe; when the owner of the writing end is gone, it ends,
//! and the kernel ends every process of the namespace with it.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use super::claim::LabNumber;
use super::residue;
use super::subnet::Subnet;

#[derive(Debug)]
pub(super) struct Namespace {
    first: Child,
    lifeline: PipeWriter,
    network: File,
    processes: File,
}

impl Namespace {
    pub(super) fn make() -> Result<Self> {
        let (reading, lifeline) = std::io::pipe().context("making the lab's lifeline")?;
        let mut first = Command::new("unshare")
            .args([
                "--net",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "sh",
                "-c",
                "echo up; read -r _",
            ])
            .stdin(reading)
            .stdout(Stdio::piped())
            // Not ours: whoever waits for the end of our output does not wait for a lab that is left running.
            .stderr(Stdio::piped())
            .spawn()
            .context("running unshare; it is in the package util-linux")?;
        if let Err(error) = wait_until_up(&mut first) {
            let _gone_already = first.kill();
            let _reaped = first.wait();
            return Err(error);
        }
        let of = format!("/proc/{}/ns", first.id());
        let open = |name: &str| {
            File::open(format!("{of}/{name}")).with_context(|| format!("opening the namespace {of}/{name}"))
        };
        let namespace = Self {
            network: open("net")?,
            processes: open("pid_for_children")?,
            first,
            lifeline,
        };
        // The servers of the lab need no privilege for a port below 1024, and nothing here is forwarded.
        namespace.inside(|| -> Result<()> {
            set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")?;
            set("/proc/sys/net/ipv4/ip_forward", "0")
        })??;
        Ok(namespace)
    }

    /// The bridge, its addresses, and the veth to the host.
    pub(super) fn bridge_to_host(&self, number: LabNumber, subnet: Subnet) -> Result<()> {
        self.ip(&["link", "set", "lo", "up"])?;
        self.add_bridge(BRIDGE)?;
        self.ip(&["address", "add", &format!("{}/24", subnet.dns()), "dev", BRIDGE])?;

        let host_end = residue::host_link(number);
        let first = self.id().to_string();
        ip_on_host(&[
            "link", "add", &host_end, "type", "veth", "peer", "name", UPLINK, "netns", &first,
        ])?;
        self.ip(&["link", "set", UPLINK, "master", BRIDGE, "up"])?;
        ip_on_host(&[
            "address",
            "add",
            &format!("{}/24", subnet.platform()),
            "dev",
            &host_end,
        ])?;
        ip_on_host(&["link", "set", &host_end, "up"])
    }

    /// One more address on the bridge.
    pub(super) fn add_address(&self, address: std::net::Ipv4Addr) -> Result<()> {
        self.ip(&["address", "add", &format!("{address}/24"), "dev", BRIDGE])
    }

    /// A bridge that forwards from the first frame on.
    pub(super) fn add_bridge(&self, name: &str) -> Result<()> {
        let at_once = ["stp_state", "0", "forward_delay", "0"];
        self.ip(&[["link", "add", name, "type", "bridge"].as_slice(), &at_once].concat())?;
        self.ip(&["link", "set", name, "up"])
    }

    /// A tap on a bridge, for one virtual machine.
    pub(super) fn add_tap(&self, name: &str, bridge: &str) -> Result<()> {
        self.ip(&["tuntap", "add", "dev", name, "mode", "tap"])?;
        self.ip(&["link", "set", name, "master", bridge, "up"])
    }

    /// Frames that the taps dropped, in either direction.
    pub(super) fn dropped_by_taps(&self) -> Result<u64> {
        let statistics = self.inside(|| {
            Command::new("ip")
                .args(["-json", "-statistics", "link", "show"])
                .output()
        })?;
        let links: Vec<Value> = serde_json::from_slice(&statistics.context("running ip")?.stdout)?;
        let dropped = |link: &Value, way: &str| {
            link["stats64"][way]["dropped"]
                .as_u64()
                .context("ip says no drops")
        };
        let mut sum = 0;
        for tap in links.iter().filter(|link| {
            link["ifname"]
                .as_str()
                .is_some_and(|name| name.starts_with("tap"))
        }) {
            sum += dropped(tap, "rx")? + dropped(tap, "tx")?;
        }
        Ok(sum)
    }

    /// Runs `work` on a thread in the lab's network.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.on_thread(|| {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        })
    }

    /// Starts a program in both namespaces.
    pub(super) fn spawn(&self, mut command: Command) -> Result<Child> {
        self.on_thread(move || {
            move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
            move_into_link_name_space(self.processes.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
            let name = command.get_program().to_owned();
            command
                .spawn()
                .with_context(|| format!("running {}; see tests/packages", name.display()))
        })
    }

    /// Starts a program that stands in the host's network, and ends with the lab all the same.
    pub(super) fn spawn_on_host(&self, mut command: Command) -> Result<Child> {
        self.on_thread(move || {
            move_into_link_name_space(self.processes.as_fd(), Some(LinkNameSpaceType::ProcessID))?;
            let name = command.get_program().to_owned();
            command
                .spawn()
                .with_context(|| format!("running {}", name.display()))
        })
    }

    /// The writing end of the pipe: who holds it keeps the lab alive.
    pub(super) fn lifeline(&self) -> Result<Stdio> {
        Ok(self
            .lifeline
            .try_clone()
            .context("sharing the lab's lifeline")?
            .into())
    }

    /// Ends every process of the lab.
    pub(super) fn end(&mut self) {
        let _gone_already = self.first.kill();
        let _reaped = self.first.wait();
    }

    /// The file that stands for the process namespace, to find the processes in it.
    pub(super) fn processes(&self) -> &File {
        &self.processes
    }

    /// Its first process, as the host sees it.
    pub(super) fn id(&self) -> u32 {
        self.first.id()
    }

    /// Runs `ip` in it.
    pub(super) fn ip(&self, arguments: &[&str]) -> Result<()> {
        self.inside(|| ip_on_host(arguments))?
    }

    /// A thread for each call, because its namespace cannot be left again.
    fn on_thread<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| match scope.spawn(work).join() {
            Ok(result) => result.context("in the lab's namespace"),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

/// Runs `ip` in the namespace of the calling thread.
pub(super) fn ip_on_host(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("running ip; it is in the package iproute2")?;
    ensure!(
        output.status.success(),
        "ip {} failed: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn wait_until_up(first: &mut Child) -> Result<()> {
    let mut line = String::new();
    let stdout = first.stdout.take().context("unshare has no output")?;
    BufReader::new(stdout.take(16))
        .read_line(&mut line)
        .context("waiting for the lab's first process")?;
    if line != "up\n" {
        let mut complaint = String::new();
        if let Some(stderr) = first.stderr.take() {
            stderr.take(1024).read_to_string(&mut complaint)?;
        }
        bail!("no namespaces for a lab, which needs root: {}", complaint.trim());
    }
    Ok(())
}

fn set(sysctl: &str, value: &str) -> Result<()> {
    std::fs::write(sysctl, value).with_context(|| format!("setting {sysctl} to {value}"))
}

pub(super) const BRIDGE: &str = "br0";
const UPLINK: &str = "up0";
