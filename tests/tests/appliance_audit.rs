//! Credentials of every kind, looked for in all of a booted appliance's memory and on its disk, and in the platform's
//! memory and files, while they are not in use; and found where they are.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use vedette_protocol::{
    api::{Scan, ScanState},
    credential::CredentialKind,
    finding::{Evidence, LoginOutcome},
    status::State,
};
use vedette_tests::{
    doors::{Door, Doors, MARK},
    lab::Machine,
    memory::Memory,
    owner::Owner,
    platform::{self, TestImages},
    probes::section_of,
    road::{Road, Serving},
    tap::Tap,
};

#[test]
fn no_secret_of_any_kind_is_in_the_machine_but_while_it_is_used() {
    let road = Road::open(&[]).unwrap();
    let doors = Doors::open(&road.lab).unwrap();
    let mut serving = road.appliance("office").unwrap();
    let owner = Owner::of(&road, &mut serving).unwrap();
    let id = serving.appliance.id.to_string();
    let Serving { machine, disk, .. } = &mut serving;
    seal(&owner, &doors, &id, doors.doors.iter());
    assert_eq!(seen(&road, machine, &doors), BTreeSet::new(), "before any use");

    // The control: each is there while its server is waited for, and is found.
    let all: BTreeSet<&str> = doors.doors.iter().map(|door| door.kind.name()).collect();
    let scan = start(&road, &doors, &id, &doors.doors);
    assert_eq!(found_in_use(&road, machine, &doors, &scan, &doors.doors), all);
    let scan = road.operator.ended(&scan, WHILE).unwrap();
    let logins = road.operator.findings(&scan).unwrap();
    // The last worker was reaped before its report went out.
    thread::sleep(A_SECOND);
    assert_eq!(left(&road, machine, &doors), BTreeSet::new(), "after their use");
    let accepted = Evidence::Login {
        outcome: LoginOutcome::Accepted,
    };
    let ports: BTreeSet<Option<u16>> = logins
        .iter()
        .filter(|stored| stored.finding.evidence.contains(&accepted))
        .map(|stored| stored.finding.port)
        .collect();
    // What is found over SSH is the host's, and not a port's.
    let of_ssh = |kind| matches!(kind, CredentialKind::SshPassword | CredentialKind::SshKey);
    let expected = doors
        .doors
        .iter()
        .map(|door| (!of_ssh(door.kind)).then(|| door.endpoint.port()));
    assert_eq!(ports, expected.collect(), "{scan:?}");
    for method in ["password", "publickey"] {
        let log = doors.sshd_log().unwrap();
        assert!(log.contains(&format!("Accepted {method} for scanner")), "{log}");
    }

    // Removed in the midst of a login.
    let [door, ..] = &doors.doors[..] else {
        panic!("no doors");
    };
    door.gate.set_open(false);
    let scan = start(&road, &doors, &id, std::slice::from_ref(door));
    assert_eq!(
        found_in_use(&road, machine, &doors, &scan, std::slice::from_ref(door)),
        BTreeSet::from([door.kind.name()])
    );
    door.gate.set_open(false);
    road.operator.run(&["appliance", "remove", &id]).unwrap();
    machine.wait_for_state(State::Refused, WHILE).unwrap();
    thread::sleep(A_SECOND);
    assert_eq!(left(&road, machine, &doors), BTreeSet::new(), "after removal");

    // And where nothing may ever be: workspace, state partition and all else on the disk, the platform, what was logged.
    assert_eq!(Memory::read(disk.path()).unwrap().count_forms(MARK), 0, "disk");
    let platform = Memory::of_process(road.platform_id().unwrap()).unwrap();
    assert_eq!(platform.count_forms(MARK), 0, "the platform's memory");
    assert!(platform.count(id.as_bytes()) > 0, "which was searched");
    for file in road.data.files().unwrap() {
        let text = Memory::read(&file).unwrap();
        assert_eq!(text.count_forms(MARK), 0, "{}", file.display());
    }
    assert!(!machine.console().to_string().contains(MARK));
    assert!(!road.platform_said().contains(MARK));
    assert!(is_below(road.lab.dir(), MARK), "the search is not blind");
}

