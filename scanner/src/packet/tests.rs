//! Each header survives the way out and in, and no bytes are too strange to be looked at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{arp::Operation, checksum::Checksum, tcp::Flags, *};

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        any::<(Ipv4Addr, Ipv4Addr)>().prop_map(|(source, destination)| Ends::V4 { source, destination }),
        any::<(Ipv6Addr, Ipv6Addr)>().prop_map(|(source, destination)| Ends::V6 { source, destination }),
    ]
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

fn tcp() -> impl Strategy<Value = Tcp> {
    let fields = any::<(u16, u16, u32, u32, u8, u16, Option<u16>)>();
    fields.prop_map(
        |(source, destination, sequence, acknowledgement, flags, window, mss)| Tcp {
            source,
            destination,
            sequence,
            acknowledgement,
            flags: Flags(flags),
            window,
            mss,
        },
    )
}

/// The sum over bytes that hold their own checksum is zero.
fn holds(ends: Ends, protocol: u8, bytes: &[u8]) -> bool {
    Checksum::of(ends, protocol, bytes).finish() == 0
}

/// Wraps transport bytes, and takes the frame apart again.
fn through<'a>(frame: &'a mut Vec<u8>, ends: Ends, protocol: u8, bytes: &[u8]) -> (Ip, Payload<'a>) {
    let packet = ends.packet(protocol, 64, bytes);
    *frame = Ethernet::new(Mac([2; 6]), Mac([4; 6]), ends.ethernet_type()).frame(&packet);
    match parse(frame).unwrap().body {
        Body::Ip(ip, payload) => {
            assert_eq!(
                (ip.ends, ip.protocol, ip.hops, ip.fragment),
                (ends, protocol, 64, false)
            );
            (ip, payload)
        }
        body => panic!("{body:?}"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        let _ = Quote::parse(&bytes);
        for type_ in [ethernet::IPV4, ethernet::IPV6, ethernet::ARP] {
            let frame = Ethernet::new(Mac::ZERO, Mac::ZERO, type_).frame(&bytes);
            let _ = parse(&frame);
        }
        for protocol in [ip::ICMP, ip::TCP, ip::UDP, ip::ICMPV6, 0, 43, 44, 60] {
            for ends in [
                Ends::V4 { source: Ipv4Addr::LOCALHOST, destination: Ipv4Addr::LOCALHOST },
                Ends::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::LOCALHOST },
            ] {
                let _ = parse_ip(&ends.packet(protocol, 1, &bytes));
            }
        }
    }

    #[test]
    fn a_frame_cut_anywhere_gives_less_and_nothing_made_up(
        ends in ends(), tcp in tcp(), data in data(), at in any::<prop::sample::Index>(),
    ) {
        let packet = ends.packet(ip::TCP, 64, &tcp.segment(ends, &data));
        let frame = Ethernet::new(Mac::ZERO, Mac::ZERO, ends.ethernet_type()).frame(&packet);
        let cut = at.index(frame.len());
        if let Some(Packet { body, .. }) = parse(&frame[..cut]) {
            prop_assert!(matches!(body, Body::Other(_)), "{:?}", body);
        }
    }

    #[test]
    fn ethernet_round_trips(source in mac(), destination in mac(), tags in any::<[u16; 2]>(), count in 0..3usize) {
        let mut ethernet = Ethernet::new(source, destination, ethernet::IPV4);
        for (place, tag) in ethernet.tags.iter_mut().zip(tags).take(count) {
            *place = Some(Tag::of(tag));
        }
        let frame = ethernet.frame(b"payload");
        prop_assert_eq!(Ethernet::parse(&frame), Some((ethernet, &b"payload"[..])));
    }

    #[test]
    fn arp_round_trips(own in mac(), address: Ipv4Addr, wanted: Ipv4Addr) {
        let request = Arp::request(own, address, wanted);
        // Padding, as adapters add it.
        let frame = [request.frame(), vec![0; 18]].concat();
        let packet = parse(&frame).unwrap();
        prop_assert_eq!(packet.ethernet.destination, Mac::BROADCAST);
        prop_assert_eq!(packet.body, Body::Arp(request));
        let answer = request.answer(Mac([6; 6]));
        prop_assert_eq!((answer.operation, answer.sender), (Operation::Reply, (Mac([6; 6]), wanted)));
        let frame = answer.frame();
        let packet = parse(&frame).unwrap();
        prop_assert_eq!(packet.ethernet.destination, own);
        prop_assert_eq!(packet.body, Body::Arp(answer));
    }

    #[test]
    fn tcp_round_trips(ends in ends(), tcp in tcp(), data in data()) {
        let segment = tcp.segment(ends, &data);
        prop_assert!(holds(ends, ip::TCP, &segment));
        let mut frame = Vec::new();
        prop_assert_eq!(through(&mut frame, ends, ip::TCP, &segment).1, Payload::Tcp(tcp, &data));
    }

    #[test]
    fn udp_round_trips(ends in ends(), source: u16, destination: u16, data in data()) {
        let udp = Udp { source, destination };
        let datagram = udp.datagram(ends, &data);
        prop_assert!(holds(ends, ip::UDP, &datagram));
        let mut frame = Vec::new();
        prop_assert_eq!(through(&mut frame, ends, ip::UDP, &datagram).1, Payload::Udp(udp, &data));
    }

    #[test]
    fn icmp_round_trips(source: Ipv4Addr, destination: Ipv4Addr, id: u16, sequence: u16, data in data()) {
        let ends = Ends::V4 { source, destination };
        let echo = Icmp::Echo { id, sequence, data: &data };
        let time = Icmp::Timestamp { id, sequence };
        for message in [echo, time] {
            let bytes = message.bytes().unwrap();
            prop_assert_eq!(Checksum::default().over(&bytes).finish(), 0);
            let mut frame = Vec::new();
            prop_assert_eq!(through(&mut frame, ends, ip::ICMP, &bytes).1, Payload::Icmp(message));
        }
    }

    #[test]
    fn icmpv6_round_trips(
        source: Ipv6Addr, destination: Ipv6Addr, target: Ipv6Addr, mac in proptest::option::of(mac()),
        router: bool, id: u16, data in data(),
    ) {
        let ends = Ends::V6 { source, destination };
        let messages = [
            Icmpv6::Echo { id, sequence: 3, data: &data },
            Icmpv6::NeighbourSolicitation { target, source: mac },
            Icmpv6::NeighbourAdvertisement { target, mac, router },
        ];
        for message in messages {
            let bytes = message.bytes(ends).unwrap();
            prop_assert!(holds(ends, ip::ICMPV6, &bytes));
            let mut frame = Vec::new();
            prop_assert_eq!(through(&mut frame, ends, ip::ICMPV6, &bytes).1, Payload::Icmpv6(message));
        }
    }

    #[test]
    fn an_error_quotes_the_packet_that_it_is_about(
        source: Ipv4Addr, destination: Ipv4Addr, tcp in tcp(), code: u8, quoted in 28..48usize,
    ) {
        let ends = Ends::V4 { source, destination };
        let about = ends.packet(ip::TCP, 9, &tcp.segment(ends, b""));
        let mut message = vec![3, code, 0, 0, 0, 0, 0, 0];
        message.extend_from_slice(&about[..quoted.min(about.len())]);
        let Some(Icmp::Unreachable { code: read, quote }) = Icmp::parse(&message) else {
            panic!("no error")
        };
        prop_assert_eq!(read, code);
        prop_assert_eq!(quote.ip.ends, ends);
        prop_assert_eq!(quote.ports(), Some((tcp.source, tcp.destination)));
        prop_assert_eq!(quote.sequence(), Some(tcp.sequence));
        prop_assert_eq!(Icmp::parse(&message[..35]), None, "too little of it");
    }

    #[test]
    fn extension_headers_are_gone_through_and_fragments_told(
        sizes in proptest::collection::vec(0..3u8, 0..6), tcp in tcp(), offset in 0..100u16, more: bool,
    ) {
        let ends = Ends::V6 { source: Ipv6Addr::LOCALHOST, destination: Ipv6Addr::LOCALHOST };
        let segment = tcp.segment(ends, b"data");
        let mut chain = Vec::new();
        for (at, size) in sizes.iter().enumerate() {
            chain.extend([if at + 1 < sizes.len() { 60 } else { ip::TCP }, *size]);
            chain.extend(vec![0; 6 + usize::from(*size) * 8]);
        }
        let first = if sizes.is_empty() { ip::TCP } else { 60 };
        let packet = ends.packet(first, 1, &[chain, segment.clone()].concat());
        let (ip, payload) = parse_ip(&packet).unwrap();
        prop_assert_eq!((ip.protocol, payload), (ip::TCP, Payload::Tcp(tcp, b"data")));

        let field = offset << 3 | u16::from(more);
        let header = [&[ip::TCP, 0][..], &field.to_be_bytes(), &[0; 4]].concat();
        let packet = ends.packet(44, 1, &[header, segment].concat());
        let (ip, payload) = parse_ip(&packet).unwrap();
        prop_assert_eq!(ip.fragment, field != 0);
        prop_assert_eq!(matches!(payload, Payload::Tcp(..)), field == 0);
    }
}

