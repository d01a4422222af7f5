//! Packets and datagrams as frames of our own, where packet sockets are all that there is. Pure.
//!
//! Who is next on the way is known by the answers to our own neighbour questions: the first one counts, and whoever says
//! otherwise later is not believed. IPv4 alone, as adapters are lent.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv4Addr},
};

use vedette_protocol::scope::Area;

use super::USUAL_HOPS;
use crate::{
    discover::{
        local::Local,
        question::{Identifiers, Own, Parcel, Resets},
    },
    packet::{Arp, Body, Ends, Ethernet, Mac, Udp, arp::Operation, ip, parse},
    wire::Lent,
};

/// What it takes to write frames.
#[derive(Debug)]
pub(super) struct Frames {
    local: Local,
    own: Own,
    neighbours: HashMap<(u32, Ipv4Addr), Mac>,
}

impl Frames {
    pub(super) fn new(lent: &[Lent], local: Local) -> Self {
        // All have the same ones.
        let first = lent.first().map_or(0, |lent| lent.adapter.ports);
        Self {
            local,
            own: Own {
                tcp: first,
                udp: first.saturating_add(1),
                icmp: Identifiers::From(first),
                resets: Resets::Ours,
            },
            neighbours: HashMap::new(),
        }
    }

    pub(super) fn own(&self) -> Own {
        self.own
    }

    /// Who lets packets pass to hosts of an area and is not known yet: the question for its adapter, and on which link.
    pub(super) fn for_routers(&self, area: &Area) -> Vec<(u32, Vec<u8>)> {
        let hosts = area.runs().into_iter().flat_map(|(first, last)| [first, last]);
        let mut questions = BTreeMap::new();
        for host in hosts {
            let Some((link, source, next)) = self.local.next(host).filter(|(.., next)| *next != host) else {
                continue;
            };
            if let (IpAddr::V4(source), IpAddr::V4(next), Some(mac)) = (source, next, link.mac)
                && !self.neighbours.contains_key(&(link.index, next))
            {
                let question = Arp::request(Mac(mac.0), source, next).frame();
                questions.insert((link.index, next), question);
            }
        }
        let each = questions.into_iter();
        each.map(|((link, _), question)| (link, question)).collect()
    }

    /// Learns from what neighbours say of themselves, if it is to us.
    pub(super) fn hear(&mut self, link: u32, frame: &[u8]) {
        let Some(Body::Arp(arp)) = parse(frame).map(|packet| packet.body) else {
            return;
        };
        let (mac, address) = arp.sender;
        let to_us = self.local.is_own(arp.target.1.into());
        let sound = !mac.is_group() && mac != Mac::ZERO;
        if arp.operation == Operation::Reply && to_us && sound && self.neighbours.len() < NEIGHBOURS {
            self.neighbours.entry((link, address)).or_insert(mac);
        }
    }

    /// The frame of a parcel, and the link that it leaves on; none when nobody is known who would take it.
    pub(super) fn frame(&self, parcel: &Parcel) -> Option<(u32, Vec<u8>)> {
        let to = match parcel {
            // It is one.
            Parcel::Frame { .. } => return None,
            Parcel::Packet { destination, .. } => *destination,
            Parcel::Datagram { destination, .. } => destination.ip(),
        };
        let (link, source, next) = self.local.next(to)?;
        let IpAddr::V4(next) = next else { return None };
        let neighbour = *self.neighbours.get(&(link.index, next))?;
        let ends = Ends::between(source, to)?;
        let packet = match parcel {
            Parcel::Frame { .. } => return None,
            Parcel::Packet {
                protocol,
                hops,
                bytes,
                ..
            } => ends.packet(*protocol, hops.unwrap_or(USUAL_HOPS), bytes),
            Parcel::Datagram { destination, bytes } => {
                let udp = Udp {
                    source: self.own.udp,
                    destination: destination.port(),
                };
                ends.packet(ip::UDP, USUAL_HOPS, &udp.datagram(ends, bytes))
            }
        };
        let header = Ethernet::new(Mac(link.mac?.0), neighbour, ends.ethernet_type());
        Some((link.index, header.frame(&packet)))
    }
}

