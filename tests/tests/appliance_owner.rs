//! The operator's own authority, on a booted appliance: an owner key that is confirmed, a grant without which nothing
//! runs, a credential that the platform carries and cannot read.

#![cfg(test)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use vedette_protocol::api::{Scan, ScanState, StoredFinding};
use vedette_protocol::finding::{Evidence, FindingType, LoginOutcome, PortState};
use vedette_tests::lab::{StatusLine, Target};
use vedette_tests::logins::{LoginHost, USER};
use vedette_tests::owner::Owner;
use vedette_tests::road::Road;

const PASSWORD: &str = "correct horse battery staple";
const LABEL: &str = "office-host";

#[test]
fn an_appliance_with_an_owner_does_what_the_owner_signed_and_no_more() {
    let road = Road::open(&[Target::GoodWeb, Target::BadWeb, Target::Snmp]).unwrap();
    let address = road.lab.admit_server(1).unwrap();
    let endpoint = SocketAddr::new(address.into(), 22);
    let host = road
        .lab
        .inside(|| LoginHost::start(endpoint, PASSWORD))
        .unwrap()
        .unwrap();
    let mut serving = road.appliance("office").unwrap();
    assert_eq!(serving.status.owner, None);
    let owner = Owner::new(&road).unwrap();

    // The operator types off what the console shows; a wrong one is refused.
    let id = serving.appliance.id.to_string();
    let fingerprint = serving.status.fingerprint.clone().unwrap();
    let wrong = fingerprint.chars().rev().collect::<String>();
    let refused = owner.run(&["appliance", "confirm", &id, "--fingerprint", &wrong]);
    assert!(refused.is_err(), "{refused:?}");
    let shown = owner.confirm(&mut serving, &fingerprint).unwrap();
    assert!(owner.run(&["owner", "show"]).unwrap().contains(&shown), "{shown}");

    // Without a grant nothing runs; with one for another host neither.
    let web = road.lab.address(Target::GoodWeb).to_string();
    let scan: Scan = road
        .operator
        .ask(&[
            "scan",
            "start",
            "--appliance",
            &id,
            "--target",
            &web,
            "--ports",
            "80",
        ])
        .unwrap();
    let other = road.lab.address(Target::BadWeb).to_string();
    let checks = "ports,services,tls,http";
    let sign = |target: &str| {
        owner
            .run(&[
                "grant",
                "sign",
                "--appliance",
                &id,
                "--targets",
                target,
                "--ports",
                "80",
                "--checks",
                checks,
            ])
            .unwrap();
    };
    sign(&other);
    std::thread::sleep(Duration::from_secs(10));
    let waiting = road.operator.seen(&scan).unwrap();
    assert_eq!(waiting.state, ScanState::Queued, "{waiting:?}");
    assert!(
        waiting
            .waiting
            .as_deref()
            .is_some_and(|why| why.contains("grant")),
        "{waiting:?}"
    );
    sign(&web);
    let granted = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(granted.state, ScanState::Complete, "{granted:?}");
    let open = |finding: &StoredFinding| finding.finding.state == Some(PortState::Open);
    assert!(road.operator.findings(&granted).unwrap().iter().any(open));

    // A credential goes through the platform to the vault, and nobody in between can read it.
    let secret = road.lab.dir().join("secret");
    std::fs::write(&secret, PASSWORD).unwrap();
    let place = endpoint.to_string();
    owner
        .run(&[
            "credential",
            "seal",
            "--kind",
            "ssh-password",
            "--target",
            &place,
            "--host-key",
            host.host_key(),
            "--appliance",
            &id,
            "--label",
            LABEL,
            "--user",
            USER,
            "--secret-file",
            &text(&secret),
        ])
        .unwrap();

    // Two boots later the owner is the same and so is the vault's key: in the first its record is sealed anew, bound to
    // the owner, in the second it is opened as it was left.
    for _ in 0..2 {
        drop(serving.machine);
        let (machine, status) = road.boot_to_serving(&serving.disk).unwrap();
        serving.machine = machine;
        let owner = match status.owner {
            Some(owner) => owner,
            None => {
                let is_told = |line: &str| StatusLine::parse(line).and_then(|status| status.owner);
                let line = serving
                    .machine
                    .wait_for_line("the owner's key again", WHILE, |line| {
                        is_told(&line.text).is_some()
                    })
                    .unwrap();
                is_told(&line.text).unwrap()
            }
        };
        assert_eq!(owner, shown);
    }
    let ssh = address.to_string();
    owner
        .run(&[
            "grant",
            "sign",
            "--appliance",
            &id,
            "--targets",
            &ssh,
            "--ports",
            "22",
            "--checks",
            "inventory",
            "--credential",
            LABEL,
        ])
        .unwrap();
    let scan: Scan = road
        .operator
        .ask(&[
            "scan",
            "start",
            "--appliance",
            &id,
            "--target",
            &ssh,
            "--ports",
            "22",
            "--check",
            "inventory",
            "--credential",
            LABEL,
        ])
        .unwrap();
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(
        scan.state,
        ScanState::Complete,
        "{scan:?} {}",
        host.log().unwrap()
    );
    let found = road.operator.findings(&scan).unwrap();
    let inventory = found
        .iter()
        .find(|stored| stored.finding.type_ == FindingType::HostInventory)
        .unwrap_or_else(|| panic!("{found:?}"));
    let accepted = Evidence::Login {
        outcome: LoginOutcome::Accepted,
    };
    assert!(inventory.finding.evidence.contains(&accepted));
    let packages = inventory
        .finding
        .evidence
        .iter()
        .filter(|fact| matches!(fact, Evidence::Package { .. }));
    assert!(packages.count() > 50);

    asks_an_agent(&road, &owner, &id);
}

/// An SNMP agent is asked over UDP, which a grant of the same port of TCP does not allow.
fn asks_an_agent(road: &Road, owner: &Owner<'_>, id: &str) {
    let community = road.lab.dir().join("community");
    std::fs::write(&community, "public").unwrap();
    let agent = road.lab.address(Target::Snmp).to_string();
    let seal = [
        "credential",
        "seal",
        "--kind",
        "snmp-community",
        "--target",
        &agent,
    ];
    let how = ["--cleartext-ok", "--label", "agent", "--appliance", id];
    owner
        .run(&[&seal[..], &how, &["--secret-file", &text(&community)]].concat())
        .unwrap();
    let sign = |ports: &str| {
        let where_ = [
            "grant",
            "sign",
            "--appliance",
            id,
            "--targets",
            &agent,
            "--ports",
            ports,
        ];
        owner.run(&[&where_[..], &["--checks", "inventory", "--credential", "agent"]].concat())
    };
    assert!(sign("161").is_err(), "of TCP");
    sign("U:161").unwrap();
    let start = ["scan", "start", "--appliance", id, "--target", &agent];
    let what = ["--check", "inventory", "--credential", "agent"];
    let scan: Scan = road.operator.ask(&[&start[..], &what].concat()).unwrap();
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    let found = road.operator.findings(&scan).unwrap();
    let inventory = |stored: &StoredFinding| stored.finding.type_ == FindingType::HostInventory;
    assert!(found.iter().any(inventory), "{found:?}");
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const WHILE: Duration = Duration::from_secs(120);