/// A SYN-ACK of Linux 6.18 on Ethernet, captured on a veth pair.
const SYN_ACK: &[u8] = &[
    0x26, 0xdc, 0xa6, 0xfa, 0xaa, 0xeb, 0x2a, 0x6a, 0x85, 0x02, 0x2e, 0xb1, 0x08, 0x00, // Ethernet
    0x45, 0x00, 0x00, 0x3c, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0xb6, 0xb8, 0xc0, 0x00, 0x02, 0x02, 0xc0,
    0x00, 0x02, 0x01, // IPv4
    0x1f, 0x90, 0x9d, 0xba, 0xd0, 0x8d, 0x2b, 0x95, 0xee, 0x89, 0x92, 0x89, 0xa0, 0x12, 0xfe, 0x88, 0x84,
    0x32, 0x00, 0x00, // TCP
    0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x6d, 0x88, 0x9c, 0x4e, 0x10, 0x29, 0x6c, 0x33, 0x01,
    0x03, 0x03, 0x0a, // MSS, SACK, timestamps, window scale
];

#[test]
fn a_real_answer_is_read() {
    let Body::Ip(ip, Payload::Tcp(tcp, data)) = parse(SYN_ACK).unwrap().body else {
        panic!("no segment")
    };
    assert_eq!(ip.ends.source(), IpAddr::from([192, 0, 2, 2]));
    assert!(tcp.flags.has(Flags::SYN.and(Flags::ACK)) && !tcp.flags.has(Flags::RST));
    assert_eq!(
        (tcp.source, tcp.acknowledgement, tcp.mss),
        (8080, 0xee89_9289, Some(1460))
    );
    assert!(data.is_empty());
}

