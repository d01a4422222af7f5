use super::{
    sweep::{MISS_GOAL, MOST_PASSES},
    *,
};
use proptest::prelude::*;
use std::collections::HashMap;
use vedette_protocol::{
    finding::{FindingType, MacAddress, Outcome, Transport},
    scope::Area,
    target::Target,
};

use crate::{
    discover::{
        local::{Link, Route},
        question::Identifiers,
    },
    packet::{self, Arp, Body, Ends, Ethernet, Mac, Tcp, arp::Operation, ethernet, ip, tcp::Flags},
};

const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const OWN: Own = Own {
    tcp: 40_000,
    udp: 40_001,
    icmp: Identifiers::Any,
    resets: Resets::Kernel,
};

/// As a worker of the appliance has it.
const LENT: Own = Own {
    tcp: 20_000,
    udp: 20_001,
    icmp: Identifiers::From(20_000),
    resets: Resets::Ours,
};

fn local() -> Local {
    let route = |network: &str, via: Option<&str>| Route {
        network: network.parse().unwrap(),
        via: via.map(|via| via.parse().unwrap()),
        interface: "eth0".into(),
        metric: 0,
    };
    Local {
        links: vec![Link {
            index: 2,
            name: "eth0".into(),
            mac: Some(OURS),
            addresses: vec!["192.0.2.1/16".parse().unwrap(), "fd00::1/64".parse().unwrap()],
        }],
        routes: vec![
            route("192.0.0.0/16", None),
            route("fd00::/64", None),
            route("198.51.100.0/24", Some("192.0.2.254")),
        ],
    }
}

fn scope_on(targets: &[Target], exclude: &[Target], ports: &str) -> Arc<JobScope> {
    Arc::new(JobScope {
        area: Area::new(targets, exclude, &[]),
        ports: ports.parse().unwrap(),
    })
}

fn scope(targets: &[Target], exclude: &[Target]) -> Arc<JobScope> {
    scope_on(targets, exclude, "1-65535,U:1-65535")
}

fn course(targets: &[&str], methods: &[Method]) -> Course {
    let targets: Vec<Target> = targets.iter().map(|target| target.parse().unwrap()).collect();
    let time = Duration::from_secs(60);
    Course::new(scope(&targets, &[]), local(), Methods::of(methods), OWN, time)
}

/// Runs a course on a link where a frame takes a millisecond there and back, and gives what was sent.
fn run(course: &mut Course, mut answer: impl FnMut(&Parcel) -> Option<Vec<u8>>) -> Vec<Parcel> {
    let (mut now, mut sent) = (Duration::ZERO, Vec::new());
    while !course.over(now) {
        course.tick(now);
        while let Some(parcel) = course.next(now) {
            if let Some(frame) = answer(&parcel) {
                course.hear(2, &frame, None, now + Duration::from_millis(1));
            }
            sent.push(parcel);
        }
        now = course.wake().max(now + Duration::from_millis(1));
    }
    sent
}

/// The ARP reply of a host that has every address that it is asked for.
fn reply(parcel: &Parcel) -> Option<Vec<u8>> {
    let Parcel::Frame { bytes, .. } = parcel else {
        return None;
    };
    let Body::Arp(request) = packet::parse(bytes)?.body else {
        return None;
    };
    let [.., a, b] = request.target.1.octets();
    Some(request.answer(Mac([2, 0, 0, 1, a, b])).frame())
}

