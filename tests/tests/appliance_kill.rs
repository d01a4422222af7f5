//! Sudden death in the middle of a job, of the platform and of the appliance: the job is finished all the same, and
//! what is found is what an undisturbed scan finds.
#![cfg(test)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vedette_protocol::api::{Scan, ScanState, StoredFinding};
use vedette_tests::lab::Target;
use vedette_tests::road::{Road, Serving};

#[test]
fn a_job_survives_the_sudden_death_of_platform_and_appliance() {
    let mut road = Road::open(&[Target::BadWeb, Target::Redis]).unwrap();
    let Serving {
        machine,
        disk,
        appliance,
        ..
    } = road.appliance("mortal").unwrap();
    let id = appliance.id.to_string();

    let undisturbed = start(&road, &id);
    assert_eq!(
        road.operator.ended(&undisturbed, DEADLINE).unwrap().state,
        ScanState::Complete
    );
    let expected = findings(&road, &undisturbed);
    assert!(!expected.is_empty());

    let scan = start(&road, &id);
    wait_until_in_the_middle(&road, &scan);
    road.kill_platform();
    road.serve_platform().unwrap();
    let ended = road.operator.ended(&scan, DEADLINE).unwrap();
    assert_eq!(ended.state, ScanState::Complete, "{ended:#?}");
    assert_eq!(findings(&road, &scan), expected);

    let scan = start(&road, &id);
    wait_until_in_the_middle(&road, &scan);
    machine.qmp().unwrap().quit().unwrap();
    drop(machine);
    let (_machine, _) = road.boot_to_serving(&disk).unwrap();
    let ended = road.operator.ended(&scan, DEADLINE).unwrap();
    assert_eq!(ended.state, ScanState::Complete, "{ended:#?}");
    assert_eq!(findings(&road, &scan), expected);

    let all: Vec<StoredFinding> = road.operator.ask(&["finding", "list"]).unwrap();
    assert_eq!(
        all.len(),
        expected.len(),
        "three scans of the same targets: {all:#?}"
    );
}

/// Long enough to be interrupted.
fn start(road: &Road, appliance: &str) -> Scan {
    let mut start = vec!["scan", "start", "--appliance", appliance, "--ports", "1-30000"];
    let targets = [Target::BadWeb, Target::Redis].map(|target| road.lab.address(target).to_string());
    for target in &targets {
        start.extend(["--target", target]);
    }
    road.operator.ask(&start).unwrap()
}

fn show(road: &Road, scan: &Scan) -> Scan {
    road.operator
        .ask(&["scan", "show", &scan.id.to_string()])
        .unwrap()
}

fn wait_until_in_the_middle(road: &Road, scan: &Scan) {
    let end = Instant::now() + DEADLINE;
    loop {
        let now = show(road, scan);
        assert!(
            matches!(now.state, ScanState::Queued | ScanState::Running),
            "over before it could be disturbed: {now:#?}"
        );
        if now.state == ScanState::Running && now.progress.done > 0 {
            return;
        }
        assert!(Instant::now() < end, "not under way: {now:#?}");
        std::thread::sleep(POLL);
    }
}

/// The ids of what a scan saw, none of them twice.
fn findings(road: &Road, scan: &Scan) -> BTreeSet<String> {
    let list = road.operator.findings(scan).unwrap();
    let ids: BTreeSet<String> = list.iter().map(|stored| stored.finding.id.to_string()).collect();
    assert_eq!(ids.len(), list.len(), "a finding stands there twice: {list:#?}");
    ids
}

const DEADLINE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(200);
