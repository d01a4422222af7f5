//! No platform, no data: a removed appliance loses its workspace at once, and for good.
#![cfg(test)]

use std::time::Duration;

use vedette_protocol::api::ApplianceState;
use vedette_protocol::status::State;
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::lab::{Disk, Machine, StatusLine};
use vedette_tests::memory::{Ciphertext, Memory};
use vedette_tests::partition::Partition;
use vedette_tests::road::{Road, Serving};

#[test]
fn removal_takes_the_key_out_of_memory_and_gives_it_to_no_later_boot() {
    let road = Road::open(&[]).unwrap();
    let Serving {
        mut machine,
        disk,
        appliance,
        ..
    } = road.appliance("to-be-removed").unwrap();

    // The control: what must be gone afterwards is there, and is found without the appliance's help.
    let (memory, volume) = snapshot(&road, &machine, &disk);
    let key = memory
        .key_of(&volume)
        .expect("an open workspace's key is in memory");
    assert!(memory.count(&key.uuid) > 0, "so is what its file system says");
    // Who steals the disk, the platform's database, its keystore, or all of them, does not have it.
    for stolen in [vec![disk.path().to_owned()], road.data.files().unwrap()].concat() {
        let bytes = Memory::read(&stolen).unwrap();
        for half in key.halves() {
            assert_eq!(bytes.count(half), 0, "half of the key is in {}", stolen.display());
        }
    }

    road.operator
        .run(&["appliance", "remove", &appliance.id.to_string()])
        .unwrap();
    // It hears at once, since it is always asking.
    let refused = machine.wait_for_state(State::Refused, CLOSED).unwrap();
    let (memory, _) = snapshot(&road, &machine, &disk);
    assert!(says_removed(&refused), "{refused:?}");
    assert_eq!(memory.key_of(&volume), None);
    for half in key.halves() {
        assert_eq!(memory.count(half), 0, "half of the key is still in memory");
    }
    assert_eq!(
        memory.count(&key.uuid),
        0,
        "a part of the file system is still in memory"
    );
    assert_eq!(road.seen(&appliance).unwrap().state, ApplianceState::Removed);

    drop(machine);
    let mut machine = road.boot(&disk).unwrap();
    let refused = machine.wait_for_state(State::Refused, BOOT_DEADLINE).unwrap();
    assert!(says_removed(&refused), "{refused:?}");
    assert!(
        machine
            .console()
            .lines()
            .iter()
            .filter_map(|line| StatusLine::parse(&line.text))
            .all(|status| ![State::Unlocked, State::Serving]
                .map(|state| state.to_string())
                .contains(&status.state)),
        "{}",
        machine.console()
    );
}

/// Memory and the encrypted volume at one moment, while the machine stands still.
fn snapshot(road: &Road, machine: &Machine, disk: &Disk) -> (Memory, Ciphertext) {
    let (memory, volume) = Memory::of_machine(machine, road.lab.dir(), |_| {
        Partition::named("workspace", road.image.raw())?.first_sectors(disk, 4)
    })
    .unwrap();
    (memory, Ciphertext::new(volume))
}

fn says_removed(status: &StatusLine) -> bool {
    status
        .reason
        .as_deref()
        .is_some_and(|reason| reason.contains("removed"))
}

const CLOSED: Duration = Duration::from_secs(10);
