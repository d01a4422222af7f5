//! What a host is asked, and what its answers tell. Pure.
//!
//! Each question bears a number that only we can make, and an answer counts only with it: whoever cannot see
//! our packets cannot put words into a host's mouth.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, SocketAddr},
};

use vedette_protocol::finding::{DeviceKind, Evidence, FindingType, Label, Source};

use super::{device::Fact, signs};
use crate::{
    message::{
        dns::{self, Asked, Record},
        netbios,
        snmp::{self, Ask, ObjectId, Value},
    },
    packet::{Ends, Icmp, Icmpv6, Quote, Tcp, icmp, icmpv6, ip, tcp::Flags},
    topology::{tables::Table, trace},
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

    fn short(&self, host: IpAddr, question: &Question) -> u16 {
        let [a, b, ..] = self.of(host, question).to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// SNMP takes only positive numbers everywhere.
    pub(crate) fn positive(&self, host: IpAddr, question: &Question) -> i32 {
        i32::try_from(self.of(host, question) >> 1).unwrap_or_default()
    }
}

impl Question {
    /// The port that it goes to.
    pub(crate) fn port(&self) -> Option<u16> {
        Some(match self {
            Self::Echo | Self::Timestamp | Self::Hop(_) => return None,
            Self::Syn(port) | Self::Ack(port) | Self::TcpHop(_, port) => *port,
            Self::MdnsName | Self::MdnsServices | Self::MdnsHost(_) => MDNS,
            Self::Llmnr => LLMNR,
            Self::Netbios => NETBIOS,
            Self::Snmp | Self::Walk(..) => SNMP,
            Self::ReverseDns(_) => DNS,
        })
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
            Self::Echo | Self::Timestamp | Self::Hop(_) => return self.icmp(host, source, cookie),
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

    fn icmp(&self, host: IpAddr, source: IpAddr, cookie: &Cookie) -> Option<Parcel> {
        let number = cookie.of(host, self).to_be_bytes();
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

/// Which question an ICMP answer of a host answers, and what that tells.
pub(crate) fn icmp_answer(
    host: IpAddr,
    hops: u8,
    message: &Icmp<'_>,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    match *message {
        Icmp::EchoReply { id, sequence, .. } => echo_answer(host, hops, joined(id, sequence), cookie),
        Icmp::TimestampReply { id, sequence, .. } => {
            let ours = joined(id, sequence) == cookie.of(host, &Question::Timestamp);
            let seen = Evidence::Seen {
                by: Source::IcmpTimestamp,
                port: None,
            };
            let facts = vec![
                Fact::Answered(Source::IcmpTimestamp, None),
                Fact::Weakness(FindingType::IcmpTimestamp, None, Some(seen)),
            ];
            ours.then_some((Question::Timestamp, facts))
        }
        _ => None,
    }
}

/// The same for IPv6.
pub(crate) fn icmpv6_answer(
    host: IpAddr,
    hops: u8,
    message: &Icmpv6<'_>,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    match *message {
        Icmpv6::EchoReply { id, sequence, .. } => echo_answer(host, hops, joined(id, sequence), cookie),
        _ => None,
    }
}

fn echo_answer(host: IpAddr, hops: u8, number: u32, cookie: &Cookie) -> Option<(Question, Vec<Fact>)> {
    if number == cookie.of(host, &Question::Echo) {
        let mut facts = vec![Fact::Answered(Source::IcmpEcho, None)];
        facts.extend(by_hops(hops));
        return Some((Question::Echo, facts));
    }
    let allowed = (1..=trace::MOST).find(|allowed| number == cookie.of(host, &Question::Hop(*allowed)))?;
    Some((
        Question::Hop(allowed),
        vec![Fact::Arrived(allowed, Source::IcmpEcho)],
    ))
}

/// Which question a router says that it ended with it, to which host, and what that tells of the way there.
pub(crate) fn expiry(router: IpAddr, quote: &Quote, cookie: &Cookie) -> Option<(IpAddr, Question, Fact)> {
    let host = quote.ip.ends.destination();
    let number = trace::number(quote)?;
    let (question, by): (fn(u8, u16) -> Question, _) = match quote.ports() {
        Some(_) => (Question::TcpHop, Source::Tcp),
        None => (|allowed, _| Question::Hop(allowed), Source::IcmpEcho),
    };
    let port = quote.ports().map_or(0, |(_, port)| port);
    let allowed = (1..=trace::MOST).find(|allowed| number == cookie.of(host, &question(*allowed, port)))?;
    Some((host, question(allowed, port), Fact::Router(allowed, router, by)))
}

fn joined(id: u16, sequence: u16) -> u32 {
    u32::from(id) << 16 | u32::from(sequence)
}

fn by_hops(hops: u8) -> Option<Fact> {
    let system = signs::system_by_hops(hops)?;
    Some(Fact::System(system.to_owned(), None, Source::HopLimit))
}

/// Which question a TCP segment of a host answers.
pub(crate) fn tcp_answer(
    host: IpAddr,
    segment: &Tcp,
    own: Own,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    if segment.destination != own.tcp {
        return None;
    }
    let syn = Question::Syn(segment.source);
    let ack = Question::Ack(segment.source);
    let answers_syn =
        segment.flags.has(Flags::ACK) && segment.acknowledgement == cookie.of(host, &syn).wrapping_add(1);
    // A reset takes its number from what it rejects (RFC 9293, 3.5.2).
    let answers_ack = segment.flags.has(Flags::RST) && segment.sequence == cookie.of(host, &ack);
    let hop = (1..=trace::MOST).find(|allowed| {
        let question = Question::TcpHop(*allowed, segment.source);
        let acknowledges = segment.acknowledgement == cookie.of(host, &question).wrapping_add(1);
        !answers_syn && segment.flags.has(Flags::ACK) && acknowledges
    });
    if let Some(allowed) = hop {
        let question = Question::TcpHop(allowed, segment.source);
        return Some((question, vec![Fact::Arrived(allowed, Source::Tcp)]));
    }
    let question = match (answers_syn, answers_ack) {
        (true, _) => syn,
        (false, true) => ack,
        (false, false) => return None,
    };
    Some((question, vec![Fact::Answered(Source::Tcp, Some(segment.source))]))
}

/// Which question a host says that it could not be delivered to: the host itself is there.
pub(crate) fn icmp_refusal(host: IpAddr, message: &Icmp<'_>) -> Option<Vec<Fact>> {
    let Icmp::Unreachable {
        code: icmp::PORT,
        quote,
    } = message
    else {
        return None;
    };
    (quote.ip.ends.destination() == host).then(|| vec![Fact::Answered(Source::IcmpError, None)])
}

/// The same for IPv6.
pub(crate) fn icmpv6_refusal(host: IpAddr, message: &Icmpv6<'_>) -> Option<Vec<Fact>> {
    let Icmpv6::Unreachable {
        code: icmpv6::PORT,
        quote,
    } = message
    else {
        return None;
    };
    (quote.ip.ends.destination() == host).then(|| vec![Fact::Answered(Source::IcmpError, None)])
}

/// Which question a datagram of a host answers, what that tells of whom, and what to ask next.
pub(crate) fn udp_answer(host: IpAddr, port: u16, bytes: &[u8], cookie: &Cookie) -> Option<Answer> {
    let mut answer = match port {
        MDNS | LLMNR | DNS => names(host, port, bytes, cookie)?,
        NETBIOS => node_status(host, bytes, cookie)?,
        SNMP => agent(host, bytes, cookie)?,
        _ => return None,
    };
    answer.facts.push((host, Fact::Answered(Source::Udp, Some(port))));
    Some(answer)
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The question that it answers.
    pub(crate) to: Question,
    /// What it tells.
    pub(crate) facts: Vec<(IpAddr, Fact)>,
    /// What to ask this host now.
    pub(crate) next: Vec<Question>,
}

fn names(host: IpAddr, port: u16, bytes: &[u8], cookie: &Cookie) -> Option<Answer> {
    let told = dns::parse_names(bytes)?;
    if told.turn != dns::Turn::Answers {
        return None;
    }
    let about: Vec<IpAddr> = told
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Reverse { address, .. } => Some(*address),
            _ => None,
        })
        .collect();
    let candidates = match port {
        MDNS => {
            let hosts = told.records.iter().filter_map(|record| match record {
                Record::System { host, .. } | Record::Address { host, .. } => Some(host.clone()),
                _ => None,
            });
            let mut candidates: Vec<Question> = hosts.map(Question::MdnsHost).collect();
            candidates.extend([Question::MdnsName, Question::MdnsServices]);
            candidates
        }
        LLMNR => vec![Question::Llmnr],
        // A server that knows no name brings back only the question: then it was that of its own address.
        _ => about
            .iter()
            .copied()
            .chain([host])
            .map(Question::ReverseDns)
            .collect(),
    };
    let to = candidates
        .into_iter()
        .find(|question| cookie.short(host, question) == told.id)?;
    let (source, mut facts) = match port {
        MDNS => (Source::Mdns, Vec::new()),
        LLMNR => (
            Source::Llmnr,
            vec![(
                host,
                Fact::Weakness(
                    FindingType::LlmnrAnswered,
                    Some(LLMNR),
                    Some(Evidence::Seen {
                        by: Source::Llmnr,
                        port: Some(LLMNR),
                    }),
                ),
            )],
        ),
        _ => (Source::ReverseDns, Vec::new()),
    };
    facts.extend(facts_of_records(Some(host), &told.records, source));
    let next = match &to {
        Question::MdnsName => told.records.iter().find_map(|record| match record {
            Record::Reverse { address, host: name } if *address == host => {
                Some(Question::MdnsHost(name.clone()))
            }
            _ => None,
        }),
        _ => None,
    };
    Some(Answer {
        to,
        facts,
        next: next.into_iter().collect(),
    })
}

