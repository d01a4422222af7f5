//! Two namespaces and a veth pair between them: one to scan from, one with hosts that are a kernel's own.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
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

    /// Loses one packet in a hundred, each way.
    pub(super) fn lose_one_in_a_hundred(&self) -> Result<()> {
        for space in [&self.scanner, &self.hosts] {
            drop_at_ingress(space, "numgen random mod 100 == 0")?;
        }
        Ok(())
    }

    pub(super) fn swallow(&self, sink: Sink) -> Result<()> {
        if matches!(sink, Sink::Routed) {
            ip(&format!(
                "-n {} route add 172.16.0.0/16 via 10.99.1.1",
                self.scanner
            ))?;
        }
        drop_at_ingress(&self.hosts, "ip protocol tcp")
    }

    /// A program that runs where the scanner stands.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.scanner, program]);
        command
    }

    /// Frames that have gone out so far.
    pub(super) fn frames_sent(&self) -> Result<u64> {
        let output = output_of(
            self.command("cat")
                .arg("/sys/class/net/eth0/statistics/tx_packets"),
        )?;
        output
            .trim()
            .parse()
            .with_context(|| format!("{output:?} is no count of frames"))
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

fn drop_at_ingress(space: &str, what: &str) -> Result<()> {
    for rule in [
        "add table netdev bench",
        "add chain netdev bench in { type filter hook ingress device eth0 priority 0; }",
        &format!("add rule netdev bench in {what} drop"),
    ] {
        output_of(Command::new("ip").args(["netns", "exec", space, "nft", rule]))?;
    }
    Ok(())
}

fn ip(arguments: &str) -> Result<()> {
    output_of(Command::new("ip").args(arguments.split_whitespace())).map(drop)
}
