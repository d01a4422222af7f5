//! Time without NTP: whatever the machine's clock says, the appliance comes up, and its clock is right then.
#![cfg(test)]

use std::thread;

use vedette_protocol::status::State;
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::lab::{Boot, Machine};
use vedette_tests::road::Road;

#[test]
fn appliances_boot_with_the_clock_at_1970_2038_and_2100() {
    let road = Road::open(&[]).unwrap();
    let boot = |clock: &str| {
        let disk = road.flash(clock).unwrap();
        let base = format!("base={clock}-06-01T00:00:00");
        let mut machine =
            Machine::boot_with(&road.lab, &road.image, &disk, Boot::Kernel, &["-rtc", &base]).unwrap();
        machine.wait_for_state(State::Serving, BOOT_DEADLINE).unwrap();
    };
    // Two at a time.
    thread::scope(|scope| {
        scope.spawn(|| boot("1970"));
        scope.spawn(|| boot("2100"));
    });
    boot("2038");
}
