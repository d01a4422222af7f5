//! What receive filters ([`vedette_sys::packet::filter`]) let through of frames as they are built here.

use std::os::unix::net::UnixDatagram;

use vedette_sys::packet::{
    Instruction,
    filter::{Test, any_of},
};

use super::{Arp, Ends, Ethernet, Mac, Tcp, ethernet, ip};

/// Which of the frames the kernel lets through. (A filter works on every kind of socket.)
fn accepted<'a>(program: &[Instruction], frames: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let (sender, receiver) = UnixDatagram::pair().unwrap();
    vedette_sys::packet::attach_filter(&receiver, program).unwrap();
    receiver.set_nonblocking(true).unwrap();
    let mut passed = Vec::new();
    for frame in frames {
        sender.send(frame).unwrap();
        let mut bytes = [0; 2048];
        if let Ok(length) = receiver.recv(&mut bytes) {
            assert_eq!(&bytes[..length], *frame, "the whole of it");
            passed.push(*frame);
        }
    }
    passed
}

fn segment(source: &str, destination: &str, port: u16) -> Vec<u8> {
    let ends = Ends::between(source.parse().unwrap(), destination.parse().unwrap()).unwrap();
    let packet = ends.packet(ip::TCP, 64, &Tcp::syn(80, port, 1).segment(ends, b""));
    Ethernet::new(Mac::ZERO, Mac::ZERO, ends.ethernet_type()).frame(&packet)
}

/// With four bytes of options in its IPv4 header.
fn with_options(mut frame: Vec<u8>) -> Vec<u8> {
    frame[14] = 0x46;
    frame.splice(34..34, [1, 1, 1, 0]);
    frame
}

#[test]
fn what_each_alternative_describes_passes_and_nothing_else() {
    let own = "192.0.2.1".parse().unwrap();
    let own6 = "2001:db8::1".parse().unwrap();
    let four = [
        &Test::ipv4(ip::TCP)[..],
        &[
            Test::to_ipv4(own),
            Test::WITH_TRANSPORT_HEADER,
            Test::BehindIpv4(2, 1000, 1999),
        ],
    ]
    .concat();
    let six = [
        &Test::ipv6(ip::TCP)[..],
        &Test::to_ipv6(own6),
        &[Test::Between(56, 1000, 1999)],
    ]
    .concat();
    let arp = [Test::type_(ethernet::ARP)];
    let program = any_of(&[&four, &six, &arp]);

    let asked = Arp::request(Mac::ZERO, own, own).frame();
    let good = [
        segment("192.0.2.9", "192.0.2.1", 1000),
        segment("192.0.2.9", "192.0.2.1", 1999),
        with_options(segment("192.0.2.9", "192.0.2.1", 1500)),
        segment("2001:db8::9", "2001:db8::1", 1000),
        segment("2001:db8::9", "2001:db8::1", 1999),
        asked,
    ];
    let mut fragment = segment("192.0.2.9", "192.0.2.1", 1000);
    fragment[21] = 1;
    let mut udp = segment("192.0.2.9", "192.0.2.1", 1000);
    udp[23] = 17;
    let bad = [
        segment("192.0.2.9", "192.0.2.1", 999),
        segment("192.0.2.9", "192.0.2.1", 2000),
        with_options(segment("192.0.2.9", "192.0.2.1", 2000)),
        segment("192.0.2.9", "192.0.2.2", 1500),
        segment("2001:db8::9", "2001:db8::1", 999),
        segment("2001:db8::9", "2001:db8::1", 2000),
        segment("2001:db8::9", "2001:db8::2", 1500),
        fragment,
        udp,
        vec![0; 12],
        segment("192.0.2.9", "192.0.2.1", 1000)[..36].to_vec(),
    ];
    let frames: Vec<&[u8]> = good.iter().chain(&bad).map(Vec::as_slice).collect();
    let passed = accepted(&program, &frames);
    assert_eq!(passed, good.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

#[test]
fn without_alternatives_nothing_passes() {
    assert!(accepted(&any_of(&[]), &[&segment("192.0.2.9", "192.0.2.1", 1)]).is_empty());
}
