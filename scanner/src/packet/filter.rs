//! Receive filters for packet sockets, as programs of the classic packet filter (Linux, networking/filter).
//!
//! A filter is a list of alternatives, each a list of tests that must all hold. The program that it becomes reads
//! nothing outside the frame: a load beyond its end rejects it.

use std::net::Ipv6Addr;

use vedette_sys::packet::Instruction;

/// One test of a frame; offsets are in bytes, from the Ethernet header on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// This byte has this value.
    Byte(u16, u8),
    /// These two bytes have this value.
    Half(u16, u16),
    /// These four bytes have this value.
    Word(u16, u32),
    /// Two bytes so far behind the IPv4 header, options included, are a number in this range, ends included.
    BehindIpv4(u16, u16, u16),
    /// These two bytes are a number in this range, ends included.
    Between(u16, u16, u16),
    /// Of the two bytes at the first number, none of these bits is set.
    NoneOf(u16, u16),
}

impl Test {
    /// The frame is of this Ethernet type.
    pub const fn type_(type_: u16) -> Self {
        Self::Half(12, type_)
    }

    /// It is IPv4 with this protocol.
    pub const fn ipv4(protocol: u8) -> [Self; 2] {
        [Self::type_(super::ethernet::IPV4), Self::Byte(23, protocol)]
    }

    /// It is IPv6 with this protocol in its first header.
    pub const fn ipv6(protocol: u8) -> [Self; 2] {
        [Self::type_(super::ethernet::IPV6), Self::Byte(20, protocol)]
    }

    /// It is a whole IPv4 packet, or the first part of one.
    pub const WITH_TRANSPORT_HEADER: Self = Self::NoneOf(20, 0x1fff);

    /// It is to this IPv4 address.
    pub fn to_ipv4(address: std::net::Ipv4Addr) -> Self {
        Self::Word(30, address.into())
    }

    /// It is to this IPv6 address.
    pub fn to_ipv6(address: Ipv6Addr) -> [Self; 4] {
        let [a, b, c, d] = words(address);
        [
            Self::Word(38, a),
            Self::Word(42, b),
            Self::Word(46, c),
            Self::Word(50, d),
        ]
    }

    /// It is to one of so many ports from the first on, by a protocol whose header begins with its ports; as
    /// alternatives for both families.
    pub fn to_ports(protocol: u8, first: u16, ports: u16) -> Vec<Vec<Self>> {
        let last = first + (ports - 1);
        let behind = [Self::WITH_TRANSPORT_HEADER, Self::BehindIpv4(2, first, last)];
        vec![
            [&Self::ipv4(protocol)[..], &behind].concat(),
            [&Self::ipv6(protocol)[..], &[Self::Between(56, first, last)]].concat(),
        ]
    }

    /// The program that goes on when the test holds, and jumps to `otherwise` instructions behind its end when not.
    fn compile(self, otherwise: u8, program: &mut Vec<Instruction>) {
        match self {
            Self::Byte(at, value) => {
                program.extend([load(LOAD_BYTE, at), jump(EQUAL, value.into(), 0, otherwise)]);
            }
            Self::Half(at, value) => {
                program.extend([load(LOAD_HALF, at), jump(EQUAL, value.into(), 0, otherwise)]);
            }
            Self::Word(at, value) => {
                program.extend([load(LOAD_WORD, at), jump(EQUAL, value, 0, otherwise)]);
            }
            Self::BehindIpv4(at, low, high) => {
                // The length of the IPv4 header into X, and from there.
                program.extend([
                    load(LENGTH_TO_X, ETHERNET),
                    load(LOAD_HALF_BEHIND_X, ETHERNET + at),
                    jump(AT_LEAST, low.into(), 0, otherwise + 1),
                    jump(GREATER, high.into(), otherwise, 0),
                ]);
            }
            Self::Between(at, low, high) => {
                program.extend([
                    load(LOAD_HALF, at),
                    jump(AT_LEAST, low.into(), 0, otherwise + 1),
                    jump(GREATER, high.into(), otherwise, 0),
                ]);
            }
            Self::NoneOf(at, bits) => {
                program.extend([load(LOAD_HALF, at), jump(ANY_BIT, bits.into(), otherwise, 0)]);
            }
        }
    }

    const fn length(self) -> u8 {
        match self {
            Self::BehindIpv4(..) => 4,
            Self::Between(..) => 3,
            Self::Byte(..) | Self::Half(..) | Self::Word(..) | Self::NoneOf(..) => 2,
        }
    }
}

/// The program that accepts a frame when one of the alternatives holds.
///
/// # Panics
/// When an alternative has more than 50 tests; alternatives are written down, not computed.
pub fn any_of(alternatives: &[&[Test]]) -> Vec<Instruction> {
    let mut program = Vec::new();
    for tests in alternatives {
        assert!(tests.len() <= 50, "a jump goes over 255 instructions at most");
        // Behind the tests stands one instruction: accept.
        let mut rest: u8 = tests.iter().map(|test| test.length()).sum();
        for test in *tests {
            rest -= test.length();
            test.compile(rest + 1, &mut program);
        }
        program.push(returning(WHOLE));
    }
    program.push(returning(0));
    program
}

fn words(address: Ipv6Addr) -> [u32; 4] {
    let bits = address.to_bits();
    #[expect(clippy::cast_possible_truncation, reason = "32 bits at a time")]
    [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
}

fn load(code: u16, at: u16) -> Instruction {
    Instruction {
        code,
        when: 0,
        otherwise: 0,
        operand: at.into(),
    }
}

fn jump(code: u16, operand: u32, when: u8, otherwise: u8) -> Instruction {
    Instruction {
        code,
        when,
        otherwise,
        operand,
    }
}

fn returning(bytes: u32) -> Instruction {
    Instruction {
        code: RETURN,
        when: 0,
        otherwise: 0,
        operand: bytes,
    }
}

/// Bytes kept of an accepted frame: all.
const WHOLE: u32 = 0x4_0000;
const ETHERNET: u16 = 14;

// Codes of linux/bpf_common.h: class, size and mode.
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND_X: u16 = 0x48;
const LENGTH_TO_X: u16 = 0xb1;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Arp, Ends, Ethernet, Mac, Tcp, ip};
    use std::os::unix::net::UnixDatagram;

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
        let arp = [Test::type_(crate::packet::ethernet::ARP)];
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
}
