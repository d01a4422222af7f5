//! From a flashed image to findings: a real appliance scans the lab's real servers.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use vedette_protocol::api::{Scan, ScanState, StoredFinding};
use vedette_protocol::finding::{Evidence, FindingType, Kind, PortState, Portrait, Source, Transport};
use vedette_tests::lab::Target;
use vedette_tests::road::Road;

#[test]
fn a_scan_of_the_lab_finds_what_is_wrong_with_it() {
    let road = Road::open(&Target::ALL).unwrap();
    let serving = road.appliance("scanner").unwrap();
    let first = scan(&road, &serving.appliance.id.to_string());
    assert_eq!(first.state, ScanState::Complete, "{first:?}");
    let findings = road.operator.findings(&first).unwrap();

    for target in Target::ALL {
        let host = road.lab.address(target).to_string();
        let of_host = || {
            findings
                .iter()
                .map(|stored| &stored.finding)
                .filter(|finding| finding.target.as_str() == host)
        };
        let open: BTreeSet<u16> = of_host()
            .filter(|finding| finding.state == Some(PortState::Open))
            .filter_map(|finding| finding.port)
            .collect();
        assert_eq!(
            open,
            target.ports().iter().copied().collect(),
            "{}",
            target.name()
        );

        let weak: BTreeSet<FindingType> = of_host()
            .filter(|finding| finding.kind == Kind::Weakness)
            .map(|finding| finding.type_)
            .collect();
        let expected = weaknesses(target);
        assert!(weak.is_superset(&expected), "{}: {weak:?}", target.name());
        // Whatever else is said of the others, of the good one nothing may be.
        assert!(target != Target::GoodWeb || weak.is_empty(), "{weak:?}");

        if let Some(product) = product(target) {
            let products: BTreeSet<&str> = of_host()
                .filter_map(|finding| finding.product.as_ref())
                .map(|label| label.as_str())
                .collect();
            assert!(products.contains(product), "{}: {products:?}", target.name());
        }
    }

    // Scanned again, each finding is the same one, and was first seen when it was first seen.
    let again = scan(&road, &serving.appliance.id.to_string());
    let by_id = |findings: &[StoredFinding]| -> BTreeMap<_, _> {
        findings
            .iter()
            .map(|stored| (stored.finding.id, stored.first_seen))
            .collect()
    };
    assert_eq!(by_id(&road.operator.findings(&again).unwrap()), by_id(&findings));

    asks_over_udp(&road, &serving.appliance.id.to_string());
    asks_who_is_there(&road, &serving.appliance.id.to_string());
}

/// Of a whole network those are found who are in it, each with its adapter and by all that it answers to; but for whoever
/// is left out, and for the platform and the DNS server, which are asked nothing.
fn asks_who_is_there(road: &Road, appliance: &str) {
    let network = road.lab.subnet().to_string();
    let left_out = road.lab.address(Target::Smtp).to_string();
    let start = ["scan", "start", "--wait", "--appliance", appliance];
    let what = ["--target", &network, "--exclude", &left_out];
    let checks = ["--checks", "discovery,topology"];
    let scan: Scan = road.operator.ask(&[&start[..], &what, &checks].concat()).unwrap();
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    assert_eq!(scan.jobs, 1, "{scan:?}");
    let findings = road.operator.findings(&scan).unwrap();
    let devices = || {
        findings
            .iter()
            .map(|stored| &stored.finding)
            .filter(|finding| finding.type_ == FindingType::Device)
    };
    let hosts: BTreeSet<String> = devices().map(|device| device.target.to_string()).collect();
    let others = Target::ALL.iter().filter(|target| **target != Target::Smtp);
    let expected: BTreeSet<String> = others
        .map(|target| road.lab.address(*target).to_string())
        .collect();
    assert_eq!(hosts, expected);
    for device in devices() {
        let portrait = Portrait::of(device).unwrap();
        assert!(portrait.on_link && !portrait.adapters.is_empty(), "{device:?}");
        let echo = |evidence: &Evidence| {
            matches!(
                evidence,
                Evidence::Seen {
                    by: Source::IcmpEcho,
                    ..
                }
            )
        };
        assert!(device.evidence.iter().any(echo), "{device:?}");
    }
    let agent = road.lab.address(Target::Snmp).to_string();
    let open = |stored: &StoredFinding| {
        stored.finding.type_ == FindingType::SnmpDefaultCommunity && stored.finding.target.as_str() == agent
    };
    assert!(findings.iter().any(open), "{findings:?}");
}

/// Of three ports of UDP one answers: what does is known, and what does not is refused by the host.
fn asks_over_udp(road: &Road, appliance: &str) {
    let address = road.lab.address(Target::Snmp).to_string();
    let start = ["scan", "start", "--wait", "--appliance", appliance];
    let what = ["--target", &address, "--ports", "U:53,69,161"];
    let checks = ["--check", "ports", "--check", "services"];
    let scan: Scan = road.operator.ask(&[&start[..], &what, &checks].concat()).unwrap();
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    assert_eq!(scan.ports.to_string(), "U:53,69,161");
    let coverage = scan.report.as_ref().unwrap().coverage();
    assert_eq!((coverage.ports, coverage.ports_known), (3, 3), "{scan:?}");
    let findings = road.operator.findings(&scan).unwrap();
    let open: Vec<_> = findings
        .iter()
        .map(|stored| &stored.finding)
        .filter(|finding| finding.state == Some(PortState::Open))
        .map(|finding| (finding.transport, finding.port))
        .collect();
    assert_eq!(open, [(Transport::Udp, Some(161))], "{findings:?}");
    let mut products = findings
        .iter()
        .filter_map(|stored| stored.finding.product.as_ref());
    assert!(
        products.any(|product| product.as_str() == "Net-SNMP"),
        "{findings:?}"
    );
}

fn scan(road: &Road, appliance: &str) -> Scan {
    let addresses: Vec<String> = Target::ALL
        .iter()
        .map(|target| road.lab.address(*target).to_string())
        .collect();
    let mut arguments = vec!["scan", "start", "--wait", "--appliance", appliance];
    for address in &addresses {
        arguments.extend(["--target", address]);
    }
    road.operator.ask(&arguments).unwrap()
}

fn weaknesses(target: Target) -> BTreeSet<FindingType> {
    match target {
        Target::BadWeb => BTreeSet::from([
            FindingType::TlsCertificateExpired,
            FindingType::TlsCertificateSelfSigned,
            FindingType::TlsNoTls13,
            FindingType::HttpHeaderMissing,
            FindingType::HttpServerVersion,
            FindingType::HttpDirectoryListing,
            FindingType::HttpExposedGit,
            FindingType::HttpExposedEnv,
        ]),
        Target::Redis => BTreeSet::from([FindingType::RedisNoAuthentication]),
        Target::GoodWeb
        | Target::Ssh
        | Target::Ftp
        | Target::Postgres
        | Target::Mariadb
        | Target::Smtp
        | Target::Snmp => BTreeSet::new(),
    }
}

/// What the engine is to recognise, where the server says it.
fn product(target: Target) -> Option<&'static str> {
    match target {
        Target::GoodWeb | Target::BadWeb => Some("nginx"),
        Target::Ssh => Some("OpenSSH"),
        Target::Redis => Some("Redis"),
        Target::Ftp => Some("vsFTPd"),
        Target::Postgres => Some("PostgreSQL"),
        Target::Mariadb => Some("MariaDB"),
        Target::Smtp | Target::Snmp => None,
    }
}
