//! From inside: what each unit's sandbox denies, and what the kernel denies to a worker that lies.
//!
//! The image carries the probes of `tests/probe`. What they print is believed only as far as a control shows that the
//! attempt works where nothing forbids it, or as the lab's wire shows that nothing came out.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use vedette_protocol::api::{Appliance, Scan, ScanState};
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::lab::{Machine, StatusLine, Target};
use vedette_tests::platform::{self, TestImages};
use vedette_tests::probes::{CONTROL, UNITS};
use vedette_tests::road::Road;
use vedette_tests::wire::{Packet, Wire};

#[test]
fn probes_find_every_sandbox_shut_and_a_liar_reaches_nothing() {
    let mut road = Road::open_with_probes(&[Target::GoodWeb, Target::BadWeb]).unwrap();
    let disk = road.flash("probes").unwrap();

    // A platform that was not told to takes no such image.
    let mut machine = road.boot(&disk).unwrap();
    let line = machine
        .wait_for_line("why it stays out", BOOT_DEADLINE, |line| {
            StatusLine::parse(&line.text)
                .is_some_and(|status| status.reason.is_some_and(|why| why.contains("test")))
        })
        .unwrap();
    let refused = StatusLine::parse(&line.text).unwrap();
    assert_eq!(
        refused.reason.as_deref(),
        Some("the_platform_accepts_no_test_images")
    );
    assert!(
        road.operator
            .ask::<Vec<Appliance>>(&["appliance", "list"])
            .unwrap()
            .is_empty()
    );

    check_sandboxes(&mut machine);
    drop(machine);

    road.serve_platform_with(TestImages::Accepted).unwrap();
    let (mut machine, status) = road.boot_to_serving(&disk).unwrap();
    let wire = Wire::watch(&road.lab).unwrap();
    let id = road
        .operator
        .ask::<Vec<Appliance>>(&["appliance", "list"])
        .unwrap()
        .remove(0)
        .id
        .to_string();
    let name = Target::GoodWeb.host_name();
    let scan: Scan = road
        .operator
        .ask(&[
            "scan",
            "start",
            "--appliance",
            &id,
            "--target",
            &name,
            "--ports",
            "80",
            "--wait",
        ])
        .unwrap();
    let liar = said_by(&mut machine, "liar");
    assert_eq!(scan.state, ScanState::Complete, "{scan:#?}");
    check_liar(&liar);
    check_wire(&road, &wire.sent_by(disk.mac()), status.address);
}

/// One attempt or fact, as a probe printed it.
type Said = BTreeMap<String, String>;

fn check_sandboxes(machine: &mut Machine) {
    let control = said_by(machine, CONTROL);
    for (attempt, outcome) in &control {
        let denied = outcome.starts_with("denied");
        if DENIED_TO_ROOT.contains(&attempt.as_str()) {
            assert!(denied, "{attempt}: not even root may, and it may");
        } else if !attempt.starts_with("fact ") {
            assert!(
                !denied,
                "{attempt}: {outcome} without a sandbox, so it proves nothing in one"
            );
        }
    }
    for unit in UNITS {
        let said = said_by(machine, unit.trim_end_matches('@'));
        let allowed: BTreeSet<&str> = said
            .iter()
            .filter(|(attempt, outcome)| !attempt.starts_with("fact ") && *outcome == "allowed")
            .map(|(attempt, _)| attempt.as_str())
            .collect();
        let expected = expected(unit);
        assert_eq!(
            allowed,
            expected.allowed.iter().copied().collect(),
            "{unit}: what it may do"
        );
        assert_eq!(
            said.len(),
            control.len(),
            "{unit}: as many attempts as the control: {said:?}"
        );
        for (fact, value) in expected.facts {
            assert_eq!(
                said.get(&format!("fact {fact}")).map(String::as_str),
                Some(*value),
                "{unit}: {fact}"
            );
        }
    }
}

/// What a unit may do, because it must. All else is denied.
struct Expected {
    allowed: &'static [&'static str],
    facts: &'static [(&'static str, &'static str)],
}