/// What records tell; those without an address tell of the host that sent them.
pub(crate) fn facts_of_records(
    from: Option<IpAddr>,
    records: &[Record],
    source: Source,
) -> Vec<(IpAddr, Fact)> {
    let mut facts = Vec::new();
    for record in records {
        match record {
            Record::Address { host, address } | Record::Reverse { host, address } => {
                facts.push((*address, Fact::Name(host.clone(), source)));
            }
            Record::Service { service } => {
                let kind = signs::kind_by_service(service).map(|kind| Fact::Kind(kind, source));
                facts.extend(from.zip(kind));
            }
            Record::Offer { .. } => {}
            Record::Model { model, .. } => facts.extend(from.map(|from| (from, Fact::Model(model.clone())))),
            Record::System { system, .. } => {
                facts.extend(from.map(|from| (from, Fact::System(system.clone(), None, source))));
            }
        }
    }
    facts
}

fn node_status(host: IpAddr, bytes: &[u8], cookie: &Cookie) -> Option<Answer> {
    let status = netbios::parse_status(bytes)?;
    if status.id != cookie.short(host, &Question::Netbios) {
        return None;
    }
    let name = status
        .machine()
        .map(|name| Fact::Name(name.to_owned(), Source::Netbios));
    let kind = status
        .is_domain_controller()
        .then_some(Fact::Kind(DeviceKind::Server, Source::Netbios));
    // Samba fills in zeros.
    let adapter = (status.mac.0 != [0; 6]).then_some(Fact::AdapterOverheard(status.mac));
    let facts = [name, kind, adapter]
        .into_iter()
        .flatten()
        .map(|fact| (host, fact));
    Some(Answer {
        to: Question::Netbios,
        facts: facts.collect(),
        next: Vec::new(),
    })
}