#[test]
fn who_is_there_is_found_although_every_fifth_frame_is_lost() {
    let mut course = course(&["192.0.2.0/24"], &[Method::Link]);
    let mut count = 0_u64;
    let there = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[3] % 10 == 7);
    // Without a rhythm that the addresses could share.
    let arrives = |number: u64| number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xff > 51;
    run(&mut course, |parcel| {
        count += 1;
        let Parcel::Frame { about, .. } = parcel else {
            return None;
        };
        (there(about) && arrives(count)).then(|| reply(parcel)).flatten()
    });
    let (devices, report, _) = course.close(count, Duration::from_secs(1));
    let hosts = devices.findings();
    let hosts = hosts
        .iter()
        .filter(|finding| finding.type_ == FindingType::Device);
    // Of 25, and this machine; in three passes, each is missed with a probability of 0.8 %.
    assert!(hosts.count() >= 25);
    assert_eq!(report.outcome(), Outcome::Complete);
    let miss = report.effort().miss_probability;
    assert!(miss > 0.0 && miss < 0.05, "{miss}");
}

#[test]
fn a_network_in_which_nothing_is_lost_is_asked_once() {
    let mut course = course(&["192.0.0.0/16"], &[Method::Link]);
    let there = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[3] == 9);
    let sent = run(&mut course, |parcel| match parcel {
        Parcel::Frame { about, .. } if there(about) => reply(parcel),
        _ => None,
    });
    // Each address, and each of 256 hosts a second time.
    assert_eq!(sent.len(), 65_536 - 1 + 256);
    let (_, report, _) = course.close(sent.len() as u64, Duration::from_secs(1));
    assert_eq!(report.coverage().hosts_answering, 257);
    assert!(report.effort().miss_probability < MISS_GOAL);
}

#[test]
fn an_empty_network_is_asked_as_often_as_may_be() {
    let mut course = course(&["192.0.2.0/28"], &[Method::Link]);
    let sent = run(&mut course, |_| None);
    assert_eq!(sent.len(), 15 * usize::from(MOST_PASSES));
}

#[test]
fn a_storm_of_claims_is_kept_within_bounds_and_told() {
    let mut course = course(&["192.0.0.0/16", "198.51.0.0/16"], &[Method::Link]);
    for number in 0..70_000_u32 {
        let [_, high, c, d] = number.to_be_bytes();
        let network = if high == 0 { [192, 0] } else { [198, 51] };
        let address = Ipv4Addr::new(network[0], network[1], c, d);
        let claim = Arp {
            operation: Operation::Request,
            sender: (Mac([2, 1, 1, 1, c, d]), address),
            target: (Mac::ZERO, address),
        };
        course.hear(2, &claim.frame(), None, Duration::ZERO);
    }
    let (devices, report, hindrances) = course.close(0, Duration::from_secs(1));
    assert!(devices.full() && hindrances.contains_key(&Hindrance::TooMany));
    assert_eq!(report.outcome(), Outcome::Partial);
    assert_eq!(devices.answering(), 0, "a claim is no answer");
}

#[test]
fn overlapping_targets_are_asked_once() {
    let mut course = course(&["192.0.2.0/28", "192.0.2.4-20", "192.0.2.5"], &[Method::Link]);
    let sent = run(&mut course, |_| None);
    assert_eq!(sent.len(), (21 - 1) * usize::from(MOST_PASSES));
}

#[test]
fn time_that_is_up_leaves_the_rest_unanswered() {
    let targets = ["192.0.0.0/16".parse().unwrap()];
    let time = Duration::from_millis(1);
    let mut course = Course::new(scope(&targets, &[]), local(), Methods::of(&[]), OWN, time);
    for _ in 0..100 {
        assert!(course.next(Duration::ZERO).is_some());
    }
    assert!(course.next(time).is_none() && course.over(time));
    let (_, report, hindrances) = course.close(100, time);
    assert_eq!(report.outcome(), Outcome::Partial);
    assert_eq!(report.unanswered(), 65_536 - 100);
    assert!(hindrances.contains_key(&Hindrance::Deadline));
    assert!(report.effort().miss_probability > 0.99);
}

