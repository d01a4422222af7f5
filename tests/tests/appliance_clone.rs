//! Clones show: of two copies of an appliance one is refused, and its operator is told.
#![cfg(test)]

use vedette_protocol::status::State;
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::road::{Road, Serving};

#[test]
fn the_second_copy_is_refused_and_raises_an_alarm() {
    let road = Road::open(&[]).unwrap();
    let Serving {
        mut machine,
        disk,
        appliance,
        ..
    } = road.appliance("original").unwrap();
    assert_eq!(appliance.clone_alarm, None);
    machine.qmp().unwrap().quit().unwrap();
    machine.wait_for_end(BOOT_DEADLINE).unwrap();

    // The thief is first.
    let copy = disk.copy(&road.lab).unwrap();
    let (_thief, _) = road.boot_to_serving(&copy).unwrap();
    let mut original = road.boot(&disk).unwrap();
    let refused = original.wait_for_state(State::Refused, BOOT_DEADLINE).unwrap();

    let reason = refused.reason.unwrap_or_default();
    assert!(reason.contains("another_copy"), "{reason}");
    assert!(road.seen(&appliance).unwrap().clone_alarm.is_some());
}