fn agent(host: IpAddr, bytes: &[u8], cookie: &Cookie) -> Option<Answer> {
    let answer = snmp::parse_answer(bytes)?;
    if answer.id != cookie.positive(host, &Question::Snmp) {
        return None;
    }
    let mut facts = vec![Fact::Weakness(
        FindingType::SnmpDefaultCommunity,
        Some(SNMP),
        Label::cut(PUBLIC).map(|name| Evidence::Community { name }),
    )];
    let [description, name, services] = system_objects();
    for (object, value) in &answer.values {
        match value {
            Value::Bytes(bytes) if *object == description => {
                facts.extend(signs::facts_of_description(&String::from_utf8_lossy(bytes)));
            }
            Value::Bytes(bytes) if *object == name => {
                facts.push(Fact::Name(
                    String::from_utf8_lossy(bytes).into_owned(),
                    Source::Snmp,
                ));
            }
            Value::Integer(layers) if *object == services => {
                facts.extend(signs::kind_by_layers(*layers).map(|kind| Fact::Kind(kind, Source::Snmp)));
            }
            _ => {}
        }
    }
    Some(Answer {
        to: Question::Snmp,
        facts: facts.into_iter().map(|fact| (host, fact)).collect(),
        next: Vec::new(),
    })
}

/// sysDescr, sysName and sysServices (RFC 3418).
fn system_objects() -> [ObjectId; 3] {
    ["1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.7.0"]
        .map(|object| object.parse().expect("a literal object"))
}

/// The community that agents come with.
pub(crate) const PUBLIC: &str = "public";
pub(crate) const DNS: u16 = 53;
pub(crate) const NETBIOS: u16 = 137;
pub(crate) const SNMP: u16 = 161;
pub(crate) const MDNS: u16 = 5353;
pub(crate) const LLMNR: u16 = 5355;
