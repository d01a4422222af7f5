//! From outside, an appliance that serves answers nothing at all.

#![cfg(test)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vedette_tests::lab::Lab;
use vedette_tests::road::Road;
use vedette_tests::stranger::{Stranger, flags};
use vedette_tests::wire::Wire;

#[test]
fn from_outside_no_port_and_no_icmp_answers() {
    let road = Road::open(&[]).unwrap();
    let serving = road.appliance("silent").unwrap();
    let Some(IpAddr::V4(victim)) = serving.status.address else {
        panic!("{:?}", serving.status)
    };
    let stranger = Stranger::enter(&road.lab).unwrap();
    let wire = Wire::watch(&road.lab).unwrap();
    let all: Vec<u16> = (1..=u16::MAX).collect();
    for ports in all.chunks(512) {
        until_taken(&road.lab, || {
            stranger.send_tcp(victim, ports.iter().copied(), flags::SYN)
        });
    }
    for odd in [
        0,
        flags::FIN,
        flags::ACK,
        flags::SYN | flags::FIN,
        flags::FIN | flags::PSH | flags::URG,
        flags::RST,
    ] {
        until_taken(&road.lab, || stranger.send_tcp(victim, ODD_PORTS, odd));
    }
    for payload in [&[0; 8][..], b""] {
        until_taken(&road.lab, || stranger.send_udp(victim, &UDP_PORTS, payload));
    }
    until_taken(&road.lab, || {
        send_crafted_icmp(&stranger, &road.lab, victim);
        Ok(())
    });

    let answers = stranger.answers(victim, Duration::from_secs(3)).unwrap();
    assert!(answers.is_empty(), "{answers:?}");
    // Not even something that our sockets would not show.
    let to_us = wire
        .sent_by(serving.disk.mac())
        .into_iter()
        .find(|packet| packet.to() == Some(stranger.address().into()));
    assert_eq!(to_us, None);
    assert!(
        road.lab.inside(neighbours).unwrap().contains(&victim.to_string()),
        "it was there all the time"
    );
}

/// Asks, and asks again what the wire swallowed because the machine was too busy to take it.
fn until_taken(lab: &Lab, ask: impl Fn() -> anyhow::Result<()>) {
    for _ in 0..50 {
        let dropped = lab.dropped_frames().unwrap();
        ask().unwrap();
        if lab.dropped_frames().unwrap() == dropped {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the machine does not take what it is sent");
}

/// Requests, and messages that would change routes, clocks or paths if they were believed.
fn send_crafted_icmp(stranger: &Stranger, lab: &Lab, victim: Ipv4Addr) {
    let echo = [0, 1, 0, 1];
    // What a redirect or an unreachable quotes: a datagram that the appliance may have sent to the platform.
    let mut quoted = vec![0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0];
    quoted.extend(victim.octets());
    quoted.extend(lab.subnet().platform().octets());
    quoted.extend([0xc0, 0, 0x20, 0xfb, 0, 0, 0, 0]);
    let with = |rest: [u8; 4]| [rest.to_vec(), quoted.clone()].concat();

    for code in 0..4 {
        stranger
            .send_icmp(victim, REDIRECT, code, &with(stranger.address().octets()))
            .unwrap();
    }
    stranger.send_icmp(victim, ECHO, 0, &echo).unwrap();
    stranger.send_icmp(victim, ECHO, 0, &[0; 1400]).unwrap();
    // Comes in fragments.
    stranger.send_icmp(victim, ECHO, 0, &[0; 20_000]).unwrap();
    stranger.send_icmp(victim, TIMESTAMP, 0, &[0; 16]).unwrap();
    stranger.send_icmp(victim, MASK, 0, &[0; 8]).unwrap();
    stranger.send_icmp(victim, INFORMATION, 0, &echo).unwrap();
    stranger
        .send_icmp(
            victim,
            ROUTER_ADVERTISEMENT,
            0,
            &[1, 2, 7, 8, 198, 18, 0, 66, 0, 0, 0, 0],
        )
        .unwrap();
    stranger
        .send_icmp(victim, ROUTER_SOLICITATION, 0, &[0; 4])
        .unwrap();
    stranger
        .send_icmp(victim, SOURCE_QUENCH, 0, &with([0; 4]))
        .unwrap();
    stranger
        .send_icmp(victim, PARAMETER_PROBLEM, 0, &with([0; 4]))
        .unwrap();
    stranger
        .send_icmp(victim, UNREACHABLE, 4, &with([0, 0, 2, 64]))
        .unwrap();
    for unassigned in [1, 2, 7, 19, 30, 37, 38, 40, 42, 255] {
        stranger.send_icmp(victim, unassigned, 0, &echo).unwrap();
    }
}

/// The neighbours whose hardware address this network knows.
fn neighbours() -> String {
    let output = std::process::Command::new("ip")
        .args(["-4", "neighbour", "show"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| line.contains("lladdr"))
        .collect::<Vec<_>>()
        .join("\n")
}

const ODD_PORTS: [u16; 10] = [1, 22, 23, 53, 68, 80, 443, 5355, 8443, 65535];
const UDP_PORTS: [u16; 24] = [
    7, 9, 13, 19, 53, 67, 68, 69, 111, 123, 137, 138, 161, 500, 514, 520, 546, 1900, 2049, 4500, 5353, 5355,
    11211, 33434,
];

// RFC 792, 950, 1256.
const UNREACHABLE: u8 = 3;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;
const ECHO: u8 = 8;
const ROUTER_ADVERTISEMENT: u8 = 9;
const ROUTER_SOLICITATION: u8 = 10;
const PARAMETER_PROBLEM: u8 = 12;
const TIMESTAMP: u8 = 13;
const INFORMATION: u8 = 15;
const MASK: u8 = 17;
