//! Two network namespaces of a test's own: one to scan from, one with hosts in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    net::{SocketAddr, TcpListener},
    os::fd::AsFd,
    process::{Command, Output, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

/// The scanner's namespace and that of the hosts, 10.99.1.1 and up and fd99::1:1 and up.
pub(crate) struct Wire {
    pub(crate) scanner: String,
    pub(crate) hosts: String,
}

impl Wire {
    /// With so many hosts.
    pub(crate) fn with_hosts(name: &str, hosts: u8) -> Self {
        let wire = Self {
            scanner: format!("scanner-{name}-s-{}", std::process::id()),
            hosts: format!("scanner-{name}-h-{}", std::process::id()),
        };
        let (s, h) = (wire.scanner.as_str(), wire.hosts.as_str());
        for space in [s, h] {
            run(&format!("ip netns add {space}"));
            run(&format!("ip -n {space} link set lo up"));
            // An address can be used at once.
            let sysctl = "net.ipv6.conf.default.accept_dad=0";
            run(&format!("ip netns exec {space} sysctl -q -w {sysctl}"));
        }
        run(&format!(
            "ip -n {s} link add eth0 type veth peer name eth0 netns {h}"
        ));
        for space in [s, h] {
            run(&format!("ip -n {space} link set eth0 up"));
        }
        run(&format!("ip -n {s} address add 10.99.0.1/16 dev eth0"));
        run(&format!("ip -n {s} address add fd99::1/64 dev eth0 nodad"));
        for host in 1..=hosts {
            run(&format!("ip -n {h} address add 10.99.1.{host}/16 dev eth0"));
            run(&format!(
                "ip -n {h} address add fd99::1:{host:x}/64 dev eth0 nodad"
            ));
        }
        wire
    }

    /// Sets a rule for what comes in at the hosts: `hook` is `ingress` (before all else) or `input`.
    pub(crate) fn rule(&self, chain: Chain, rule: &str) {
        let (space, family, table, definition) = match chain {
            Chain::AtHosts => (
                &self.hosts,
                "netdev",
                "w",
                "type filter hook ingress device eth0 priority 0;",
            ),
            Chain::FromHosts => (
                &self.hosts,
                "netdev",
                "b",
                "type filter hook egress device eth0 priority 0;",
            ),
            Chain::FromScanner => (
                &self.scanner,
                "netdev",
                "e",
                "type filter hook egress device eth0 priority 0;",
            ),
            Chain::HostsOwn => (&self.hosts, "inet", "i", "type filter hook input priority 0;"),
            Chain::ScannersOwn => (&self.scanner, "inet", "o", "type filter hook output priority 0;"),
            Chain::Redirected => (&self.hosts, "ip", "n", "type nat hook prerouting priority -100;"),
        };
        nft(space, &format!("add table {family} {table}"));
        nft(space, &format!("add chain {family} {table} c {{ {definition} }}"));
        nft(space, &format!("add rule {family} {table} c {rule}"));
    }

    /// What the counters of a chain's rules have counted, in order.
    pub(crate) fn counted(&self, space: &str) -> Vec<u64> {
        let output = Command::new("ip")
            .args(["netns", "exec", space, "nft", "-j", "list", "ruleset"])
            .output();
        let listed: Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        let mut counted = Vec::new();
        for rule in listed["nftables"].as_array().unwrap() {
            for part in rule["rule"]["expr"].as_array().into_iter().flatten() {
                counted.extend(part["counter"]["packets"].as_u64());
            }
        }
        counted
    }

    /// Listens on these ports, of all hosts or of one; until the listeners are dropped.
    pub(crate) fn listen(&self, host: &str, ports: impl IntoIterator<Item = u16>) -> Vec<TcpListener> {
        let ports: Vec<u16> = ports.into_iter().collect();
        let host = host.parse().unwrap();
        self.at_hosts(move || {
            let listen = |port: &u16| TcpListener::bind(SocketAddr::new(host, *port)).unwrap();
            ports.iter().map(listen).collect()
        })
    }

    /// Does something where the hosts are.
    pub(crate) fn at_hosts<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        within(&self.hosts, work)
    }

    /// Runs `vedette-scan`, and gives what it says.
    pub(crate) fn scan(&self, arguments: &str) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.scanner, env!("CARGO_BIN_EXE_vedette-scan")]);
        command
            .args(arguments.split_whitespace())
            .arg("--json")
            .stdin(Stdio::null());
        command
    }
}

/// Where a rule stands.
pub(crate) enum Chain {
    /// Before anything of the hosts sees it.
    AtHosts,
    /// After everything that the hosts do: a filter at the scanner's end comes behind its packet sockets.
    FromHosts,
    /// After everything that the scanner's machine does.
    FromScanner,
    /// In the hosts' own packet filter.
    HostsOwn,
    /// In that of the scanner's machine, for what its kernel sends.
    ScannersOwn,
    /// Where the hosts rewrite what comes in.
    Redirected,
}

/// What a scan said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) findings: Vec<Value>,
    pub(crate) report: Value,
    pub(crate) aside: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        let aside = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut findings: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let report = findings.pop().unwrap_or_else(|| panic!("no report: {aside}"));
        Self {
            code: output.status.code(),
            findings,
            report,
            aside,
        }
    }

    /// The ports of each host that are in a state.
    pub(crate) fn in_state(&self, state: &str) -> BTreeMap<String, BTreeSet<u16>> {
        let mut hosts: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
        for finding in self.findings.iter().filter(|finding| finding["state"] == state) {
            let port = u16::try_from(finding["port"].as_u64().unwrap()).unwrap();
            let host = finding["target"].as_str().unwrap().to_owned();
            assert!(
                hosts.entry(host).or_default().insert(port),
                "told twice: {finding}"
            );
        }
        hosts
    }

    pub(crate) fn open_of(&self, host: &str) -> BTreeSet<u16> {
        self.in_state("open").remove(host).unwrap_or_default()
    }

    pub(crate) fn types(&self) -> BTreeSet<&str> {
        self.findings
            .iter()
            .map(|finding| finding["type"].as_str().unwrap())
            .collect()
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.report[name]
            .as_f64()
            .unwrap_or_else(|| panic!("no {name} in {}", self.report))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for space in [&self.scanner, &self.hosts] {
            run(&format!("ip netns del {space}"));
        }
    }
}

/// Runs a program to its good end.
pub(crate) fn run(command: &str) {
    let mut words = command.split_whitespace();
    let status = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{command}");
}

fn nft(space: &str, rule: &str) {
    let status = Command::new("ip")
        .args(["netns", "exec", space, "nft", rule])
        .status();
    assert!(status.unwrap().success(), "{rule}");
}

/// On a thread of its own, whose namespace can be changed.
pub(crate) fn within<T: Send + 'static>(space: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let space = File::open(format!("/run/netns/{space}")).unwrap();
    let thread = thread::spawn(move || {
        move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    });
    thread.join().unwrap()
}
