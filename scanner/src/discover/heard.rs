//! What a frame tells: answers to what we asked, and what was overheard. Pure.

use std::net::{IpAddr, Ipv6Addr};

use vedette_protocol::finding::{DeviceKind, Evidence, Label, MacAddress, Source};

use super::{
    answer,
    device::Fact,
    local::{Link, Local, Road},
    question::{self, Cookie, Own, Question},
    signs,
};
use crate::{
    message::{
        cdp,
        dhcp::{self, Kind},
        dns, lldp, snmp,
    },
    packet::{
        self, Arp, Body, Ends, Icmp, Icmpv6, Mac, Packet, Payload, Tcp, Udp, arp::Operation, tcp::Flags,
    },
    topology::trace,
};

/// Who listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ear<'a> {
    pub(crate) local: &'a Local,
    pub(crate) link: &'a Link,
    pub(crate) own: Own,
    pub(crate) cookie: &'a Cookie,
}

/// What was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// Facts, each of the host with this address.
    pub(crate) facts: Vec<(IpAddr, Fact)>,
    /// Hosts that answered who has their address.
    pub(crate) reached: Vec<IpAddr>,
    /// Questions that were answered.
    pub(crate) answered: Vec<(IpAddr, Question)>,
    /// Those of them by which a host accepted a connection.
    pub(crate) accepted: Option<(IpAddr, Question)>,
    /// Questions that an answer raises.
    pub(crate) next: Vec<(IpAddr, Question)>,
    /// A host behind routers, what it answered, and how far to look for the way there.
    pub(crate) trace: Option<(IpAddr, Question, u8)>,
    /// An SNMP agent's answer to some other question.
    pub(crate) agent: Option<(IpAddr, snmp::Answer)>,
    /// A neighbour that made itself known.
    pub(crate) neighbour: Option<Announced>,
}

/// A neighbour's announcement: by its adapter and the addresses that it names one may know which host it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) adapter: MacAddress,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) facts: Vec<Fact>,
}

