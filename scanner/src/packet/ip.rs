//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{checksum::Checksum, ethernet};

/// What is read of an IP header, of either version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip {
    /// From where, to where.
    pub ends: Ends,
    /// What it carries: the protocol behind all extension headers.
    pub protocol: u8,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// The identification of IPv4; 0 for IPv6.
    pub identification: u16,
    /// Whether it is a part of a packet.
    pub fragment: bool,
}

/// Source and destination, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ends {
    /// IPv4.
    V4 {
        /// From where.
        source: Ipv4Addr,
        /// To where.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// From where.
        source: Ipv6Addr,
        /// To where.
        destination: Ipv6Addr,
    },
}

impl Ends {
    /// From one address to another; none when they are of two families.
    pub fn between(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 { source, destination }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// From where.
    pub fn source(self) -> IpAddr {
        match self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// To where.
    pub fn destination(self) -> IpAddr {
        match self {
            Self::V4 { destination, .. } => destination.into(),
            Self::V6 { destination, .. } => destination.into(),
        }
    }

    /// The Ethernet type of its packets.
    pub fn ethernet_type(self) -> u16 {
        match self {
            Self::V4 { .. } => ethernet::IPV4,
            Self::V6 { .. } => ethernet::IPV6,
        }
    }

    /// A packet that carries these bytes. More than 65,515 of them are cut off.
    pub fn packet(self, protocol: u8, hops: u8, payload: &[u8]) -> Vec<u8> {
        let payload = &payload[..payload.len().min(MOST)];
        // Bounded by MOST.
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX - V4_HEADER);
        let mut packet = match self {
            Self::V4 { source, destination } => {
                let mut header = vec![0x45, 0];
                header.extend_from_slice(&(length + V4_HEADER).to_be_bytes());
                // No identification, since it must not be fragmented (RFC 6864, section 4.1).
                header.extend_from_slice(&[0, 0, 0x40, 0, hops, protocol, 0, 0]);
                header.extend_from_slice(&source.octets());
                header.extend_from_slice(&destination.octets());
                let sum = Checksum::default().over(&header).finish();
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                header
            }
            Self::V6 { source, destination } => {
                let mut header = vec![0x60, 0, 0, 0];
                header.extend_from_slice(&length.to_be_bytes());
                header.extend_from_slice(&[protocol, hops]);
                header.extend_from_slice(&source.octets());
                header.extend_from_slice(&destination.octets());
                header
            }
        };
        packet.extend_from_slice(payload);
        packet
    }
}

impl Ip {
    /// The header, and what the packet carries: no more than its length says, and all of that.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (ip, length, rest) = Self::header(bytes)?;
        Some((ip, rest.get(..length)?))
    }

    /// The same of a packet of which only the beginning is there.
    pub fn parse_cut(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (ip, length, rest) = Self::header(bytes)?;
        Some((ip, &rest[..rest.len().min(length)]))
    }

    /// The header, the length of what the packet carries, and all bytes behind the header.
    fn header(bytes: &[u8]) -> Option<(Self, usize, &[u8])> {
        match bytes.first()? >> 4 {
            4 => Self::v4(bytes),
            6 => Self::v6(bytes),
            _ => None,
        }
    }

    fn v4(bytes: &[u8]) -> Option<(Self, usize, &[u8])> {
        let fixed: &[u8; 20] = bytes.first_chunk()?;
        let header = usize::from(fixed[0] & 0x0f) * 4;
        let total = usize::from(word(fixed[2], fixed[3]));
        let length = total.checked_sub(header).filter(|_| header >= fixed.len())?;
        let flags = word(fixed[6], fixed[7]);
        let ip = Self {
            ends: Ends::V4 {
                source: Ipv4Addr::from(*fixed[12..].first_chunk::<4>()?),
                destination: Ipv4Addr::from(*fixed[16..].first_chunk::<4>()?),
            },
            protocol: fixed[9],
            hops: fixed[8],
            identification: word(fixed[4], fixed[5]),
            // More are to come, or some came before.
            fragment: flags & 0x3fff != 0,
        };
        Some((ip, length, bytes.get(header..)?))
    }

    fn v6(bytes: &[u8]) -> Option<(Self, usize, &[u8])> {
        let (fixed, mut rest) = bytes.split_first_chunk::<40>()?;
        let mut length = usize::from(word(fixed[4], fixed[5]));
        let (mut protocol, mut fragment) = (fixed[6], false);
        for _ in 0..EXTENSIONS {
            let size = match (protocol, rest) {
                (HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS, [_, size, ..]) => 8 + usize::from(*size) * 8,
                (FRAGMENT, [_, _, high, low, ..]) => {
                    // Offset, and whether more are to come; the two bits between them are reserved.
                    fragment |= word(*high, *low) & 0xfff9 != 0;
                    8
                }
                (HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT, _) => return None,
                _ => break,
            };
            protocol = *rest.first()?;
            length = length.checked_sub(size)?;
            rest = rest.get(size..)?;
            if fragment {
                break;
            }
        }
        let ip = Self {
            ends: Ends::V6 {
                source: Ipv6Addr::from(*fixed[8..].first_chunk::<16>()?),
                destination: Ipv6Addr::from(*fixed[24..].first_chunk::<16>()?),
            },
            protocol,
            hops: fixed[7],
            identification: 0,
            fragment,
        };
        Some((ip, length, rest))
    }
}

fn word(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// Protocols, as IANA lists them.
pub const ICMP: u8 = 1;
/// RFC 9293.
pub const TCP: u8 = 6;
/// RFC 768.
pub const UDP: u8 = 17;
/// RFC 4443.
pub const ICMPV6: u8 = 58;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
/// More extension headers than this are nobody's; the packet counts as one of the protocol that comes next.
const EXTENSIONS: usize = 8;
const V4_HEADER: u16 = 20;
const MOST: usize = 65_515;
