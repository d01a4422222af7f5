//! What a host is asked. Pure; what it answers is read in [`answer`](super::answer).
//!
//! Each question bears a number that only we can make, and an answer counts only with it: whoever cannot see
//! our packets cannot put words into a host's mouth.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use vedette_protocol::{finding::Transport, worker::LENT_PORTS};

use crate::{
    message::{
        dns::{self, Asked},
        netbios,
        snmp::{self, Ask, ObjectId, system_objects},
    },
    packet::{Ends, Icmp, Icmpv6, Tcp, ip, tcp::Flags},
    topology::tables::Table,
};

/// A question to one host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Question {
    /// ICMP echo.
    Echo,
    /// ICMP timestamp.
    Timestamp,
    /// A TCP segment that opens a connection.
    Syn(u16),
    /// A TCP segment of no connection, which a host answers with a reset.
    Ack(u16),
    /// The name of its address, by multicast DNS.
    MdnsName,
    /// Its services, by multicast DNS.
    MdnsServices,
    /// All about its own name, by multicast DNS.
    MdnsHost(String),
    /// The name of its address, by LLMNR.
    Llmnr,
    /// Its NetBIOS names.
    Netbios,
    /// What it is, by SNMP with the community `public`.
    Snmp,
    /// The name of an address, of a host that may be a DNS server.
    ReverseDns(IpAddr),
    /// ICMP echo that so many routers let through.
    Hop(u8),
    /// A TCP segment that opens a connection and that so many routers let through.
    TcpHop(u8, u16),
    /// What comes behind an object of an agent's table.
    Walk(Table, ObjectId),
}

/// What goes out for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parcel {
    /// A frame on a link of ours, about an address.
    Frame {
        /// The link.
        link: u32,
        /// Whom it is about: the address that is looked for, or the group that it goes to.
        about: IpAddr,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// What an IP packet carries; the kernel makes its header.
    Packet {
        /// To whom.
        destination: IpAddr,
        /// To which port, if the protocol has ports.
        port: Option<u16>,
        /// The protocol.
        protocol: u8,
        /// Over how many routers at most; none: as usual.
        hops: Option<u8>,
        /// The packet's content.
        bytes: Vec<u8>,
    },
    /// A UDP datagram.
    Datagram {
        /// To whom.
        destination: SocketAddr,
        /// Its content.
        bytes: Vec<u8>,
    },
}

/// The ends that answers come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Own {
    /// The port that our TCP segments come from.
    pub(crate) tcp: u16,
    /// The port that our datagrams come from.
    pub(crate) udp: u16,
    /// The identifiers that our questions by ICMP have.
    pub(crate) icmp: Identifiers,
    /// Who resets the connections that hosts accept.
    pub(crate) resets: Resets,
}

/// The identifiers of questions by ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identifiers {
    /// Any: they are a part of the number that nobody can guess.
    Any,
    /// [`LENT_PORTS`] from this one on: others are let neither out nor in.
    From(u16),
}

/// Who resets a connection that a host accepts, and that nobody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resets {
    /// This machine's kernel, which knows of no such connection.
    Kernel,
    /// We: what comes in never reaches the kernel's TCP.
    Ours,
}

impl Own {
    /// The number of a question by ICMP, as identification and sequence.
    pub(crate) fn number(self, host: IpAddr, question: &Question, cookie: &Cookie) -> u32 {
        let number = cookie.of(host, question);
        match self.icmp {
            Identifiers::Any => number,
            Identifiers::From(first) => {
                let id = u32::from(first) + (number >> 16) % u32::from(LENT_PORTS);
                id << 16 | number & 0xffff
            }
        }
    }
}

/// Numbers that nobody can guess, the same for the same question in one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookie(RandomState);

