//! Who is next on the way, and by which adapter address: asked by ARP and neighbour discovery, while the scan runs.
//!
//! Pure: says what to ask when, and learns from what comes in. The kernel's own table is not used, since it holds a
//! thousand entries by default and a scan asks for more. Whoever does not answer [`ROUNDS`] questions is not there.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use crate::packet::{Arp, Ends, Ethernet, Icmpv6, Mac, arp::Operation, ethernet, icmpv6::solicited_node, ip};

/// All next hops of a chapter.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    hops: Vec<Hop>,
    by_address: HashMap<(usize, IpAddr), u32>,
    /// When to ask whom again; in order, since all wait equally long.
    again: VecDeque<(Duration, u32)>,
    waiting: usize,
    found: usize,
}

/// One next hop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    pub(super) address: IpAddr,
    /// Which card it is reached through.
    pub(super) card: usize,
    /// Our own address towards it.
    pub(super) source: IpAddr,
    pub(super) mac: Option<Mac>,
    rounds: u8,
}

impl Neighbours {
    /// The number of a next hop, which is to be asked for now if it is new.
    pub(super) fn hop(&mut self, address: IpAddr, card: usize, source: IpAddr) -> u32 {
        let next = u32::try_from(self.hops.len()).unwrap_or(u32::MAX);
        let (hops, again, waiting) = (&mut self.hops, &mut self.again, &mut self.waiting);
        *self.by_address.entry((card, address)).or_insert_with(|| {
            hops.push(Hop {
                address,
                card,
                source,
                mac: None,
                rounds: 0,
            });
            again.push_back((Duration::ZERO, next));
            *waiting += 1;
            next
        })
    }

    pub(super) fn at(&self, hop: u32) -> &Hop {
        &self.hops[hop as usize]
    }

    /// Whether nobody is left to wait for.
    pub(super) fn is_settled(&self) -> bool {
        self.waiting == 0
    }

    /// How many answered.
    pub(super) fn found(&self) -> usize {
        self.found
    }

    /// When somebody is to be asked next.
    pub(super) fn next(&self) -> Option<Duration> {
        self.again.front().map(|(due, _)| *due)
    }

    /// Whom to ask now.
    pub(super) fn ask(&mut self, now: Duration) -> Option<Hop> {
        while let Some((due, at)) = self.again.front().copied() {
            if due > now {
                return None;
            }
            self.again.pop_front();
            let hop = &mut self.hops[at as usize];
            if hop.mac.is_some() {
                continue;
            }
            if hop.rounds == ROUNDS {
                self.waiting -= 1;
                continue;
            }
            hop.rounds += 1;
            self.again.push_back((now + PATIENCE, at));
            return Some(*hop);
        }
        None
    }

    /// Somebody says which adapter has an address. Whoever was asked for is believed the first time; whoever says
    /// otherwise later is not.
    pub(super) fn learn(&mut self, card: usize, address: IpAddr, mac: Mac) {
        let Some(at) = self.by_address.get(&(card, address)) else {
            return;
        };
        let hop = &mut self.hops[*at as usize];
        if hop.mac.is_none() && hop.rounds > 0 && !mac.is_group() && mac != Mac::ZERO {
            hop.mac = Some(mac);
            self.found += 1;
            // Who gave up waiting already does not wait again.
            self.waiting = self.waiting.saturating_sub(1);
        }
    }
}

impl Hop {
    /// The question for its adapter.
    pub(super) fn question(&self, own: Mac) -> Option<Vec<u8>> {
        match (self.source, self.address) {
            (IpAddr::V4(source), IpAddr::V4(address)) => Some(Arp::request(own, source, address).frame()),
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let (group, mac) = solicited_node(target);
                let ends = Ends::V6 {
                    source,
                    destination: group,
                };
                let message = Icmpv6::NeighbourSolicitation {
                    target,
                    source: Some(own),
                };
                let packet = ends.packet(ip::ICMPV6, NEIGHBOURLY, &message.bytes(ends)?);
                Some(Ethernet::new(own, mac, ethernet::IPV6).frame(&packet))
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }
}

/// The answer to somebody who asks for an address of ours that the kernel does not know.
pub(super) fn answer(arp: &Arp, own: Mac, address: IpAddr) -> Option<Vec<u8>> {
    let asked = arp.operation == Operation::Request && IpAddr::V4(arp.target.1) == address;
    asked.then(|| arp.answer(own).frame())
}

/// The same for IPv6.
pub(super) fn advertisement(asker: (Mac, Ipv6Addr), own: Mac, address: Ipv6Addr) -> Option<Vec<u8>> {
    let ends = Ends::V6 {
        source: address,
        destination: asker.1,
    };
    let message = Icmpv6::NeighbourAdvertisement {
        target: address,
        mac: Some(own),
        router: false,
    };
    let packet = ends.packet(ip::ICMPV6, NEIGHBOURLY, &message.bytes(ends)?);
    Some(Ethernet::new(own, asker.0, ethernet::IPV6).frame(&packet))
}

/// How often a neighbour is asked for.
pub(super) const ROUNDS: u8 = 3;
/// Between the questions. A machine that sleeps needs its time.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);
/// The hop limit of neighbour discovery, by which no router forwarded it (RFC 4861, section 7.1).
const NEIGHBOURLY: u8 = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn who_is_silent_is_asked_three_times_and_then_given_up() {
        let mut neighbours = Neighbours::default();
        let hop = neighbours.hop(address(1), 0, address(9));
        assert_eq!(neighbours.hop(address(1), 0, address(9)), hop, "one and the same");
        let mut now = Duration::ZERO;
        for _ in 0..ROUNDS {
            assert_eq!(neighbours.ask(now).unwrap().address, address(1));
            assert!(neighbours.ask(now).is_none(), "not twice at once");
            now += PATIENCE;
        }
        assert!(!neighbours.is_settled());
        assert!(neighbours.ask(now).is_none());
        assert!(neighbours.is_settled() && neighbours.at(hop).mac.is_none());
        neighbours.learn(0, address(1), Mac([2; 6]));
        assert!(
            neighbours.is_settled() && neighbours.at(hop).mac.is_some(),
            "late, and still heard"
        );
    }

    #[test]
    fn the_first_answer_counts_and_only_to_a_question() {
        let mut neighbours = Neighbours::default();
        let hop = neighbours.hop(address(1), 0, address(9));
        neighbours.learn(0, address(1), Mac([2; 6]));
        assert!(neighbours.at(hop).mac.is_none(), "before it was asked");
        let _ = neighbours.ask(Duration::ZERO);
        for mac in [Mac::ZERO, Mac::BROADCAST] {
            neighbours.learn(0, address(1), mac);
        }
        neighbours.learn(1, address(1), Mac([6; 6]));
        assert!(
            neighbours.at(hop).mac.is_none(),
            "no adapter, or on another network"
        );
        neighbours.learn(0, address(1), Mac([2; 6]));
        neighbours.learn(0, address(1), Mac([4; 6]));
        assert_eq!(neighbours.at(hop).mac, Some(Mac([2; 6])));
        assert!(neighbours.is_settled() && neighbours.ask(PATIENCE).is_none());
    }
}