fn target() -> impl Strategy<Value = Target> {
    let near = (0u8..=255, 0u8..=255).prop_map(|(a, b)| format!("192.0.2.{}-192.0.2.{}", a.min(b), a.max(b)));
    let far = (0u8..=255).prop_map(|a| format!("198.51.100.{a}"));
    let six = (0u16..300).prop_map(|a| format!("fd00::{a:x}"));
    prop_oneof![
        near,
        far,
        six,
        Just("ff02::1".to_owned()),
        Just("224.0.0.251".to_owned())
    ]
    .prop_map(|text| text.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn nothing_is_planned_outside_the_scope(
        targets in proptest::collection::vec(target(), 1..4),
        exclude in proptest::collection::vec(target(), 0..3),
        ports in prop_oneof![Just("22"), Just("443,U:161"), Just("80,137,161,U:443"), Just("U:53,137,5353"), Just("445,U:5355")],
        own in prop_oneof![Just(OWN), Just(LENT)],
    ) {
        let scope = scope_on(&targets, &exclude, ports);
        let mut course = Course::new(scope.clone(), local(), Methods::of(&[]), own, Duration::from_secs(60));
        for parcel in run(&mut course, reply) {
            let permitted = match &parcel {
                Parcel::Frame { about, .. } => scope.area.permits(*about),
                Parcel::Packet { destination, port: Some(port), .. } => scope.permits(*destination, Transport::Tcp, *port),
                Parcel::Packet { destination, port: None, .. } => scope.area.permits(*destination),
                Parcel::Datagram { destination, .. } => scope.permits(destination.ip(), Transport::Udp, destination.port()),
            };
            prop_assert!(permitted, "{parcel:?}");
        }
    }
}

/// A host with every address, which accepts connections at port 80 and refuses them elsewhere.
fn accepts(parcel: &Parcel) -> Option<Vec<u8>> {
    let Parcel::Packet {
        destination,
        protocol: ip::TCP,
        bytes,
        ..
    } = parcel
    else {
        return reply(parcel);
    };
    let (asked, _) = Tcp::parse(bytes)?;
    let answers = asked.flags == Flags::SYN;
    let flags = match asked.destination {
        80 => Flags::SYN.and(Flags::ACK),
        _ => Flags::RST.and(Flags::ACK),
    };
    let answer = Tcp {
        source: asked.destination,
        destination: asked.source,
        sequence: 77,
        acknowledgement: asked.sequence.wrapping_add(1),
        flags,
        window: 0,
        mss: None,
    };
    let back = Ends::between(*destination, "192.0.2.1".parse().unwrap())?;
    let packet = back.packet(ip::TCP, 64, &answer.segment(back, b""));
    answers.then(|| Ethernet::new(Mac([2, 0, 0, 1, 0, 0]), Mac(OURS.0), ethernet::IPV4).frame(&packet))
}

#[test]
fn who_accepts_is_reset_where_no_kernel_does_it() {
    for (own, resets) in [(OWN, 0), (LENT, 1)] {
        let targets = ["192.0.2.7".parse().unwrap()];
        let scope = scope_on(&targets, &[], "22,80");
        let time = Duration::from_secs(60);
        let mut course = Course::new(scope, local(), Methods::of(&[]), own, time);
        let mut asked = HashMap::new();
        let sent = run(&mut course, accepts);
        let segments = sent.iter().filter_map(|parcel| match parcel {
            Parcel::Packet {
                protocol: ip::TCP,
                bytes,
                ..
            } => Tcp::parse(bytes),
            _ => None,
        });
        let mut reset = Vec::new();
        for (segment, _) in segments {
            match segment.flags {
                Flags::SYN => drop(asked.insert(segment.destination, segment.sequence)),
                Flags::RST => reset.push(segment),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(asked.len(), 2, "{sent:?}");
        assert_eq!(reset.len(), resets, "{reset:?}");
        for segment in reset {
            assert_eq!((segment.source, segment.destination), (own.tcp, 80));
            assert_eq!(segment.sequence, asked[&80].wrapping_add(1));
        }
    }
}
