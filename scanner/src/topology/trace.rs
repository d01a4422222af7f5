//! The way to a host: the same question with ever more hops allowed, until the host itself answers. Pure.

use std::{collections::BTreeMap, net::IpAddr};

use vedette_protocol::finding::{Evidence, Source};

use crate::packet::{Quote, ip};

/// The most routers on a way that is followed.
pub(crate) const MOST: u8 = 30;

/// How many routers a packet came over, by the hop limit that is left of it: it began at 64, 128 or 255.
pub(crate) fn distance(hops: u8) -> u8 {
    let began = match hops {
        0..=64 => 64,
        65..=128 => 128,
        129..=255 => 255,
    };
    began - hops
}

/// How far to look for the way to a host that a packet came from: a little further, since the way there may be
/// longer than the way back.
pub(crate) fn reach(hops: u8) -> u8 {
    (distance(hops) + 2).min(MOST)
}

/// The number that a quoted packet of ours bears: identification and sequence of an echo, the sequence of a segment.
pub(crate) fn number(quote: &Quote) -> Option<u32> {
    let [.., a, b, c, d] = quote.start;
    match quote.ip.protocol {
        ip::ICMP | ip::ICMPV6 | ip::TCP => Some(u32::from_be_bytes([a, b, c, d])),
        _ => None,
    }
}

/// What was learnt of one way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Path {
    routers: BTreeMap<u8, (IpAddr, Source)>,
    /// The fewest hops with which the host itself answered.
    end: Option<u8>,
    by: Option<Source>,
}

impl Path {
    /// A router that many hops away said that it ended there.
    pub(crate) fn router(&mut self, distance: u8, address: IpAddr, by: Source) {
        if (1..=MOST).contains(&distance) {
            self.routers.entry(distance).or_insert((address, by));
        }
    }

    /// The host itself answered with so many hops allowed.
    pub(crate) fn arrived(&mut self, distance: u8, by: Source) {
        self.end = Some(self.end.map_or(distance, |end| end.min(distance)));
        self.by.get_or_insert(by);
    }

    /// The routers in order, those that did not answer without address.
    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        let last = match (self.end, self.routers.keys().next_back()) {
            (Some(end), _) => end.saturating_sub(1),
            (None, Some(last)) => *last,
            (None, None) => return Vec::new(),
        };
        let hop = |distance: u8| {
            let router = self.routers.get(&distance);
            let by = router.map(|(_, by)| *by).or(self.by).unwrap_or(Source::IcmpEcho);
            Evidence::Hop {
                distance,
                address: router.map(|(address, _)| (*address).into()),
                by,
            }
        };
        (1..=last.min(MOST)).map(hop).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_router_that_is_silent_keeps_its_place() {
        let mut path = Path::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        path.router(1, address("192.0.2.2"), Source::IcmpEcho);
        path.router(3, address("192.0.2.6"), Source::IcmpEcho);
        path.arrived(5, Source::IcmpEcho);
        path.arrived(4, Source::IcmpEcho);
        let routers: Vec<_> = path
            .evidence()
            .into_iter()
            .map(|hop| match hop {
                Evidence::Hop {
                    distance, address, ..
                } => (distance, address.map(String::from)),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            routers,
            [
                (1, Some("192.0.2.2".into())),
                (2, None),
                (3, Some("192.0.2.6".into()))
            ]
        );
    }

    #[test]
    fn distances_are_told_by_what_is_left() {
        assert_eq!(
            (distance(64), distance(62), distance(127), distance(255)),
            (0, 2, 1, 0)
        );
        assert_eq!(reach(0), MOST);
    }

    proptest! {
        #[test]
        fn a_path_is_never_longer_than_may_be(
            routers in proptest::collection::vec((any::<u8>(), any::<u32>()), 0..100),
            ends in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut path = Path::default();
            for (distance, address) in routers {
                path.router(distance, std::net::Ipv4Addr::from(address).into(), Source::IcmpEcho);
            }
            ends.into_iter().for_each(|end| path.arrived(end, Source::Tcp));
            prop_assert!(path.evidence().len() <= usize::from(MOST));
        }
    }
}