/// As many as are kept.
const NEIGHBOURS: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::{
        finding::MacAddress,
        worker::{Adapter, Route},
    };

    use crate::{
        discover::question::{Cookie, Question},
        packet::{Payload, ethernet},
    };

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn lent() -> Lent {
        let route = |network: &str, gateway: Option<&str>| Route {
            network: network.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            metric: 0,
        };
        Lent {
            adapter: Adapter {
                interface: 2,
                name: "eth0".into(),
                mac: MacAddress(OURS.0),
                address: "192.0.2.2".parse().unwrap(),
                ports: 20_000,
                routes: vec![route("192.0.2.0/24", None), route("0.0.0.0/0", Some("192.0.2.1"))],
            },
            socket: std::os::unix::net::UnixDatagram::unbound().unwrap().into(),
        }
    }

    fn frames() -> Frames {
        let lent = [lent()];
        Frames::new(&lent, Local::of(&lent))
    }

    fn says(mac: Mac, address: &str) -> Vec<u8> {
        let asked = Arp::request(OURS, "192.0.2.2".parse().unwrap(), address.parse().unwrap());
        asked.answer(mac).frame()
    }

    fn echo(frames: &Frames, host: &str) -> Parcel {
        let (host, source) = (host.parse().unwrap(), "192.0.2.2".parse().unwrap());
        let parcel = Question::Hop(3).parcel(host, source, frames.own(), &Cookie::default());
        parcel.unwrap()
    }

    fn area(target: &str) -> Area {
        Area::new(&[target.parse().unwrap()], &[], &[])
    }

    #[test]
    fn what_a_link_leads_to_is_as_the_adapter_says() {
        let local = Local::of(&[lent()]);
        assert_eq!(local.links[0].addresses, ["192.0.2.2/24".parse().unwrap()]);
        assert_eq!(
            local.source("203.0.113.1".parse().unwrap()),
            "192.0.2.2".parse().ok()
        );
        assert_eq!(local.next("2001:db8::1".parse().unwrap()), None);
        assert_eq!(local.next("192.0.2.2".parse().unwrap()), None, "ourselves");
    }

    #[test]
    fn a_packet_goes_to_whoever_is_next_once_that_is_known() {
        let mut frames = frames();
        let far = echo(&frames, "203.0.113.5");
        assert_eq!(frames.frame(&far), None);
        let [(link, question)] = &frames.for_routers(&area("203.0.113.0/24"))[..] else {
            panic!("one router is asked for once")
        };
        let asked = Arp::request(OURS, "192.0.2.2".parse().unwrap(), "192.0.2.1".parse().unwrap());
        assert_eq!((*link, question), (2, &asked.frame()));
        assert!(frames.for_routers(&area("192.0.2.0/24")).is_empty());

        frames.hear(2, &says(ROUTER, "192.0.2.1"));
        // Whoever says otherwise later is not believed; nor is what was said to another, or asked.
        frames.hear(2, &says(Mac([2, 0, 0, 0, 0, 66]), "192.0.2.1"));
        frames.hear(
            2,
            &Arp::request(
                ROUTER,
                "192.0.2.77".parse().unwrap(),
                "192.0.2.2".parse().unwrap(),
            )
            .frame(),
        );
        assert!(frames.for_routers(&area("203.0.113.0/24")).is_empty());
        let (link, frame) = frames.frame(&far).unwrap();
        let packet = parse(&frame).unwrap();
        assert_eq!(
            (link, packet.ethernet.destination, packet.ethernet.source),
            (2, ROUTER, OURS)
        );
        let Body::Ip(ip, Payload::Icmp(_)) = packet.body else {
            panic!("{packet:?}")
        };
        assert_eq!(
            (ip.hops, ip.ends.destination()),
            (3, "203.0.113.5".parse().unwrap())
        );
        assert_eq!(
            frames.frame(&echo(&frames, "192.0.2.77")),
            None,
            "on the link, and silent"
        );
    }

    #[test]
    fn a_datagram_comes_from_a_port_that_was_lent() {
        let mut frames = frames();
        frames.hear(2, &says(ROUTER, "192.0.2.7"));
        let parcel = Parcel::Datagram {
            destination: "192.0.2.7:161".parse().unwrap(),
            bytes: b"?".to_vec(),
        };
        let (_, frame) = frames.frame(&parcel).unwrap();
        let packet = parse(&frame).unwrap();
        assert_eq!(packet.ethernet.type_, ethernet::IPV4);
        let Body::Ip(_, Payload::Udp(udp, b"?")) = packet.body else {
            panic!("{packet:?}")
        };
        assert_eq!((udp.source, udp.destination), (20_001, 161));
    }

    #[test]
    fn questions_by_icmp_have_numbers_that_were_lent() {
        let frames = frames();
        let cookie = Cookie::default();
        for host in 0..=u8::MAX {
            let host = IpAddr::from([203, 0, 113, host]);
            for question in [Question::Echo, Question::Timestamp, Question::Hop(7)] {
                let id = frames.own().number(host, &question, &cookie) >> 16;
                assert!((20_000..20_008).contains(&id), "{id}");
            }
        }
    }
}
