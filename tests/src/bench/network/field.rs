//! Two namespaces and a veth pair between them: one to scan from, one with hosts that are a kernel's own.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, id};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Open;
use crate::programs::output_of;

/// Removed when it is dropped.
#[derive(Debug)]
pub(super) struct Field {
    scanner: String,
    hosts: String,
    count: u8,
    listeners: Mutex<Vec<TcpListener>>,
}

/// What is swallowed at the hosts' end, before anything of them sees it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sink {
    /// All TCP to the hosts.
    Hosts,
    /// All TCP to a network behind the first host.
    Routed,
}

impl Field {
    /// Hosts from 10.99.1.1 on.
    pub(super) fn with_hosts(count: u8) -> Result<Self> {
        let field = Self {
            scanner: format!("bench-s-{}", id()),
            hosts: format!("bench-h-{}", id()),
            count,
            listeners: Mutex::new(Vec::new()),
        };
        let (s, h) = (field.scanner.as_str(), field.hosts.as_str());
        for space in [s, h] {
            ip(&format!("netns add {space}"))?;
            ip(&format!("-n {space} link set lo up"))?;
        }
        ip(&format!(
            "-n {s} link add eth0 type veth peer name eth0 netns {h}"
        ))?;
        ip(&format!("-n {s} link set eth0 up"))?;
        ip(&format!("-n {h} link set eth0 up"))?;
        ip(&format!("-n {s} address add 10.99.0.1/16 dev eth0"))?;
        for host in 1..=count {
            ip(&format!("-n {h} address add 10.99.1.{host}/16 dev eth0"))?;
        }
        // masscan wants a router, whatever it scans.
        ip(&format!("-n {s} route add default via 10.99.1.1"))?;
        Ok(field)
    }

    /// The hosts as a program is told them.
    pub(super) fn targets(&self) -> String {
        format!("10.99.1.1-10.99.1.{}", self.count)
    }

    /// As nmap is told them.
    pub(super) fn targets_of_nmap(&self) -> String {
        format!("10.99.1.1-{}", self.count)
    }

    /// So many open ports of each host, spread over all.
    pub(super) fn listen(&self, each: u16) -> Result<Open> {
        let step = u16::MAX / each;
        self.listen_on(|host, nth| nth * step + host + 1, each)
    }

    /// One open port of each host, below a bound.
    pub(super) fn listen_below(&self, bound: u16) -> Result<Open> {
        self.listen_on(|host, _| 1 + host % bound, 1)
    }

    fn listen_on(&self, port: impl Fn(u16, u16) -> u16 + Sync, each: u16) -> Result<Open> {
        let limit = getrlimit(Resource::Nofile);
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: limit.maximum,
                maximum: limit.maximum,
            },
        )?;
        let mut open = Open::new();
        for host in 1..=self.count {
            for nth in 0..each {
                open.insert((Ipv4Addr::new(10, 99, 1, host), port(host.into(), nth)));
            }
        }
        let space =
            File::open(format!("/run/netns/{}", self.hosts)).context("opening the hosts' namespace")?;
        let listeners = thread::scope(|scope| {
            let listen = || -> Result<Vec<TcpListener>> {
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
                open.iter()
                    .map(|endpoint| Ok(TcpListener::bind(*endpoint)?))
                    .collect()
            };
            scope.spawn(listen).join()
        });
        let listeners = listeners.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let mut kept = self
            .listeners
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.extend(listeners.context("listening at the hosts")?);
        Ok(open)
    }

    /// Loses one packet in a hundred, each way. Both at the hosts' end: a packet socket at the scanner's sees frames
    /// before a filter there does.
    pub(super) fn lose_one_in_a_hundred(&self) -> Result<()> {
        drop_at(&self.hosts, "ingress", "numgen random mod 100 == 0")?;
        drop_at(&self.hosts, "egress", "numgen random mod 100 == 0")
    }

    pub(super) fn swallow(&self, sink: Sink) -> Result<()> {
        if matches!(sink, Sink::Routed) {
            ip(&format!(
                "-n {} route add 172.16.0.0/16 via 10.99.1.1",
                self.scanner
            ))?;
        }
        drop_at(&self.hosts, "ingress", "ip protocol tcp")
    }

    /// A program that runs where the scanner stands.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.scanner, program]);
        command
    }

    /// The same, on one core alone.
    pub(super) fn command_on_one_core(&self, program: &str) -> Command {
        let mut command = self.command("taskset");
        command.args(["--cpu-list", &ONE_CORE.to_string(), program]);
        command
    }

    /// Does something where the scanner stands, on a thread of its own.
    pub(super) fn at_scanner<T: Send>(&self, act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let space =
            File::open(format!("/run/netns/{}", self.scanner)).context("opening the scanner's namespace")?;
        let done = thread::scope(|scope| {
            let acting = || -> Result<T> {
                move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
                act()
            };
            scope.spawn(acting).join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// What counts the frames that go out.
    pub(super) fn counter(&self) -> Result<Counter> {
        // The file stays that namespace's, whoever reads it.
        let file = self.at_scanner(|| Ok(File::open("/proc/thread-self/net/dev")?));
        Ok(Counter(file.context("opening the counters of interfaces")?))
    }
}

/// Counts the frames that go out of the scanner's end; read without starting a program, which would take as long as
/// what is to be measured.
#[derive(Debug)]
pub(super) struct Counter(File);

impl Counter {
    /// Frames that have gone out so far (proc_pid_net(5): the tenth number).
    pub(super) fn sent(&self) -> Result<u64> {
        let mut bytes = [0; 4096];
        let length = self.0.read_at(&mut bytes, 0).context("reading counters")?;
        let text = String::from_utf8_lossy(&bytes[..length]);
        let line = text.lines().find_map(|line| line.trim().strip_prefix("eth0:"));
        let sent = line.and_then(|line| line.split_whitespace().nth(9)?.parse().ok());
        sent.with_context(|| format!("no count of frames in {text:?}"))
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        for space in [&self.scanner, &self.hosts] {
            if let Err(error) = ip(&format!("netns del {space}")) {
                eprintln!("vedette-bench: {error:#}");
            }
        }
    }
}

/// Where one core is to do it all.
pub(super) const ONE_CORE: usize = 0;

fn drop_at(space: &str, hook: &str, what: &str) -> Result<()> {
    for rule in [
        "add table netdev bench",
        &format!("add chain netdev bench {hook} {{ type filter hook {hook} device eth0 priority 0; }}"),
        &format!("add rule netdev bench {hook} {what} drop"),
    ] {
        output_of(Command::new("ip").args(["netns", "exec", space, "nft", rule]))?;
    }
    Ok(())
}

fn ip(arguments: &str) -> Result<()> {
    output_of(Command::new("ip").args(arguments.split_whitespace())).map(drop)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn frames_that_go_out_are_counted() {
        let field = Field::with_hosts(1).unwrap();
        let counter = field.counter().unwrap();
        let before = counter.sent().unwrap();
        let space = File::open(format!("/run/netns/{}", field.scanner)).unwrap();
        let sending = thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let socket = UdpSocket::bind("10.99.0.1:0").unwrap();
            for _ in 0..100 {
                socket.send_to(b"counted", "10.99.1.1:9").unwrap();
            }
        });
        sending.join().unwrap();
        let counted = counter.sent().unwrap() - before;
        assert!((100..200).contains(&counted), "{counted}");
    }
}
