//! Whether an address that is to be ours alone is free: asked before it is used, and listened for while it is.
//!
//! For IPv4 as RFC 5227 has it, for IPv6 as duplicate address detection does (RFC 4862, section 5.4): a question that
//! says nothing of us, so that nobody's table changes. The waits are shorter than those documents': they are made for
//! hundreds of hosts that are switched on together.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::card::{Card, Frames};
use crate::packet::{
    Arp, Body, Ends, Ethernet, Icmpv6, Mac, Packet, Payload, arp::Operation, ethernet,
    icmpv6::solicited_node, ip, parse,
};

/// An address that we want to use, or do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) own: Mac,
    pub(super) address: IpAddr,
}

impl Claim {
    /// The adapter of somebody else who uses the address, or wants to, if the packet says so.
    pub(super) fn contested(&self, packet: &Packet<'_>) -> Option<Mac> {
        let other = match (&packet.body, self.address) {
            (Body::Arp(arp), IpAddr::V4(address)) => {
                let has = arp.sender.1 == address;
                let wants = arp.operation == Operation::Request
                    && arp.sender.1.is_unspecified()
                    && arp.target.1 == address;
                (has || wants).then_some(arp.sender.0)
            }
            (Body::Ip(ip, Payload::Icmpv6(message)), IpAddr::V6(address)) => match message {
                Icmpv6::NeighbourAdvertisement { target, mac, .. } if *target == address => {
                    Some(mac.unwrap_or(packet.ethernet.source))
                }
                Icmpv6::NeighbourSolicitation { target, .. }
                    if *target == address && ip.ends.source().is_unspecified() =>
                {
                    Some(packet.ethernet.source)
                }
                _ => None,
            },
            _ => None,
        };
        other.filter(|other| *other != self.own)
    }

    /// Does anybody use it?
    fn question(&self) -> Option<Vec<u8>> {
        match self.address {
            IpAddr::V4(address) => Some(Arp::request(self.own, Ipv4Addr::UNSPECIFIED, address).frame()),
            IpAddr::V6(target) => {
                let (group, mac) = solicited_node(target);
                let ends = Ends::V6 {
                    source: Ipv6Addr::UNSPECIFIED,
                    destination: group,
                };
                let message = Icmpv6::NeighbourSolicitation { target, source: None };
                let packet = ends.packet(ip::ICMPV6, NEIGHBOURLY, &message.bytes(ends)?);
                Some(Ethernet::new(self.own, mac, ethernet::IPV6).frame(&packet))
            }
        }
    }
}

/// Asks on a card whether an address is free; gives the adapter that has it.
pub(super) fn contest(card: &mut Card, address: IpAddr) -> io::Result<Option<Mac>> {
    let claim = Claim {
        own: card.mac,
        address,
    };
    let Some(question) = claim.question() else {
        return Ok(None);
    };
    let mut frames = Frames::default();
    frames.push(&question);
    let mut other = None;
    for wait in WAITS {
        card.send(&frames, 0);
        let until = Instant::now() + wait;
        while other.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(card, PollFlags::IN)], Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            card.receive(BLOCKS, |frame| {
                other = other.or_else(|| claim.contested(&parse(frame)?));
            });
        }
    }
    Ok(other)
}

/// PROBE_NUM of RFC 5227; the last is ANNOUNCE_WAIT.
const WAITS: [Duration; 3] = [
    Duration::from_millis(200),
    Duration::from_millis(200),
    Duration::from_millis(500),
];
const BLOCKS: usize = 16;
/// Neighbour discovery must not have crossed a router (RFC 4861, section 7.1.1).
const NEIGHBOURLY: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn contested(address: IpAddr, frame: &[u8]) -> Option<Mac> {
        let claim = Claim { own: OWN, address };
        claim.contested(&parse(frame).unwrap())
    }

    #[test]
    fn whoever_has_the_address_or_wants_it_contests_it() {
        let (ours, theirs) = (Ipv4Addr::new(192, 0, 2, 7), Ipv4Addr::new(192, 0, 2, 8));
        let request = |mac, from, wanted| Arp::request(mac, from, wanted).frame();
        for (frame, contests) in [
            // An answer, an announcement, a question of somebody who has it, a probe.
            (
                Arp::request(OWN, Ipv4Addr::UNSPECIFIED, ours)
                    .answer(OTHER)
                    .frame(),
                true,
            ),
            (request(OTHER, ours, ours), true),
            (request(OTHER, ours, theirs), true),
            (request(OTHER, Ipv4Addr::UNSPECIFIED, ours), true),
            // Who asks for it, or wants another; and we ourselves.
            (request(OTHER, theirs, ours), false),
            (request(OTHER, Ipv4Addr::UNSPECIFIED, theirs), false),
            (request(OWN, Ipv4Addr::UNSPECIFIED, ours), false),
            (request(OWN, ours, theirs), false),
        ] {
            assert_eq!(
                contested(ours.into(), &frame),
                contests.then_some(OTHER),
                "{frame:?}"
            );
        }
    }

    #[test]
    fn the_same_goes_for_ipv6() {
        let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let host: Ipv6Addr = "2001:db8::8".parse().unwrap();
        let frame = |source: Ipv6Addr, message: Icmpv6<'_>| {
            let ends = Ends::V6 {
                source,
                destination: solicited_node(address).0,
            };
            let packet = ends.packet(ip::ICMPV6, 255, &message.bytes(ends).unwrap());
            Ethernet::new(OTHER, OWN, ethernet::IPV6).frame(&packet)
        };
        let advertised = |target| Icmpv6::NeighbourAdvertisement {
            target,
            mac: Some(OTHER),
            router: false,
        };
        let solicited = |target| Icmpv6::NeighbourSolicitation { target, source: None };
        let nobody = Ipv6Addr::UNSPECIFIED;
        for (frame, contests) in [
            (frame(address, advertised(address)), true),
            (frame(nobody, solicited(address)), true),
            (frame(host, solicited(address)), false),
            (frame(host, advertised(host)), false),
            (frame(nobody, solicited(host)), false),
        ] {
            assert_eq!(contested(address.into(), &frame), contests.then_some(OTHER));
        }
    }
}