#[test]
fn a_crash_in_the_midst_of_a_login_leaves_nothing_behind() {
    let mut road = Road::open_with(&[], "crash", &section_of("crash")).unwrap();
    road.serve_platform_with(TestImages::Accepted).unwrap();
    let doors = Doors::open(&road.lab).unwrap();
    let mut serving = road.appliance("office").unwrap();
    let owner = Owner::of(&road, &mut serving).unwrap();
    let id = serving.appliance.id.to_string();
    let machine = &mut serving.machine;
    // One whose secret the worker has, and one whose secret the vault has.
    let kinds = [CredentialKind::SshPassword, CredentialKind::SshKey];
    let of_ssh = |door: &&Door| kinds.contains(&door.kind);
    seal(&owner, &doors, &id, doors.doors.iter().filter(of_ssh));
    for door in doors.doors.iter().filter(of_ssh) {
        let scan = start(&road, &doors, &id, std::slice::from_ref(door));
        let used = found_in_use(&road, machine, &doors, &scan, std::slice::from_ref(door));
        assert_eq!(used, BTreeSet::from([door.kind.name()]));
        door.gate.set_open(false);
        machine.qmp().unwrap().set_link(false).unwrap();
        let crashed = machine
            .wait_for_line("a worker's crash", WHILE, |line| {
                line.text.starts_with("probe crash ")
            })
            .unwrap();
        assert_eq!(crashed.text, "probe crash 1");
        thread::sleep(A_SECOND);
        assert_eq!(seen(&road, machine, &doors), BTreeSet::new(), "{}", door.kind);
        machine.qmp().unwrap().set_link(true).unwrap();
        // The job is run once more, and ends.
        door.gate.set_open(true);
        road.operator.ended(&scan, WHILE).unwrap();
        assert_eq!(seen(&road, machine, &doors), BTreeSet::new(), "{}", door.kind);
    }
}

#[test]
fn nothing_on_the_wire_says_a_secret_even_to_who_has_the_keys_of_tls() {
    let mut road = Road::open(&[]).unwrap();
    let keys = road.lab.dir().join("keys");
    let mut logged = Command::new(env!("CARGO_BIN_EXE_vedette-platform-logged"));
    logged.env("SSLKEYLOGFILE", &keys);
    road.serve_platform_by(logged).unwrap();
    let link = Tap::start(
        &road.lab,
        "link",
        &format!("tcp port {}", platform::address(&road.lab).port()),
    )
    .unwrap();
    let all = Tap::start(&road.lab, "all", "ip or ip6 or arp").unwrap();
    let doors = Doors::open(&road.lab).unwrap();
    let mut serving = road.appliance("office").unwrap();
    let owner = Owner::of(&road, &mut serving).unwrap();
    let id = serving.appliance.id.to_string();
    seal(&owner, &doors, &id, doors.doors.iter());
    doors.doors.iter().for_each(|door| door.gate.set_open(true));
    let scan = start(&road, &doors, &id, &doors.doors);
    road.operator.ended(&scan, WHILE).unwrap();
    let found = road.operator.findings(&scan).unwrap().len();
    assert!(found >= doors.doors.len() - 1, "{found}");

    // What went between the appliance and the platform, in clear.
    let (link, all) = (link.end().unwrap(), all.end().unwrap());
    let said = Memory::of_bytes(link.opened_with(&keys).unwrap());
    for known in ["POST /link/v1/events", "Debian GNU/Linux"] {
        assert!(said.count(known.as_bytes()) > 0, "{known} was said");
    }
    assert_eq!(said.count_any(&doors.marks()), 0);
    // And everything else that was on the wire, as it was: a community alone goes over it as it stands.
    let all = Memory::read(all.path()).unwrap();
    for door in &doors.doors {
        let is_in_clear = door.kind == CredentialKind::SnmpCommunity;
        assert_eq!(all.count_any(&door.secret) > 0, is_in_clear, "{}", door.kind);
    }
}

