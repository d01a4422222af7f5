//! Services that are asked over UDP, in a network of the test's own.
#![cfg(test)]

use std::{
    net::{Ipv4Addr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use vedette_protocol::{
    Finding, PortSet, Report, Scope,
    finding::{Evidence, FindingType, Outcome},
    job::{Check, Checks},
};
use vedette_scanner::{Aids, Datagrams};
use vedette_tests::lab::Lab;
use vedette_tests::scan::{gather_here, scan_of};

/// What snmpd 5.9.3 of Debian 12 answered to the discovery of its engine.
const SNMPD: &[u8] = b"0m\x02\x01\x030\x0f\x02\x02VD\x02\x03\x00\xff\xe3\x04\x01\x00\x02\x01\x03\x04!0\x1f\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x02\x01\x01\x02\x01\x19\x04\x00\x04\x00\x04\x0004\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x04\x00\xa8\x1d\x02\x02VD\x02\x01\x00\x02\x01\x000\x110\x0f\x06\n+\x06\x01\x06\x03\x0f\x01\x01\x04\x00A\x01\x01";

/// Scans the SNMP port of an address where this is said to each datagram; says what was found, and how many
/// datagrams came.
fn scan(answer: fn(&[u8]) -> Option<Vec<u8>>, datagrams: Datagrams) -> (Vec<Finding>, Report, usize) {
    scan_port(161, By::ItsPort, answer, datagrams)
}

/// From which port answers come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    ItsPort,
    Another,
}

/// The same of any port.
fn scan_port(
    port: u16,
    by: By,
    answer: fn(&[u8]) -> Option<Vec<u8>>,
    datagrams: Datagrams,
) -> (Vec<Finding>, Report, usize) {
    let lab = Lab::start(&[]).unwrap();
    let address = lab.subnet().dns();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    let (findings, report) = lab
        .inside(move || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
            let another = UdpSocket::bind((address, 0)).unwrap();
            thread::spawn(move || {
                let mut bytes = [0; 2048];
                while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    if let Some(answer) = answer(&bytes[..length]) {
                        let answering = if by == By::ItsPort { &socket } else { &another };
                        let _ = answering.send_to(&answer, from);
                    }
                }
            });
            let ports = PortSet::from_ports([port]).unwrap();
            let scope = Scope::new(&[address.to_string().parse().unwrap()], &[], &[], ports);
            let checks = Checks::try_from(vec![Check::Ports, Check::Services]).unwrap();
            let aids = Aids {
                datagrams,
                ..Aids::default()
            };
            gather_here(scan_of(scope, checks, Duration::from_secs(60)), aids).unwrap()
        })
        .unwrap();
    (findings, report, heard.load(Ordering::Relaxed))
}

#[test]
fn an_agent_that_knows_no_community_of_ours_is_recognised_all_the_same() {
    let (findings, report, heard) = scan(|_| Some(SNMPD.to_vec()), Datagrams::WhereAtHome);
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    assert!(heard >= 1);
    let [service] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!((service.type_, service.port), (FindingType::Service, Some(161)));
    let spoken = service.evidence.iter().find_map(|fact| match fact {
        Evidence::Product {
            protocol, product, ..
        } => Some((protocol.to_string(), product.clone().unwrap())),
        _ => None,
    });
    let (protocol, product) = spoken.unwrap();
    assert_eq!((protocol.as_str(), product.as_str()), ("udp/snmp", "Net-SNMP"));
}

#[test]
fn echoes_noise_and_silence_are_no_service() {
    for answer in [
        (|heard: &[u8]| Some(heard.to_vec())) as fn(&[u8]) -> _,
        |_| Some(vec![0x30; 1400]),
        |_| None,
    ] {
        let (findings, report, heard) = scan(answer, Datagrams::WhereAtHome);
        assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
        assert!(heard >= 1 && findings.is_empty(), "{findings:?}");
    }
}

#[test]
fn nothing_is_sent_over_udp_unless_it_is_allowed() {
    let (findings, _, heard) = scan(|_| Some(SNMPD.to_vec()), Datagrams::Never);
    assert_eq!((findings.len(), heard), (0, 0));
}

#[test]
fn a_transfer_server_is_recognised_by_its_refusal_from_another_port() {
    let refuse = |_: &[u8]| Some(b"\0\x05\0\x01File not found\0".to_vec());
    let (findings, report, heard) = scan_port(69, By::Another, refuse, Datagrams::WhereAtHome);
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    assert!(heard >= 1);
    let [service] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!((service.type_, service.port), (FindingType::Service, Some(69)));
    for sound in [
        (|heard: &[u8]| Some(heard.to_vec())) as fn(&[u8]) -> _,
        |_| Some(b"\0\x05\0\x01no end".to_vec()),
        |_| None,
    ] {
        let (findings, _, heard) = scan_port(69, By::Another, sound, Datagrams::WhereAtHome);
        assert!(heard >= 1 && findings.is_empty(), "{findings:?}");
    }
}

/// Answers version 2c with the number of Net-SNMP's product, to the community `public` and to no other.
fn open_agent(heard: &[u8]) -> Option<Vec<u8>> {
    let asked = heard.windows(6).any(|part| part == b"public");
    asked.then(|| {
        [
            &b"0\x31\x02\x01\x01\x04\x06public\xa2\x24\x02\x02VD\x02\x01\0\x02\x01\0"[..],
            b"0\x180\x16\x06\x08\x2b\x06\x01\x02\x01\x01\x02\0",
            b"\x06\x0a\x2b\x06\x01\x04\x01\xbf\x08\x03\x02\x0a",
        ]
        .concat()
    })
}

#[test]
fn an_agent_that_answers_to_everybody_is_found_and_one_that_does_not_is_not() {
    let types = |findings: &[Finding]| {
        let mut types: Vec<FindingType> = findings.iter().map(|finding| finding.type_).collect();
        types.sort_unstable();
        types
    };
    let (findings, report, _) = scan(open_agent, Datagrams::WhereAtHome);
    assert_eq!(report.outcome(), Outcome::Complete, "{report:?}");
    let expected = [FindingType::Service, FindingType::SnmpDefaultCommunity];
    assert_eq!(types(&findings), expected);
    let (findings, ..) = scan(|_| Some(SNMPD.to_vec()), Datagrams::WhereAtHome);
    assert_eq!(types(&findings), [FindingType::Service]);
}
