//! Receive filters for packet sockets, as programs of the classic packet filter (Linux, networking/filter).
//!
//! A filter is a list of alternatives, each a list of tests that must all hold. The program that it becomes reads
//! nothing outside the frame: a load beyond its end rejects it.

use std::net::Ipv6Addr;

use super::Instruction;

/// One test of a frame; offsets are in bytes, from the Ethernet header on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// This byte has this value.
    Byte(u16, u8),
    /// These two bytes have this value.
    Half(u16, u16),
    /// These four bytes have this value.
    Word(u16, u32),
    /// These four bytes are a number in this range, ends included.
    WordBetween(u16, u32, u32),
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
        [Self::type_(IPV4), Self::Byte(23, protocol)]
    }

    /// It is IPv6 with this protocol in its first header.
    pub const fn ipv6(protocol: u8) -> [Self; 2] {
        [Self::type_(IPV6), Self::Byte(20, protocol)]
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
                program.extend(between(load(LOAD_HALF, at), low.into(), high.into(), otherwise));
            }
            Self::WordBetween(at, low, high) => {
                program.extend(between(load(LOAD_WORD, at), low, high, otherwise));
            }
            Self::NoneOf(at, bits) => {
                program.extend([load(LOAD_HALF, at), jump(ANY_BIT, bits.into(), otherwise, 0)]);
            }
        }
    }

    const fn length(self) -> u8 {
        match self {
            Self::BehindIpv4(..) => 4,
            Self::Between(..) | Self::WordBetween(..) => 3,
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

/// Goes on when what is loaded is in the range.
fn between(load: Instruction, low: u32, high: u32, otherwise: u8) -> [Instruction; 3] {
    [
        load,
        jump(AT_LEAST, low, 0, otherwise + 1),
        jump(GREATER, high, otherwise, 0),
    ]
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
// Ethernet types.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

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
