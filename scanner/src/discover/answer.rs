//! What the answers to our questions tell. Pure. An answer counts only with the number of its question.

use std::net::IpAddr;

use vedette_protocol::finding::{DeviceKind, Evidence, FindingType, Label, Source};

use super::{
    device::Fact,
    question::{Cookie, DNS, LLMNR, MDNS, NETBIOS, Own, PUBLIC, Question, SNMP},
    signs,
};
use crate::{
    message::{
        dns::{self, Record},
        netbios, snmp,
    },
    packet::{Icmp, Icmpv6, Quote, Tcp, icmp, icmpv6, tcp::Flags},
    topology::trace,
};

/// Which question an ICMP answer of a host answers, and what that tells.
pub(crate) fn icmp_answer(
    host: IpAddr,
    hops: u8,
    message: &Icmp<'_>,
    own: Own,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    match *message {
        Icmp::EchoReply { id, sequence, .. } => echo_answer(host, hops, joined(id, sequence), own, cookie),
        Icmp::TimestampReply { id, sequence, .. } => {
            let ours = joined(id, sequence) == own.number(host, &Question::Timestamp, cookie);
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
    own: Own,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    match *message {
        Icmpv6::EchoReply { id, sequence, .. } => echo_answer(host, hops, joined(id, sequence), own, cookie),
        _ => None,
    }
}

fn echo_answer(
    host: IpAddr,
    hops: u8,
    number: u32,
    own: Own,
    cookie: &Cookie,
) -> Option<(Question, Vec<Fact>)> {
    if number == own.number(host, &Question::Echo, cookie) {
        let mut facts = vec![Fact::Answered(Source::IcmpEcho, None)];
        facts.extend(by_hops(hops));
        return Some((Question::Echo, facts));
    }
    let hop = |allowed: &u8| number == own.number(host, &Question::Hop(*allowed), cookie);
    let allowed = (1..=trace::MOST).find(hop)?;
    Some((
        Question::Hop(allowed),
        vec![Fact::Arrived(allowed, Source::IcmpEcho)],
    ))
}

/// Which question a router says that it ended with it, to which host, and what that tells of the way there.
pub(crate) fn expiry(
    router: IpAddr,
    quote: &Quote,
    own: Own,
    cookie: &Cookie,
) -> Option<(IpAddr, Question, Fact)> {
    let host = quote.ip.ends.destination();
    let number = trace::number(quote)?;
    let (question, by): (fn(u8, u16) -> Question, _) = match quote.ports() {
        Some(_) => (Question::TcpHop, Source::Tcp),
        None => (|allowed, _| Question::Hop(allowed), Source::IcmpEcho),
    };
    let port = quote.ports().map_or(0, |(_, port)| port);
    let ours = |allowed: &u8| {
        let question = question(*allowed, port);
        number
            == match by {
                Source::Tcp => cookie.of(host, &question),
                _ => own.number(host, &question, cookie),
            }
    };
    let allowed = (1..=trace::MOST).find(ours)?;
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
    facts.extend(signs::facts_of_system(&answer.values));
    Some(Answer {
        to: Question::Snmp,
        facts: facts.into_iter().map(|fact| (host, fact)).collect(),
        next: Vec::new(),
    })
}
