//! With a community, at a real snmpd.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    process::{Command, Stdio},
};

use tempfile::TempDir;
use vedette_protocol::{
    Digest,
    credential::{Login, Trust},
    finding::{Evidence, FindingType, LoginOutcome, Outcome, Source, Transport},
    job::Check,
};

use super::{Visited, outcome, secret, server::Server, visit_at};

const COMMUNITY: &str = "correct-horse-battery-staple";
const NAME: &str = "edge.example";

/// net-snmp's agent on loopback.
struct Agent {
    _process: Server,
    _files: TempDir,
    port: u16,
}

impl Agent {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        let config = files.path().join("config");
        fs::write(
            &config,
            format!("rocommunity {COMMUNITY} 127.0.0.1\nsysName {NAME}\n"),
        )
        .unwrap();
        let log = fs::File::create(files.path().join("log")).unwrap();
        let process = Command::new("snmpd")
            .args(["-f", "-Lo", "-C", "-c"])
            .arg(&config)
            .arg("-p")
            .arg(files.path().join("pid"))
            .arg(format!("udp:127.0.0.1:{port}"))
            .env("SNMP_PERSISTENT_DIR", files.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut process = Server(process);
        process.wait(
            || get(port, SYS_NAME).is_some_and(|name| name.contains(NAME)),
            || fs::read_to_string(files.path().join("log")).unwrap(),
        );
        Self {
            _process: process,
            _files: files,
            port,
        }
    }

    /// How many questions came under a community that it does not know.
    fn refused(&self) -> u64 {
        let counted = get(self.port, BAD_COMMUNITIES).unwrap();
        counted.rsplit(' ').next().unwrap().trim().parse().unwrap()
    }

    fn visit(&self, community: &str, trust: Trust) -> Visited {
        let login = Login::SnmpCommunity {
            community: secret(community),
        };
        visit_at(
            &[Check::Inventory],
            (Ipv4Addr::LOCALHOST, self.port).into(),
            &login,
            trust,
        )
    }
}

/// An object, by another's tool.
fn get(port: u16, object: &str) -> Option<String> {
    let output = Command::new("snmpget")
        .args(["-v2c", "-c", COMMUNITY, "-t", "1", "-r", "0", "-On"])
        .arg(format!("127.0.0.1:{port}"))
        .arg(object)
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

const SYS_NAME: &str = ".1.3.6.1.2.1.1.5.0";
/// snmpInBadCommunityNames (RFC 3418).
const BAD_COMMUNITIES: &str = ".1.3.6.1.2.1.11.4.0";

#[test]
fn an_agent_tells_who_knows_its_community_what_it_is() {
    let agent = Agent::start();
    let visited = agent.visit(COMMUNITY, Trust::Cleartext);
    assert_eq!(outcome(&visited.findings), LoginOutcome::Accepted);
    assert_eq!((visited.ended, visited.opened), (Outcome::Complete, true));
    let finding = &visited.findings[0];
    assert_eq!(
        (finding.type_, finding.port, finding.transport),
        (FindingType::HostInventory, Some(agent.port), Transport::Udp)
    );
    let has = |wanted: &dyn Fn(&Evidence) -> bool| finding.evidence.iter().any(wanted);
    let (text, by_agent) = (|name: &str| name.parse().unwrap(), Source::Snmp);
    assert!(has(&|fact| *fact
        == Evidence::HostName {
            name: text(NAME),
            by: by_agent
        }));
    assert!(
        has(
            &|fact| matches!(fact, Evidence::System { name, version: Some(_), by } if name.as_str() == "Linux" && *by == by_agent)
        ),
        "{finding:?}"
    );
    assert!(
        has(
            &|fact| matches!(fact, Evidence::Product { product: Some(product), .. } if product.as_str() == "Net-SNMP")
        ),
        "{finding:?}"
    );
    assert_eq!(agent.refused(), 0);
}

#[test]
fn a_wrong_community_is_said_once_and_answered_by_nobody() {
    let agent = Agent::start();
    let visited = agent.visit("wrong", Trust::Cleartext);
    let finding = &visited.findings[0];
    assert_eq!(
        (finding.type_, finding.port, finding.transport),
        (FindingType::LoginFailed, Some(agent.port), Transport::Udp)
    );
    assert_eq!(outcome(&visited.findings), LoginOutcome::NoAnswer);
    assert_eq!((visited.ended, visited.opened), (Outcome::Partial, true));
    assert_eq!(agent.refused(), 1);
}

#[test]
fn a_community_is_not_opened_for_a_place_that_is_to_be_known_by_a_key() {
    let agent = Agent::start();
    for trust in [Trust::FirstSeen, Trust::TlsSpki(Digest([9; 32]))] {
        let visited = agent.visit("wrong", trust);
        assert_eq!(outcome(&visited.findings), LoginOutcome::WrongHostKey);
        assert!(!visited.opened);
    }
    assert_eq!(agent.refused(), 0);
}