#[test]
fn what_a_header_claims_is_not_believed() {
    let claims = |at: usize, byte: u8| {
        let mut frame = SYN_ACK.to_vec();
        frame[at] = byte;
        frame
    };
    // A header shorter than it must be, longer than the packet, a packet longer than the frame, a TCP header that is
    // too short or too long.
    for frame in [
        claims(14, 0x44),
        claims(14, 0x4f),
        claims(17, 0xff),
        claims(46, 0x40),
        claims(46, 0xf0),
    ] {
        let body = parse(&frame).unwrap().body;
        assert!(!matches!(body, Body::Ip(_, Payload::Tcp(..))), "{body:?}");
    }
}

#[test]
fn options_without_end_are_left_alone() {
    for options in [
        &[1, 1, 2, 4][..],
        &[8, 0],
        &[8, 1],
        &[1; 40],
        &[3, 200],
        &[0, 2, 4, 5, 6],
    ] {
        let mut bytes = Tcp {
            mss: None,
            ..Tcp::syn(1, 2, 3)
        }
        .segment(
            Ends::V4 {
                source: Ipv4Addr::LOCALHOST,
                destination: Ipv4Addr::LOCALHOST,
            },
            b"",
        );
        bytes.extend_from_slice(options);
        bytes.resize(20 + options.len().next_multiple_of(4), 1);
        bytes[12] = u8::try_from(bytes.len() / 4).unwrap() << 4;
        assert_eq!(Tcp::parse(&bytes).unwrap().0.mss, None, "{options:?}");
    }
}

#[test]
fn a_solicitation_goes_to_the_group_of_its_target() {
    let (group, mac) = icmpv6::solicited_node("2001:db8::1:ff02:3456".parse().unwrap());
    assert_eq!(group.to_string(), "ff02::1:ff02:3456");
    assert_eq!(mac.to_string(), "33:33:ff:02:34:56");
}
