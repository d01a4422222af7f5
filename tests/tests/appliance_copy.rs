//! The operator's copy, on a booted appliance: what leaves for the platform stands at the operator's own collector, a
//! real rsyslog, and does not leave while that is not there.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use vedette_protocol::api::{Scan, ScanState};
use vedette_protocol::copy::COLLECTOR_PORT;
use vedette_tests::collector::{Authority, Collector};
use vedette_tests::lab::Target;
use vedette_tests::owner::Owner;
use vedette_tests::road::Road;

#[test]
fn what_leaves_an_appliance_stands_at_the_operators_collector_or_does_not_leave() {
    let road = Road::open(&[Target::GoodWeb]).unwrap();
    let authority = Authority::new("The operator's CA").unwrap();
    let address = road.lab.admit_server(1).unwrap();
    let endpoint = SocketAddr::new(address.into(), COLLECTOR_PORT);
    let host = address.to_string();
    let (ca, client_ca) = (
        road.lab.dir().join("collector-ca.pem"),
        road.lab.dir().join("client-ca.pem"),
    );
    fs::write(&ca, authority.pem()).unwrap();
    let mut serving = road.appliance("office").unwrap();
    let id = serving.appliance.id.to_string();
    let owner = Owner::without_key(&road).unwrap();
    let set = [
        "copy",
        "set",
        "--appliance",
        &id,
        "--collector",
        &host,
        "--ca",
        &text(&ca),
        "--client-ca",
        &text(&client_ca),
    ];
    let refused = owner.run(&set).unwrap_err().to_string();
    assert!(refused.contains("vedette owner init"), "{refused}");

    owner.run(&["owner", "init"]).unwrap();
    let fingerprint = serving.status.fingerprint.clone().unwrap();
    owner.confirm(&mut serving, &fingerprint).unwrap();
    owner.run(&set).unwrap();
    let clients = fs::read_to_string(&client_ca).unwrap();
    let mut collector = road
        .lab
        .inside(|| Collector::for_clients_of(&clients, &authority, &[&host], endpoint))
        .unwrap()
        .unwrap();
    let web = road.lab.address(Target::GoodWeb).to_string();
    let checks = ["--ports", "80", "--checks", "ports,services,tls,http"];
    let sign = ["grant", "sign", "--appliance", &id, "--targets", &web];
    owner.run(&[&sign[..], &checks].concat()).unwrap();
    wait_until_flowing(&owner);

    // Each finding that the platform has stands in the copy, and no other.
    let scan = start(&road, &id, &web);
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    let stored = stored(&road, &scan);
    assert!(!stored.is_empty());
    let lines = collector.wait_for(WHILE, |lines| ends(lines) == 1).unwrap();
    assert_eq!(found(&lines), stored);

    // While the collector is away nothing of a scan leaves; when it is back all of it does.
    collector.stop().unwrap();
    let scan = start(&road, &id, &web);
    serving
        .machine
        .wait_for_line("the trouble on the console", WHILE, |line| {
            line.text.contains("findings_wait")
        })
        .unwrap();
    std::thread::sleep(Duration::from_secs(15));
    assert_ne!(road.operator.seen(&scan).unwrap().state, ScanState::Complete);
    assert!(self::stored(&road, &scan).is_empty(), "it left without its copy");
    road.lab.inside(|| collector.restart()).unwrap().unwrap();
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    assert_eq!(scan.state, ScanState::Complete, "{scan:?}");
    collector.wait_for(WHILE, |lines| ends(lines) >= 2).unwrap();
    wait_until_flowing(&owner);

    // The order outlives a boot, whose own messages are copied too.
    let begun = begins(&collector.lines().unwrap());
    drop(serving.machine);
    let (machine, _) = road.boot_to_serving(&serving.disk).unwrap();
    serving.machine = machine;
    let lines = collector.wait_for(WHILE, |lines| begins(lines) > begun).unwrap();
    for kind in ["boot", "confirm", "keys", "poll"] {
        let waited = collector.wait_for(WHILE, |lines| lines.iter().any(|line| line["left"] == kind));
        waited.unwrap_or_else(|error| panic!("{kind}: {error:#}, {lines:?}"));
    }

    // Off means off, and the collector is told.
    owner.run(&["copy", "off", "--appliance", &id]).unwrap();
    collector
        .wait_for(WHILE, |lines| {
            lines.last().is_some_and(|line| line["copy"] == "end")
        })
        .unwrap();
    let lines = collector.lines().unwrap();
    let scan = start(&road, &id, &web);
    assert_eq!(
        road.operator.ended(&scan, WHILE).unwrap().state,
        ScanState::Complete
    );
    assert_eq!(collector.lines().unwrap(), lines);
}

fn start(road: &Road, id: &str, target: &str) -> Scan {
    let asked = [
        "scan",
        "start",
        "--appliance",
        id,
        "--target",
        target,
        "--ports",
        "80",
    ];
    road.operator.ask(&asked).unwrap()
}

/// The ids of the findings that the platform has of a scan.
fn stored(road: &Road, scan: &Scan) -> BTreeSet<String> {
    let found = road.operator.findings(scan).unwrap();
    found.iter().map(|stored| stored.finding.id.to_string()).collect()
}

/// The events in a copy.
fn events(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines
        .iter()
        .filter(|line| line["left"] == "events")
        .filter_map(|line| line["message"]["events"].as_array())
        .flatten()
}

/// The ids of the findings in a copy.
fn found(lines: &[Value]) -> BTreeSet<String> {
    events(lines)
        .filter_map(|event| event["what"]["Findings"].as_array())
        .flatten()
        .filter_map(|finding| finding["id"].as_str().map(str::to_owned))
        .collect()
}

/// How many jobs ended in a copy.
fn ends(lines: &[Value]) -> usize {
    events(lines)
        .filter(|event| event["what"]["Ended"].is_object())
        .count()
}

/// How many times a copy began.
fn begins(lines: &[Value]) -> usize {
    lines.iter().filter(|line| line["copy"] == "begin").count()
}

/// Waits until the appliance says that its copy flows.
fn wait_until_flowing(owner: &Owner<'_>) {
    let end = Instant::now() + WHILE;
    loop {
        let shown = owner.run(&["copy", "show", "--json"]).unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        if shown[0]["said"]["state"] == "flowing" && shown[0]["doubt"].is_null() {
            return;
        }
        assert!(Instant::now() < end, "{shown}");
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const WHILE: Duration = Duration::from_secs(180);
