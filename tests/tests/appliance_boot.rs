//! The image boots, activates itself with the token that it was flashed with, and serves.

#![cfg(test)]

use std::time::Duration;

use vedette_protocol::api::ApplianceState;
use vedette_tests::appliance::{BOOT_DEADLINE, boot_to_serving, flash};
use vedette_tests::lab::{Boot, Disk, StatusLine};
use vedette_tests::road::Road;

#[test]
fn an_image_that_was_flashed_with_a_token_boots_until_it_serves() {
    let road = Road::open(&[]).unwrap();
    let serving = road.appliance("boot").unwrap();

    let states: Vec<String> = serving
        .machine
        .console()
        .lines()
        .iter()
        .filter_map(|line| StatusLine::parse(&line.text))
        .map(|line| line.state)
        .collect();
    // Others may pass too quickly for the console, which draws what it finds once in a while.
    let order = ["online", "serving"];
    let mut passed = states.iter();
    for state in order {
        assert!(
            passed.any(|seen| seen == state),
            "{state} did not come in its turn: {states:?}"
        );
    }

    let leased = road.lab.leased(serving.disk.mac()).unwrap();
    assert!(
        leased.is_some() && serving.status.address == leased.map(Into::into),
        "{:?}",
        serving.status
    );
    let seen = road
        .wait_until_seen(
            &serving.appliance,
            ApplianceState::Online,
            Duration::from_secs(30),
        )
        .unwrap();
    assert_eq!((seen.boots, seen.clone_alarm), (1, None));
}

#[test]
fn a_second_boot_is_the_same_appliance() {
    let road = Road::open(&[]).unwrap();
    let serving = road.appliance("twice").unwrap();
    drop(serving.machine);

    let (_machine, status) = boot_to_serving(&road.lab, &road.image, &serving.disk, Boot::Kernel).unwrap();
    assert_eq!(status.fingerprint, serving.status.fingerprint);
    let seen = road.seen(&serving.appliance).unwrap();
    assert_eq!((seen.boots, seen.clone_alarm), (2, None));
}

#[test]
fn the_whole_disk_boots_through_firmware() {
    let road = Road::open(&[]).unwrap();
    let flashed = flash(&road.programs, &road.operator, &road.lab, &road.image, "firmware").unwrap();
    let disk = Disk::over(&road.lab, &flashed).unwrap();
    let (machine, _) = boot_to_serving(&road.lab, &road.image, &disk, Boot::Firmware).unwrap();
    let last = machine.console().lines().last().unwrap().at;
    assert!(last < BOOT_DEADLINE);
}