impl Cookie {
    /// The number of a question to a host.
    pub(crate) fn of(&self, host: IpAddr, question: &Question) -> u32 {
        let [.., a, b, c, d] = self.0.hash_one((host, question)).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    pub(crate) fn short(&self, host: IpAddr, question: &Question) -> u16 {
        let [a, b, ..] = self.of(host, question).to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// SNMP takes only positive numbers everywhere.
    pub(crate) fn positive(&self, host: IpAddr, question: &Question) -> i32 {
        i32::try_from(self.of(host, question) >> 1).unwrap_or_default()
    }
}

impl Question {
    /// The port that it goes to, and over what.
    pub(crate) fn endpoint(&self) -> Option<(Transport, u16)> {
        let udp = |port| Some((Transport::Udp, port));
        match self {
            Self::Echo | Self::Timestamp | Self::Hop(_) => None,
            Self::Syn(port) | Self::Ack(port) | Self::TcpHop(_, port) => Some((Transport::Tcp, *port)),
            Self::MdnsName | Self::MdnsServices | Self::MdnsHost(_) => udp(MDNS),
            Self::Llmnr => udp(LLMNR),
            Self::Netbios => udp(NETBIOS),
            Self::Snmp | Self::Walk(..) => udp(SNMP),
            Self::ReverseDns(_) => udp(DNS),
        }
    }

    /// The number of that port.
    pub(crate) fn port(&self) -> Option<u16> {
        self.endpoint().map(|(_, port)| port)
    }

    /// Over how many routers it may go; none: as usual.
    fn hops(&self) -> Option<u8> {
        match self {
            Self::Hop(hops) | Self::TcpHop(hops, _) => Some(*hops),
            _ => None,
        }
    }

    /// What to send; `source` is our own address towards the host, which TCP's checksum needs.
    pub(crate) fn parcel(&self, host: IpAddr, source: IpAddr, own: Own, cookie: &Cookie) -> Option<Parcel> {
        let bytes = match self {
            Self::Echo | Self::Timestamp | Self::Hop(_) => return self.icmp(host, source, own, cookie),
            Self::Syn(_) | Self::Ack(_) | Self::TcpHop(..) => return self.tcp(host, source, own, cookie),
            Self::Netbios => netbios::status_question(cookie.short(host, self)),
            Self::Snmp => snmp::question(Ask::Get, PUBLIC, cookie.positive(host, self), &system_objects()),
            Self::Walk(_, at) => {
                let id = cookie.positive(host, self);
                snmp::question(Ask::Bulk(snmp::AT_ONCE), PUBLIC, id, std::slice::from_ref(at))
            }
            Self::MdnsName | Self::Llmnr => {
                self.dns(host, Asked::Host, &dns::Question::Reverse(host), cookie)?
            }
            Self::MdnsServices => self.dns(host, Asked::Host, &dns::Question::Services, cookie)?,
            Self::MdnsHost(name) => {
                self.dns(host, Asked::Host, &dns::Question::Anything(name.clone()), cookie)?
            }
            Self::ReverseDns(address) => {
                self.dns(host, Asked::Server, &dns::Question::Reverse(*address), cookie)?
            }
        };
        Some(Parcel::Datagram {
            destination: SocketAddr::new(host, self.port()?),
            bytes,
        })
    }

    fn dns(&self, host: IpAddr, asked: Asked, question: &dns::Question, cookie: &Cookie) -> Option<Vec<u8>> {
        dns::question(cookie.short(host, self), asked, question)
    }

    fn icmp(&self, host: IpAddr, source: IpAddr, own: Own, cookie: &Cookie) -> Option<Parcel> {
        let number = own.number(host, self, cookie).to_be_bytes();
        let [a, b, c, d] = number;
        let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let ends = Ends::between(source, host)?;
        let (protocol, bytes) = match (self, ends) {
            (Self::Timestamp, Ends::V4 { .. }) => (ip::ICMP, Icmp::Timestamp { id, sequence }.bytes()?),
            (Self::Timestamp, Ends::V6 { .. }) => return None,
            (_, Ends::V4 { .. }) => {
                let echo = Icmp::Echo {
                    id,
                    sequence,
                    data: &number,
                };
                (ip::ICMP, echo.bytes()?)
            }
            (_, Ends::V6 { .. }) => {
                let echo = Icmpv6::Echo {
                    id,
                    sequence,
                    data: &number,
                };
                (ip::ICMPV6, echo.bytes(ends)?)
            }
        };
        Some(Parcel::Packet {
            destination: host,
            port: None,
            protocol,
            hops: self.hops(),
            bytes,
        })
    }

    /// What ends the connection that a host accepted.
    pub(crate) fn reset(&self, host: IpAddr, source: IpAddr, own: Own, cookie: &Cookie) -> Option<Parcel> {
        let port = self.port()?;
        let segment = Tcp {
            // As it acknowledged it: within the window (RFC 9293, section 3.10.7).
            sequence: cookie.of(host, self).wrapping_add(1),
            flags: Flags::RST,
            window: 0,
            mss: None,
            ..Tcp::syn(own.tcp, port, 0)
        };
        Some(Parcel::Packet {
            destination: host,
            port: Some(port),
            protocol: ip::TCP,
            hops: None,
            bytes: segment.segment(Ends::between(source, host)?, &[]),
        })
    }

    fn tcp(&self, host: IpAddr, source: IpAddr, own: Own, cookie: &Cookie) -> Option<Parcel> {
        let port = self.port()?;
        let number = cookie.of(host, self);
        let mut segment = Tcp::syn(own.tcp, port, number);
        if let Self::Ack(_) = self {
            segment.flags = Flags::ACK;
            segment.acknowledgement = number;
            segment.mss = None;
        }
        Some(Parcel::Packet {
            destination: host,
            port: Some(port),
            protocol: ip::TCP,
            hops: self.hops(),
            bytes: segment.segment(Ends::between(source, host)?, &[]),
        })
    }
}

/// The community that agents come with.
pub(crate) const PUBLIC: &str = "public";
pub(crate) const DNS: u16 = 53;
pub(crate) const NETBIOS: u16 = 137;
pub(crate) const SNMP: u16 = 161;
pub(crate) const MDNS: u16 = 5353;
pub(crate) const LLMNR: u16 = 5355;
