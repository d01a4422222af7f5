//! Whoever has captured the platform: it signs whatever they want, and forgets what they want. The appliance scans
//! nothing that its owner did not sign, and tells no credential to anybody for whom it was not sealed.
#![cfg(test)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use vedette_protocol::{
    api::{Scan, ScanState, StoredFinding},
    finding::{Evidence, LoginOutcome},
};
use vedette_tests::{
    captured,
    lab::Target,
    logins::{LoginHost, USER},
    owner::Owner,
    road::Road,
    wire::{Packet, Wire},
};

const PASSWORD: &str = "correct horse battery staple";
const LABEL: &str = "office-host";

#[test]
fn a_captured_platform_points_the_appliance_at_nothing_and_learns_no_credential() {
    let mut road = Road::open(&[Target::GoodWeb]).unwrap();
    let (host, of_host) = login_host(&road, 1, PASSWORD);
    let (attacker, of_attacker) = login_host(&road, 2, "another");
    let bystander = road.lab.address(Target::GoodWeb);
    let mut serving = road.appliance("office").unwrap();
    let id = serving.appliance.id.to_string();
    let owner = Owner::of(&road, &mut serving).unwrap();
    let secret = road.lab.dir().join("secret");
    std::fs::write(&secret, PASSWORD).unwrap();
    let (file, place) = (secret.to_string_lossy(), format!("{host}:22"));
    let seal = ["credential", "seal", "--kind", "ssh-password", "--label", LABEL];
    let for_whom = ["--appliance", &id, "--target", &place, "--accept-first-seen"];
    let what = ["--user", USER, "--secret-file", &file];
    owner.run(&[&seal[..], &for_whom, &what].concat()).unwrap();
    let both = format!("{host},{attacker}");
    let sign = ["grant", "sign", "--appliance", &id];
    let all = ["--targets", &both, "--ports", "22", "--checks", "ports,inventory"];
    owner
        .run(&[&sign[..], &all, &["--credential", LABEL]].concat())
        .unwrap();
    let login = ["--check", "inventory", "--credential", LABEL];
    let wire = Wire::watch(&road.lab).unwrap();
    let reached = |host: Ipv4Addr| {
        let to_it = |packet: &Packet| packet.to() == Some(host.into());
        wire.sent_by(serving.disk.mac()).iter().any(to_it)
    };

    // The control: the credential works where it was sealed for.
    let scan = run(&road, &id, host, "22", &login);
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    assert_eq!(outcomes(&road, &scan), [LoginOutcome::Accepted]);
    assert!(of_host.log().unwrap().contains("Accepted password"));

    assert!(reached(host));

    // A revocation is withheld: once heard, it holds.
    let known = captured::remember(&mut road).unwrap();
    let owner = Owner::again(&road);
    let grant = owner.run(&["grant", "list", "--json"]).unwrap();
    let grant: serde_json::Value = serde_json::from_str(&grant).unwrap();
    let grant = grant[0]["id"].as_str().unwrap();
    owner.run(&["grant", "revoke", grant]).unwrap();
    let web = bystander.to_string();
    let other = ["--targets", &web, "--ports", "80", "--checks", "ports"];
    owner.run(&[&sign[..], &other].concat()).unwrap();
    let ports = ["--check", "ports"];
    let scan = run(&road, &id, bystander, "80", &ports);
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    captured::go_back(&mut road, &known).unwrap();
    wire.forget();
    let scan = run(&road, &id, attacker, "22", &ports);
    assert_eq!(scan.state, ScanState::Failed, "{scan:?}");
    assert!(!reached(attacker), "by a grant that was revoked");

    // It asks for no grants, and signs a job for somebody of whom the owner never spoke.
    captured::forget_owners(&mut road).unwrap();
    for host in [bystander, attacker, host] {
        let scan = run(&road, &id, host, "22,80", &ports);
        assert_eq!(scan.state, ScanState::Failed, "{scan:?}");
        assert!(!reached(host), "without a grant");
    }
    // Nor does it ask whom a credential was sealed for.
    captured::move_places(&mut road, host, attacker).unwrap();
    let scan = run(&road, &id, attacker, "22", &login);
    assert_eq!(scan.state, ScanState::Failed, "{scan:?}");
    assert!(!reached(attacker), "{}", of_attacker.log().unwrap());
}

/// A host that knows the password, and where it is.
fn login_host(road: &Road, number: u8, password: &str) -> (Ipv4Addr, LoginHost) {
    let address = road.lab.admit_server(number).unwrap();
    let endpoint = SocketAddr::new(address.into(), 22);
    let host = road.lab.inside(|| LoginHost::start(endpoint, password)).unwrap();
    (address, host.unwrap())
}

fn run(road: &Road, appliance: &str, target: Ipv4Addr, ports: &str, what: &[&str]) -> Scan {
    let target = target.to_string();
    let start = ["scan", "start", "--appliance", appliance, "--target", &target];
    let scan: Scan = road
        .operator
        .ask(&[&start[..], &["--ports", ports], what].concat())
        .unwrap();
    road.operator.ended(&scan, WHILE).unwrap()
}

fn outcomes(road: &Road, scan: &Scan) -> Vec<LoginOutcome> {
    let outcome = |stored: StoredFinding| {
        stored.finding.evidence.into_iter().find_map(|fact| match fact {
            Evidence::Login { outcome } => Some(outcome),
            _ => None,
        })
    };
    let found = road.operator.findings(scan).unwrap();
    found.into_iter().filter_map(outcome).collect()
}

const WHILE: Duration = Duration::from_secs(120);
