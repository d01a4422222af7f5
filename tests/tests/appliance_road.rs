//! From a flashed image to findings: a real appliance scans the lab's real servers.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use vedette_protocol::api::{Scan, ScanState, StoredFinding};
use vedette_protocol::finding::{FindingType, Kind, PortState, Transport};
use vedette_tests::lab::Target;
use vedette_tests::road::Road;

#[test]
fn a_scan_of_the_lab_finds_what_is_wrong_with_it() {
    let road = Road::open(&Target::ALL).unwrap();
    let serving = road.appliance("scanner").unwrap();
    let first = scan(&road, &serving.appliance.id.to_string());
    assert_eq!(first.state, ScanState::Complete, "{first:?}");
    let findings = findings(&road, &first);

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
    assert_eq!(by_id(&self::findings(&road, &again)), by_id(&findings));

    asks_over_udp(&road, &serving.appliance.id.to_string());
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
    let findings = findings(road, &scan);
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

fn findings(road: &Road, scan: &Scan) -> Vec<StoredFinding> {
    road.operator
        .ask(&["finding", "list", "--scan", &scan.id.to_string()])
        .unwrap()
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
