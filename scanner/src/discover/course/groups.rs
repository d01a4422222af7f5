//! Questions to everybody on our links, for the multicast groups that are themselves in scope.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use vedette_protocol::finding::{MacAddress, Transport};

use super::Course;
use crate::{
    discover::{
        heard::ALL_NODES,
        local::Link,
        method::Method,
        question::{MDNS, Parcel, Question},
    },
    packet::{Ends, Ethernet, Mac, Udp, ethernet, ip},
};

impl Course {
    /// Questions to everybody on our links, for the groups that are themselves in scope.
    pub(super) fn to_groups(&self) -> VecDeque<Parcel> {
        let mut parcels = VecDeque::new();
        for link in &self.local.links {
            if let Some(mac) = link.mac {
                // Whoever answers chooses an address of the network that the question came from.
                let own = link.addresses.iter().map(IpNet::addr);
                parcels.extend(own.filter_map(|own| self.echo_to_all(link, mac, own)));
                parcels.extend(self.services_of_all(link, mac));
            }
        }
        parcels
    }

    fn echo_to_all(&self, link: &Link, mac: MacAddress, own: IpAddr) -> Option<Parcel> {
        let all = IpAddr::V6(ALL_NODES);
        if !self.scope.area.permits(all) || !self.methods.contains(Method::Icmp) {
            return None;
        }
        let ends = Ends::between(own, all)?;
        let Some(Parcel::Packet { bytes, .. }) =
            Question::Echo.parcel(all, ends.source(), self.own, &self.cookie)
        else {
            return None;
        };
        let packet = ends.packet(ip::ICMPV6, 1, &bytes);
        let everybody = Mac([0x33, 0x33, 0, 0, 0, 1]);
        Some(Parcel::Frame {
            link: link.index,
            about: all,
            bytes: Ethernet::new(Mac(mac.0), everybody, ethernet::IPV6).frame(&packet),
        })
    }

    fn services_of_all(&self, link: &Link, mac: MacAddress) -> Option<Parcel> {
        let group = IpAddr::V4(MDNS_GROUP);
        if !self.scope.permits(group, Transport::Udp, MDNS) || !self.methods.contains(Method::Udp) {
            return None;
        }
        let ends = Ends::between(link.source_for(group)?, group)?;
        let question = Question::MdnsServices.parcel(group, ends.source(), self.own, &self.cookie)?;
        let Parcel::Datagram { bytes, .. } = question else {
            return None;
        };
        // From and to the protocol's own port: the answers go to the group, and are overheard.
        let udp = Udp {
            source: MDNS,
            destination: MDNS,
        };
        let packet = ends.packet(ip::UDP, 255, &udp.datagram(ends, &bytes));
        let everybody = Mac([0x01, 0, 0x5e, 0, 0, 0xfb]);
        Some(Parcel::Frame {
            link: link.index,
            about: group,
            bytes: Ethernet::new(Mac(mac.0), everybody, ethernet::IPV4).frame(&packet),
        })
    }
}

const MDNS_GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