impl Ear<'_> {
    /// Reads a frame; `tag` is what the kernel took out of it.
    pub(crate) fn hear(&self, frame: &[u8], tag: Option<u16>) -> Heard {
        let mut heard = Heard::default();
        let Some(Packet { ethernet, body }) = packet::parse(frame) else {
            return heard;
        };
        let tag = tag.map(packet::Tag::of).or(ethernet.tags[0]);
        let vlan = tag.map(packet::Tag::vlan).filter(|id| (1..=4094).contains(id));
        let from = mac(ethernet.source);
        match body {
            Body::Arp(arp) => self.arp(&arp, vlan, &mut heard),
            Body::Ip(ip, payload) => {
                let (source, destination) = (ip.ends.source(), ip.ends.destination());
                let ours = self.local.is_own(destination) || destination.is_loopback();
                if ours {
                    self.answer(source, ip.hops, &payload, &mut heard);
                } else {
                    self.overheard(source, &payload, &mut heard);
                }
                heard.facts.extend(vlan.map(|id| (source, Fact::Vlan(id))));
                if let Payload::Icmpv6(message) = payload {
                    self.neighbour_discovery(ip.ends, message, from, &mut heard);
                }
            }
            Body::Other(bytes) if ethernet.type_ == LLDP => {
                heard.neighbour = lldp::parse_announcement(bytes).map(|told| self.lldp(from, &told));
            }
            Body::Other(bytes) if ethernet.destination == CDP && ethernet.type_ < SHORTEST_TYPE => {
                let frame = bytes.get(..ethernet.type_.into());
                heard.neighbour = frame
                    .and_then(cdp::parse_announcement)
                    .map(|told| self.cdp(from, &told));
            }
            Body::Other(_) => {}
        }
        heard
    }

    fn arp(&self, arp: &Arp, vlan: Option<u16>, heard: &mut Heard) {
        let (adapter, address) = (mac(arp.sender.0), IpAddr::V4(arp.sender.1));
        // A probe for an address that is not yet anybody's (RFC 5227), or nonsense.
        if arp.sender.1.is_unspecified() || arp.sender.0.is_group() || self.local.is_own(address) {
            return;
        }
        let to_us = Some(mac(arp.target.0)) == self.link.mac && self.local.is_own(arp.target.1.into());
        if arp.operation == Operation::Reply && to_us && vlan.is_none() {
            heard.reached.push(address);
            heard.facts.push((address, Fact::Answered(Source::Arp, None)));
            heard.facts.push((address, Fact::Adapter(adapter)));
        } else {
            heard.facts.push((address, Fact::Overheard(Source::Arp)));
            heard.facts.push((address, Fact::AdapterOverheard(adapter)));
        }
        heard.facts.extend(vlan.map(|id| (address, Fact::Vlan(id))));
    }

    fn neighbour_discovery(&self, ends: Ends, message: Icmpv6<'_>, from: MacAddress, heard: &mut Heard) {
        match message {
            Icmpv6::NeighbourAdvertisement {
                target,
                mac: adapter,
                router,
            } if !self.local.is_own(target.into()) => {
                let address = IpAddr::V6(target);
                let adapter = adapter.map_or(from, mac);
                if self.local.is_own(ends.destination()) {
                    heard.reached.push(address);
                    let by = Source::NeighbourDiscovery;
                    heard.facts.push((address, Fact::Answered(by, None)));
                    heard.facts.push((address, Fact::Adapter(adapter)));
                } else {
                    let by = Source::NeighbourDiscovery;
                    heard.facts.push((address, Fact::Overheard(by)));
                    heard.facts.push((address, Fact::AdapterOverheard(adapter)));
                }
                if router {
                    let kind = Fact::Kind(DeviceKind::Router, Source::NeighbourDiscovery);
                    heard.facts.push((address, kind));
                }
            }
            Icmpv6::RouterAdvertisement { .. } if !self.local.is_own(ends.source()) => {
                let kind = Fact::Kind(DeviceKind::Router, Source::NeighbourDiscovery);
                heard.facts.push((ends.source(), kind));
            }
            // An answer to a question that was put to all: from whom is not known before.
            Icmpv6::EchoReply { id, sequence, .. } => {
                let number = u32::from(id) << 16 | u32::from(sequence);
                if number == self.cookie.of(ALL_NODES.into(), &Question::Echo) {
                    let address = ends.source();
                    heard
                        .facts
                        .push((address, Fact::Answered(Source::IcmpEcho, None)));
                    heard.facts.push((address, Fact::AdapterOverheard(from)));
                }
            }
            _ => {}
        }
    }

    /// Something that was sent to us.
    fn answer(&self, host: IpAddr, hops: u8, payload: &Payload<'_>, heard: &mut Heard) {
        let told = match payload {
            Payload::Icmp(Icmp::TimeExceeded { quote }) | Payload::Icmpv6(Icmpv6::TimeExceeded { quote }) => {
                if let Some((about, question, fact)) = answer::expiry(host, quote, self.own, self.cookie) {
                    heard.answered.push((about, question));
                    heard.facts.push((about, fact));
                }
                None
            }
            Payload::Icmp(message) => {
                if let Some(facts) = answer::icmp_refusal(host, message) {
                    heard.facts.extend(facts.into_iter().map(|fact| (host, fact)));
                }
                answer::icmp_answer(host, hops, message, self.own, self.cookie)
            }
            Payload::Icmpv6(message) => {
                if let Some(facts) = answer::icmpv6_refusal(host, message) {
                    heard.facts.extend(facts.into_iter().map(|fact| (host, fact)));
                }
                answer::icmpv6_answer(host, hops, message, self.own, self.cookie)
            }
            Payload::Tcp(segment, _) => {
                let told = self.segment(host, segment);
                let accepted = told.as_ref().filter(|_| segment.flags.has(Flags::SYN));
                heard.accepted = accepted.map(|(question, _)| (host, question.clone()));
                told
            }
            Payload::Udp(udp, bytes) => {
                if udp.destination == self.own.udp
                    && let Some(answer) = answer::udp_answer(host, udp.source, bytes, self.cookie)
                {
                    heard.facts.extend(answer.facts);
                    heard.answered.push((host, answer.to));
                    heard
                        .next
                        .extend(answer.next.into_iter().map(|next| (host, next)));
                } else if udp.destination == self.own.udp && udp.source == question::SNMP {
                    heard.agent = snmp::parse_answer(bytes).map(|answer| (host, answer));
                } else {
                    self.datagram(host, udp, bytes, heard);
                }
                None
            }
            Payload::Other(_) => None,
        };
        if let Some((question, facts)) = told {
            if self.local.road(host) == Road::Routed && !host.is_loopback() {
                heard.trace = Some((host, question.clone(), trace::reach(hops)));
            }
            heard.answered.push((host, question));
            heard.facts.extend(facts.into_iter().map(|fact| (host, fact)));
        }
    }

    fn segment(&self, host: IpAddr, segment: &Tcp) -> Option<(Question, Vec<Fact>)> {
        answer::tcp_answer(host, segment, self.own, self.cookie)
    }

    /// Something that was sent to many, or to another.
    fn overheard(&self, host: IpAddr, payload: &Payload<'_>, heard: &mut Heard) {
        if self.local.is_own(host) {
            return;
        }
        if let Payload::Udp(udp, bytes) = payload {
            self.datagram(host, udp, bytes, heard);
        }
    }

    fn datagram(&self, host: IpAddr, udp: &Udp, bytes: &[u8], heard: &mut Heard) {
        match (udp.source, udp.destination) {
            (question::MDNS, question::MDNS) => {
                let Some(told) = dns::parse_names(bytes) else {
                    return;
                };
                heard.facts.push((host, Fact::Overheard(Source::Mdns)));
                if told.turn == dns::Turn::Answers {
                    let facts = answer::facts_of_records(Some(host), &told.records, Source::Mdns);
                    heard.facts.extend(facts);
                }
            }
            (67 | 68, 67 | 68) => {
                if let Some(message) = dhcp::parse_dhcp(bytes) {
                    heard.facts.extend(facts_of_dhcp(&message));
                }
            }
            _ => {}
        }
    }

    fn lldp(&self, adapter: MacAddress, told: &lldp::Announcement) -> Announced {
        let enabled = told.enabled;
        let kind = match () {
            () if enabled.telephone() => Some(DeviceKind::Phone),
            () if enabled.access_point() => Some(DeviceKind::AccessPoint),
            () if enabled.router() => Some(DeviceKind::Router),
            () if enabled.bridge() => Some(DeviceKind::Switch),
            () => None,
        };
        let mut facts = vec![Fact::Overheard(Source::Lldp), Fact::AdapterOverheard(adapter)];
        facts.extend(told.name.clone().map(|name| Fact::Name(name, Source::Lldp)));
        facts.extend(kind.map(|kind| Fact::Kind(kind, Source::Lldp)));
        facts.extend(told.description.clone().map(Fact::Model));
        facts.extend(told.port_vlan.map(Fact::Vlan));
        let port = told
            .port_description
            .clone()
            .or_else(|| told.port.as_ref().map(id));
        facts.push(self.cable(Source::Lldp, port.as_deref()));
        let named = match &told.chassis {
            Some(lldp::Id::Address(address)) => Some(*address),
            _ => None,
        };
        Announced {
            adapter,
            addresses: told.addresses.iter().copied().chain(named).collect(),
            facts,
        }
    }

    fn cdp(&self, adapter: MacAddress, told: &cdp::Announcement) -> Announced {
        let capabilities = told.capabilities;
        let kind = match () {
            () if capabilities.telephone() => Some(DeviceKind::Phone),
            () if capabilities.router() => Some(DeviceKind::Router),
            () if capabilities.switch() => Some(DeviceKind::Switch),
            () => None,
        };
        let mut facts = vec![Fact::Overheard(Source::Cdp), Fact::AdapterOverheard(adapter)];
        facts.extend(told.device.clone().map(|name| Fact::Name(name, Source::Cdp)));
        facts.extend(kind.map(|kind| Fact::Kind(kind, Source::Cdp)));
        facts.extend(told.platform.clone().map(Fact::Model));
        facts.extend(told.native_vlan.map(Fact::Vlan));
        facts.push(self.cable(Source::Cdp, told.port.as_deref()));
        Announced {
            adapter,
            addresses: told.addresses.clone(),
            facts,
        }
    }

    /// The cable between a host's port and our own.
    fn cable(&self, by: Source, port: Option<&str>) -> Fact {
        Fact::Neighbour(Evidence::Neighbour {
            by,
            interface: port.and_then(Label::cut),
            chassis: self.link.mac.and_then(|mac| Label::cut(&mac.to_string())),
            port: Label::cut(&self.link.name),
            name: None,
            address: self.link.addresses.first().map(|own| own.addr().into()),
        })
    }
}