fn expected(unit: &str) -> Expected {
    match unit {
        "vedetted" => Expected {
            allowed: &[
                "PrivateNetwork",
                "RestrictAddressFamilies=inet",
                "SystemCallFilter=@keyring",
                "keeper",
                "worker-socket",
            ],
            facts: NO_CAPABILITY,
        },
        "vedette-worker@" => Expected {
            allowed: &["PrivateNetwork", "RestrictAddressFamilies=inet"],
            facts: NO_CAPABILITY,
        },
        "vedette-vault" => Expected {
            allowed: &[],
            facts: NO_CAPABILITY,
        },
        "vedette-console" => Expected {
            allowed: &["SystemCallFilter=@keyring"],
            facts: NO_CAPABILITY,
        },
        "vedette-keeper" => Expected {
            allowed: &[
                "NoExecPaths",
                "PrivateDevices",
                "PrivateNetwork",
                "ProcSubset",
                "ProtectClock",
                // Of the rules for /proc none holds for root.
                "ProtectProc",
                "RestrictAddressFamilies=netlink",
                "RestrictAddressFamilies=packet",
                "SystemCallFilter=@keyring",
                "SystemCallFilter=@mount",
            ],
            // SYS_TIME, SYS_ADMIN, NET_RAW, NET_ADMIN.
            facts: &[
                ("CapBnd", "0000000002203000"),
                ("CapEff", "0000000002203000"),
                ("NoNewPrivs", "1"),
                ("Seccomp", "2"),
                ("Writable", "/dev,/dev/mapper,/tmp,/var/tmp"),
            ],
        },
        "systemd-networkd" => Expected {
            allowed: &[
                "CapabilityBoundingSet=NET_RAW",
                "PrivateNetwork",
                "ProcSubset",
                "RestrictAddressFamilies=inet",
                // Routes and addresses; vedette-network's own filter shuts the packet filter's protocol.
                "RestrictAddressFamilies=netlink",
                "RestrictAddressFamilies=packet",
                "SystemCallFilter=@keyring",
            ],
            // NET_BIND_SERVICE, NET_BROADCAST, NET_ADMIN, NET_RAW.
            facts: &[
                ("CapBnd", "0000000000003c00"),
                ("CapEff", "0000000000003c00"),
                ("NoNewPrivs", "1"),
                ("Seccomp", "2"),
                ("Writable", "/tmp,/var/tmp"),
            ],
        },
        other => panic!("{other}: write down here what it may do"),
    }
}

const NO_CAPABILITY: &[(&str, &str)] = &[
    ("CapBnd", "0000000000000000"),
    ("CapEff", "0000000000000000"),
    ("NoNewPrivs", "1"),
    ("Seccomp", "2"),
    ("Writable", "/tmp,/var/tmp"),
];

/// By verity, lockdown, the lock on modules, the packet filter; and by the keeper, which speaks with the link alone.
const DENIED_TO_ROOT: [&str; 5] = [
    "keeper",
    "kernel-module",
    "memory-device",
    "root-is-read-only",
    "udp-out",
];

fn check_liar(said: &Said) {
    for (attempt, outcome) in said {
        let expected = match attempt.as_str() {
            "granted" | "frame-granted" | "frame-granted-arp" => "allowed",
            _ => "denied",
        };
        assert_eq!(outcome.split(' ').next(), Some(expected), "{attempt}: {outcome}");
    }
    for attempt in [
        "before-the-grant",
        "granted",
        "other-target",
        "platform",
        "resolver",
        "frame-granted",
        "frame-other-target",
        "frame-other-source",
        "frame-other-adapter",
        "frame-vlan",
        "frame-arp-claim",
        "frame-loopback",
        "after-the-grant",
        "frame-after-the-grant",
    ] {
        assert!(
            said.contains_key(attempt),
            "the liar did not come to {attempt}: {said:?}"
        );
    }
}

/// What is not granted never came out, and what is did.
fn check_wire(road: &Road, sent: &BTreeSet<Packet>, appliance: Option<IpAddr>) {
    let granted = SocketAddr::from((road.lab.address(Target::GoodWeb), 80));
    assert!(
        sent.contains(&Packet::Tcp(granted)),
        "the wire was not watched: {sent:?}"
    );
    let dns = SocketAddr::from((road.lab.subnet().dns(), 53));
    for packet in sent {
        let lawful = match packet {
            Packet::Tcp(to) => [granted, platform::address(&road.lab), dns].contains(to),
            Packet::Udp(to) => *to == dns || to.port() == 67,
            Packet::Arp => true,
            // Neighbour discovery and the reports of its multicast groups (RFC 4861, RFC 3810).
            Packet::Icmp(IpAddr::V6(_), kind) => [133, 135, 136, 143].contains(kind),
            Packet::Icmp(..) | Packet::Ip(..) | Packet::Ethernet(_) => false,
        };
        assert!(lawful, "{appliance:?} sent {packet}");
    }
}

/// Everything that a probe says, up to its end.
fn said_by(machine: &mut Machine, who: &str) -> Said {
    // After the journal's own words: when, who.
    let begin = format!("]: probe {who} ");
    let ending = format!("{begin}end");
    machine
        .wait_for_line(&ending, PROBE, |line| line.text.ends_with(&ending))
        .unwrap();
    machine
        .console()
        .lines()
        .iter()
        .filter_map(|line| Some(line.text.split_once(&begin)?.1))
        .filter(|rest| *rest != "end")
        .map(|rest| match rest.strip_prefix("fact ") {
            Some(fact) => fact
                .split_once(' ')
                .map(|(name, value)| (format!("fact {name}"), value.to_owned())),
            None => rest
                .split_once(' ')
                .map(|(name, outcome)| (name.to_owned(), outcome.to_owned())),
        })
        .map(|said| said.expect("each line has an outcome"))
        .collect()
}

const PROBE: Duration = Duration::from_secs(120);
