//! Frames and packets as values: parsed from a stranger's bytes, and written.
//!
//! One file for each header, each named by its RFC. A parser takes any bytes, allocates nothing, and gives nothing
//! where they are cut short or make no sense. Checksums are written and not verified: a frame that this machine's
//! own driver or a virtual link hands over may still lack them (`TP_STATUS_CSUMNOTREADY`), and what a reply must
//! prove, it proves by a cookie. [`parse`] goes through all headers of a frame; read [`Packet`] first.

pub mod arp;
pub mod checksum;
pub mod ethernet;
#[cfg(test)]
mod heard;
pub mod icmp;
pub mod icmpv6;
pub mod ip;
pub mod tcp;
pub mod udp;

pub use self::{
    arp::Arp,
    ethernet::{Ethernet, Mac, Tag},
    icmp::Icmp,
    icmpv6::Icmpv6,
    ip::{Ends, Ip},
    tcp::Tcp,
    udp::Udp,
};

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its outermost header.
    pub ethernet: Ethernet,
    /// What that carries.
    pub body: Body<'a>,
}

/// What an Ethernet frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'a> {
    /// ARP for Ethernet and IPv4.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(Ip, Payload<'a>),
    /// Something else, or bytes that are not what their type says.
    Other(&'a [u8]),
}

/// What an IP packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A segment, and the data in it.
    Tcp(Tcp, &'a [u8]),
    /// A datagram, and the data in it.
    Udp(Udp, &'a [u8]),
    /// ICMP for IPv4.
    Icmp(Icmp<'a>),
    /// ICMP for IPv6.
    Icmpv6(Icmpv6<'a>),
    /// A fragment, or another protocol, or bytes that are not what their protocol says.
    Other(&'a [u8]),
}

/// The packet that an ICMP error is about, as far as the error quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Whose it was.
    pub ip: Ip,
    /// The first eight bytes behind its IP header: as much as every error quotes (RFC 792).
    pub start: [u8; 8],
}

impl Quote {
    /// Source and destination port, where it was TCP or UDP.
    pub fn ports(&self) -> Option<(u16, u16)> {
        let [a, b, c, d, ..] = self.start;
        let has_ports = matches!(self.ip.protocol, ip::TCP | ip::UDP);
        has_ports.then(|| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The sequence number, where it was TCP.
    pub fn sequence(&self) -> Option<u32> {
        let [.., a, b, c, d] = self.start;
        (self.ip.protocol == ip::TCP).then(|| u32::from_be_bytes([a, b, c, d]))
    }

    /// Length and checksum, where it was UDP.
    pub fn datagram(&self) -> Option<(u16, u16)> {
        let [.., a, b, c, d] = self.start;
        (self.ip.protocol == ip::UDP).then(|| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// The beginning of a packet.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (ip, rest) = Ip::parse_cut(bytes)?;
        let start = *rest.first_chunk()?;
        Some(Self { ip, start })
    }
}

/// All headers of a frame.
pub fn parse(frame: &[u8]) -> Option<Packet<'_>> {
    let (ethernet, rest) = Ethernet::parse(frame)?;
    let body = match ethernet.type_ {
        ethernet::ARP => Arp::parse(rest).map(Body::Arp),
        ethernet::IPV4 | ethernet::IPV6 => parse_ip(rest).map(|(ip, payload)| Body::Ip(ip, payload)),
        _ => None,
    };
    Some(Packet {
        ethernet,
        body: body.unwrap_or(Body::Other(rest)),
    })
}

/// All headers of a packet without a frame around it.
pub fn parse_ip(packet: &[u8]) -> Option<(Ip, Payload<'_>)> {
    let (ip, rest) = Ip::parse(packet)?;
    let payload = match (ip.protocol, ip.ends) {
        _ if ip.fragment => None,
        (ip::TCP, _) => Tcp::parse(rest).map(|(tcp, data)| Payload::Tcp(tcp, data)),
        (ip::UDP, _) => Udp::parse(rest).map(|(udp, data)| Payload::Udp(udp, data)),
        (ip::ICMP, Ends::V4 { .. }) => Icmp::parse(rest).map(Payload::Icmp),
        (ip::ICMPV6, Ends::V6 { .. }) => Icmpv6::parse(rest).map(Payload::Icmpv6),
        _ => None,
    };
    Some((ip, payload.unwrap_or(Payload::Other(rest))))
}

#[cfg(test)]
mod tests;