fn facts_of_dhcp(message: &dhcp::Dhcp) -> Vec<(IpAddr, Fact)> {
    let mut facts = Vec::new();
    if let Some(address) = message.address.map(IpAddr::V4) {
        let given = matches!(message.kind, Kind::Ack | Kind::Request | Kind::Inform);
        if given {
            facts.push((address, Fact::Overheard(Source::Dhcp)));
            facts.push((address, Fact::AdapterOverheard(message.client)));
            let name = message
                .host_name
                .clone()
                .map(|name| Fact::Name(name, Source::Dhcp));
            facts.extend(name.map(|name| (address, name)));
            let system = message
                .vendor_class
                .as_deref()
                .and_then(signs::system_by_vendor_class);
            let system = system.map(|system| Fact::System(system.to_owned(), None, Source::Dhcp));
            facts.extend(system.map(|system| (address, system)));
        }
    }
    if matches!(message.kind, Kind::Offer | Kind::Ack) {
        let server = message
            .server
            .map(|server| (server.into(), Fact::Kind(DeviceKind::Server, Source::Dhcp)));
        facts.extend(server);
        let router =
            |router: &std::net::Ipv4Addr| ((*router).into(), Fact::Kind(DeviceKind::Router, Source::Dhcp));
        facts.extend(message.routers.iter().map(router));
    }
    facts
}