/// Seals what opens these doors, and lets the appliance use it.
fn seal<'a>(owner: &Owner<'_>, doors: &Doors, appliance: &str, these: impl Iterator<Item = &'a Door>) {
    let (address, ports) = (doors.address.to_string(), doors.ports());
    let mut grant = vec!["grant", "sign", "--appliance", appliance, "--checks", "inventory"];
    grant.extend(["--targets", &address, "--ports", &ports]);
    for door in these {
        let endpoint = door.endpoint.to_string();
        owner.run(&door.seal(appliance, &endpoint)).unwrap();
        grant.extend(["--credential", door.kind.name()]);
    }
    owner.run(&grant).unwrap();
}

fn start(road: &Road, doors: &Doors, appliance: &str, through: &[Door]) -> Scan {
    let address = doors.address.to_string();
    let ports = doors.ports();
    let mut start = vec!["scan", "start", "--appliance", appliance, "--target", &address];
    start.extend(["--ports", &ports, "--check", "inventory"]);
    for door in through {
        start.extend(["--credential", door.kind.name()]);
    }
    road.operator.ask(&start).unwrap()
}

/// Goes through a scan step by step, from answer to answer, until the secret of each of these doors was seen in memory or
/// the scan has ended. Whose secret was seen is open then.
fn found_in_use<'a>(
    road: &Road,
    machine: &Machine,
    doors: &'a Doors,
    scan: &Scan,
    through: &'a [Door],
) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let end = Instant::now() + WHILE;
    loop {
        let now = seen(road, machine, doors);
        for door in through.iter().filter(|door| now.contains(door.kind.name())) {
            found.insert(door.kind.name());
            door.gate.set_open(true);
        }
        let scan = road.operator.seen(scan).unwrap();
        let is_over = ![ScanState::Queued, ScanState::Running].contains(&scan.state);
        if is_over || found.len() == through.len() || Instant::now() > end {
            return found;
        }
        through.iter().for_each(|door| door.gate.step());
        thread::sleep(STEP);
    }
}

/// What is still there after its use. A community has gone over the network as it stands, and stays in the kernel's
/// network buffers until these are used again.
fn left<'a>(road: &Road, machine: &Machine, doors: &'a Doors) -> BTreeSet<&'a str> {
    let mut left = seen(road, machine, doors);
    left.remove(CredentialKind::SnmpCommunity.name());
    left
}

/// The kinds of which a secret is in the machine's memory now, in whatever form.
fn seen<'a>(road: &Road, machine: &Machine, doors: &'a Doors) -> BTreeSet<&'a str> {
    let kinds = |memory: &Memory| {
        let marks = memory.count_any(&doors.marks());
        let mut seen = BTreeSet::new();
        if marks > 0 {
            let there = doors
                .doors
                .iter()
                .filter(|door| memory.count_any(&door.secret) > 0);
            seen.extend(there.map(|door| door.kind.name()));
            assert!(!seen.is_empty(), "{marks} marks, and no secret that is known");
        }
        Ok(seen)
    };
    Memory::of_machine(machine, road.lab.dir(), kinds).unwrap().1
}

/// Whether a text stands in a file below a folder.
fn is_below(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().map(Result::unwrap).any(|entry| {
        let kind = entry.file_type().unwrap();
        (kind.is_dir() && is_below(&entry.path(), text))
            || (kind.is_file()
                && entry.metadata().unwrap().len() < 1 << 20
                && Memory::read(&entry.path()).unwrap().count(text.as_bytes()) > 0)
    })
}

/// How long the machine runs between two looks.
const STEP: Duration = Duration::from_millis(300);
const A_SECOND: Duration = Duration::from_secs(1);
const WHILE: Duration = Duration::from_secs(240);
