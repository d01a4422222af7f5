//! ICMP for IPv6 (RFC 4443), with neighbour discovery (RFC 4861).

use std::net::Ipv6Addr;

use super::{Mac, Quote, checksum::Checksum, ip, ip::Ends};

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Icmpv6<'a> {
    /// A packet could not be delivered.
    Unreachable {
        /// Why: [`PORT`] and others.
        code: u8,
        /// Which one.
        quote: Quote,
    },
    /// A packet went over more hops than it might.
    TimeExceeded {
        /// Which one.
        quote: Quote,
    },
    /// Something in a packet was not understood.
    ParameterProblem {
        /// What.
        code: u8,
        /// Which one.
        quote: Quote,
    },
    /// Are you there?
    Echo {
        /// Whose question it is.
        id: u16,
        /// Which of them.
        sequence: u16,
        /// To be sent back.
        data: &'a [u8],
    },
    /// I am.
    EchoReply {
        /// As in the question.
        id: u16,
        /// As in the question.
        sequence: u16,
        /// As in the question.
        data: &'a [u8],
    },
    /// Which adapter has the address?
    NeighbourSolicitation {
        /// The address.
        target: Ipv6Addr,
        /// The asker's adapter.
        source: Option<Mac>,
    },
    /// This one.
    NeighbourAdvertisement {
        /// The address.
        target: Ipv6Addr,
        /// The adapter.
        mac: Option<Mac>,
        /// Whether it forwards packets.
        router: bool,
    },
    /// A router makes itself known.
    RouterAdvertisement {
        /// Its adapter.
        source: Option<Mac>,
    },
    /// Something else.
    Other {
        /// Its type.
        type_: u8,
        /// Its code.
        code: u8,
    },
}

impl<'a> Icmpv6<'a> {
    /// What follows the IP headers.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[type_, code, _, _, a, b, c, d], rest) = bytes.split_first_chunk()?;
        let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(match type_ {
            UNREACHABLE => Self::Unreachable {
                code,
                quote: Quote::parse(rest)?,
            },
            TIME_EXCEEDED => Self::TimeExceeded {
                quote: Quote::parse(rest)?,
            },
            PARAMETER_PROBLEM => Self::ParameterProblem {
                code,
                quote: Quote::parse(rest)?,
            },
            ECHO => Self::Echo {
                id,
                sequence,
                data: rest,
            },
            ECHO_REPLY => Self::EchoReply {
                id,
                sequence,
                data: rest,
            },
            SOLICITATION => {
                let (target, options) = rest.split_first_chunk::<16>()?;
                Self::NeighbourSolicitation {
                    target: (*target).into(),
                    source: option(options, SOURCE),
                }
            }
            ADVERTISEMENT => {
                let (target, options) = rest.split_first_chunk::<16>()?;
                Self::NeighbourAdvertisement {
                    target: (*target).into(),
                    mac: option(options, TARGET),
                    router: a & 0x80 != 0,
                }
            }
            ROUTER_ADVERTISEMENT => Self::RouterAdvertisement {
                source: option(rest.get(8..)?, SOURCE),
            },
            _ => Self::Other { type_, code },
        })
    }

    /// What a scanner says, as bytes with their checksum; none for the rest.
    pub fn bytes(&self, ends: Ends) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 4];
        match *self {
            Self::Echo { id, sequence, data } => {
                bytes[0] = ECHO;
                bytes.extend_from_slice(&id.to_be_bytes());
                bytes.extend_from_slice(&sequence.to_be_bytes());
                bytes.extend_from_slice(data);
            }
            Self::NeighbourSolicitation { target, source } => {
                bytes[0] = SOLICITATION;
                bytes.extend_from_slice(&[0; 4]);
                bytes.extend_from_slice(&target.octets());
                push(&mut bytes, SOURCE, source);
            }
            Self::NeighbourAdvertisement { target, mac, router } => {
                bytes[0] = ADVERTISEMENT;
                // Router, solicited, override.
                bytes.extend_from_slice(&[0x60 | u8::from(router) << 7, 0, 0, 0]);
                bytes.extend_from_slice(&target.octets());
                push(&mut bytes, TARGET, mac);
            }
            Self::Unreachable { .. }
            | Self::TimeExceeded { .. }
            | Self::ParameterProblem { .. }
            | Self::EchoReply { .. }
            | Self::RouterAdvertisement { .. }
            | Self::Other { .. } => return None,
        }
        let sum = Checksum::of(ends, ip::ICMPV6, &bytes).finish();
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        Some(bytes)
    }
}

/// The multicast address that an address's owner listens to (RFC 4291, section 2.7.1), and its adapters'
/// (RFC 2464, section 7).
pub fn solicited_node(address: Ipv6Addr) -> (Ipv6Addr, Mac) {
    let [.., a, b, c] = address.octets();
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c];
    (group.into(), Mac([0x33, 0x33, 0xff, a, b, c]))
}

/// The link-layer address in a list of options, each of them as many times eight bytes as its second byte says.
fn option(mut options: &[u8], wanted: u8) -> Option<Mac> {
    loop {
        let (&[kind, length], rest) = options.split_first_chunk()?;
        if kind == wanted && length == 1 {
            return rest.first_chunk().copied().map(Mac);
        }
        options = options.get(usize::from(length) * 8..).filter(|_| length > 0)?;
    }
}

fn push(bytes: &mut Vec<u8>, kind: u8, mac: Option<Mac>) {
    if let Some(mac) = mac {
        bytes.extend_from_slice(&[kind, 1]);
        bytes.extend_from_slice(&mac.0);
    }
}

/// Nobody listens on that port.
pub const PORT: u8 = 4;
/// A filter forbids it.
pub const PROHIBITED: u8 = 1;

const UNREACHABLE: u8 = 1;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO: u8 = 128;
const ECHO_REPLY: u8 = 129;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const SOURCE: u8 = 1;
const TARGET: u8 = 2;