fn id(id: &lldp::Id) -> String {
    match id {
        lldp::Id::Mac(mac) => mac.to_string(),
        lldp::Id::Address(address) => address.to_string(),
        lldp::Id::Text(text) => text.clone(),
    }
}

fn mac(mac: Mac) -> MacAddress {
    MacAddress(mac.0)
}

/// RFC 4291, section 2.7.1.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const LLDP: u16 = 0x88cc;
const CDP: Mac = Mac([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc]);
/// IEEE 802.3, 3.2.6: below, it is a length.
const SHORTEST_TYPE: u16 = 0x0600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        discover::question::{Identifiers, Resets},
        packet::{Ethernet, ethernet, ip},
    };
    use proptest::prelude::*;

    const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn local() -> Local {
        Local {
            links: vec![Link {
                index: 2,
                name: "eth0".into(),
                mac: Some(OURS),
                addresses: vec!["192.0.2.1/24".parse().unwrap()],
            }],
            routes: Vec::new(),
        }
    }

    fn hear(cookie: &Cookie, frame: &[u8], tag: Option<u16>) -> Heard {
        let local = local();
        let ear = Ear {
            local: &local,
            link: &local.links[0],
            own: Own {
                tcp: 40_000,
                udp: 40_001,
                icmp: Identifiers::Any,
                resets: Resets::Kernel,
            },
            cookie,
        };
        ear.hear(frame, tag)
    }

    fn arp_reply(target: Mac) -> Vec<u8> {
        let reply = Arp {
            operation: Operation::Reply,
            sender: (THEIRS, "192.0.2.9".parse().unwrap()),
            target: (target, "192.0.2.1".parse().unwrap()),
        };
        reply.frame()
    }

    #[test]
    fn an_arp_reply_counts_only_when_it_is_for_us() {
        let host: IpAddr = "192.0.2.9".parse().unwrap();
        let heard = hear(&Cookie::default(), &arp_reply(Mac(OURS.0)), None);
        assert_eq!(heard.reached, [host]);
        assert!(heard.facts.contains(&(host, Fact::Adapter(MacAddress(THEIRS.0)))));
        for (frame, tag) in [
            (arp_reply(Mac::BROADCAST), None),
            (arp_reply(Mac(OURS.0)), Some(42)),
        ] {
            let heard = hear(&Cookie::default(), &frame, tag);
            assert_eq!(heard.reached, Vec::<IpAddr>::new());
            assert!(
                heard
                    .facts
                    .contains(&(host, Fact::AdapterOverheard(MacAddress(THEIRS.0))))
            );
            assert_eq!(heard.facts.contains(&(host, Fact::Vlan(42))), tag.is_some());
        }
    }

    fn datagram(source: u16, destination: u16, to: &str, data: &[u8]) -> Vec<u8> {
        let ends = Ends::between("192.0.2.2".parse().unwrap(), to.parse().unwrap()).unwrap();
        let udp = Udp { source, destination }.datagram(ends, data);
        let packet = ends.packet(ip::UDP, 64, &udp);
        Ethernet::new(THEIRS, Mac(OURS.0), ethernet::IPV4).frame(&packet)
    }

    #[test]
    fn an_answer_without_our_number_tells_nothing() {
        let host: IpAddr = "192.0.2.2".parse().unwrap();
        let answer = include_bytes!("../../../fuzz/corpus/scan_netbios/samba");
        let cookie = Cookie::default();
        let forged = hear(&cookie, &datagram(137, 40_001, "192.0.2.1", answer), None);
        assert_eq!(forged, Heard::default());
        let id = u16::try_from(cookie.of(host, &Question::Netbios) >> 16).unwrap();
        let ours = [&id.to_be_bytes(), &answer[2..]].concat();
        let heard = hear(&cookie, &datagram(137, 40_001, "192.0.2.1", &ours), None);
        assert_eq!(heard.answered, [(host, Question::Netbios)]);
        assert!(
            heard
                .facts
                .contains(&(host, Fact::Name("FILESRV".into(), Source::Netbios)))
        );
    }

    #[test]
    fn what_is_announced_to_all_is_overheard() {
        let host: IpAddr = "192.0.2.2".parse().unwrap();
        let names = include_bytes!("../../../fuzz/corpus/scan_dns/mdns-reverse");
        let heard = hear(
            &Cookie::default(),
            &datagram(5353, 5353, "224.0.0.251", names),
            None,
        );
        assert!(
            heard
                .facts
                .contains(&(host, Fact::Name("printer-3f.local".into(), Source::Mdns)))
        );
        assert!(heard.facts.contains(&(host, Fact::Overheard(Source::Mdns))));
        let offer = include_bytes!("../../../fuzz/corpus/scan_dhcp/dnsmasq-offer");
        let heard = hear(
            &Cookie::default(),
            &datagram(67, 68, "255.255.255.255", offer),
            None,
        );
        assert!(
            heard
                .facts
                .contains(&(host, Fact::Kind(DeviceKind::Router, Source::Dhcp)))
        );
    }

    #[test]
    fn neighbours_make_themselves_known() {
        let lldp = include_bytes!("../../../fuzz/corpus/scan_lldp/lldpd");
        let frame = Ethernet::new(THEIRS, Mac([1, 0x80, 0xc2, 0, 0, 0x0e]), LLDP).frame(lldp);
        let announced = hear(&Cookie::default(), &frame, None).neighbour.unwrap();
        assert_eq!(announced.addresses, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        assert!(announced.facts.iter().any(|fact| matches!(fact, Fact::Neighbour(Evidence::Neighbour { interface: Some(port), .. }) if port.as_str() == "db0")));
        let cdp = include_bytes!("../../../fuzz/corpus/scan_cdp/lldpd");
        let frame = Ethernet::new(THEIRS, CDP, u16::try_from(cdp.len()).unwrap()).frame(cdp);
        let announced = hear(&Cookie::default(), &frame, None).neighbour.unwrap();
        assert!(announced.facts.contains(&Fact::Model("Linux".into())));
    }

    proptest! {
        #[test]
        fn any_frame_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), type_ in prop_oneof![Just(0x0806u16), Just(0x0800), Just(0x86dd), Just(LLDP), any::<u16>()], tag in any::<Option<u16>>()) {
            let frame = [&[2u8; 12][..], &type_.to_be_bytes(), &bytes].concat();
            let heard = hear(&Cookie::default(), &frame, tag);
            prop_assert!(heard.answered.is_empty());
        }
    }
}
