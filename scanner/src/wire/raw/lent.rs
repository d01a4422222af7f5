//! Adapters that were lent to this process, each with a packet socket: what an appliance's worker has in place of
//! privileges. Which way a packet goes is as they say; nothing is asked of the kernel.

use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::OwnedFd,
};

use vedette_protocol::worker::{Adapter, Route};

use super::{card::Card, road::Way};
use crate::packet::Mac;

/// An adapter that was lent.
#[derive(Debug)]
pub struct Lent {
    /// What it is.
    pub adapter: Adapter,
    /// By what frames are sent and received; not bound yet, behind a filter of the lender's.
    pub socket: OwnedFd,
}

/// The way to an address by the route whose network is smallest; of several, that with the least metric.
pub(super) fn way(lent: &[Lent], to: IpAddr) -> Way {
    let IpAddr::V4(to) = to else {
        return Way::Otherwise;
    };
    if lent.iter().any(|lent| lent.adapter.address == to) {
        return Way::Here;
    }
    let roads = lent.iter().flat_map(|lent| {
        let routes = lent
            .adapter
            .routes
            .iter()
            .filter(|route| route.network.contains(&to));
        routes.map(|route| (&lent.adapter, route))
    });
    let best = roads.min_by_key(|(_, route)| (u8::MAX - route.network.prefix_len(), route.metric));
    match best {
        Some((_, route)) if is_everybody(route, to) => Way::Everybody,
        Some((adapter, route)) => Way::Out {
            interface: adapter.interface,
            gateway: route.gateway.map(IpAddr::V4),
            source: adapter.address.into(),
        },
        None => Way::Otherwise,
    }
}

/// The card of an interface.
pub(super) fn card(lent: &[Lent], interface: u32) -> io::Result<Option<Card>> {
    let found = lent.iter().find(|lent| lent.adapter.interface == interface);
    let card = |lent: &Lent| Card::given(lent.socket.try_clone()?, interface, Mac(lent.adapter.mac.0));
    found.map(card).transpose()
}

fn is_everybody(route: &Route, to: Ipv4Addr) -> bool {
    route.gateway.is_none() && route.network.prefix_len() < 31 && to == route.network.broadcast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::finding::MacAddress;

    fn lent(interface: u32, address: &str, routes: &[(&str, Option<&str>, u32)]) -> Lent {
        let route = |(network, gateway, metric): &(&str, Option<&str>, u32)| Route {
            network: network.parse().unwrap(),
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            metric: *metric,
        };
        Lent {
            adapter: Adapter {
                interface,
                name: format!("eth{interface}"),
                mac: MacAddress([2, 0, 0, 0, 0, 1]),
                address: address.parse().unwrap(),
                ports: 20_000,
                routes: routes.iter().map(route).collect(),
            },
            socket: std::os::unix::net::UnixDatagram::unbound().unwrap().into(),
        }
    }

    #[test]
    fn the_smallest_network_and_then_the_least_metric_leads_the_way() {
        let all = [
            lent(
                2,
                "192.0.2.9",
                &[("0.0.0.0/0", Some("192.0.2.1"), 200), ("192.0.2.0/24", None, 200)],
            ),
            lent(
                3,
                "198.51.100.9",
                &[
                    ("0.0.0.0/0", Some("198.51.100.1"), 100),
                    ("198.51.100.0/24", None, 100),
                    ("203.0.113.0/24", Some("198.51.100.7"), 100),
                ],
            ),
        ];
        let out = |interface, gateway: Option<&str>, source: &str| Way::Out {
            interface,
            gateway: gateway.map(|gateway| gateway.parse().unwrap()),
            source: source.parse().unwrap(),
        };
        for (to, expected) in [
            ("192.0.2.77", out(2, None, "192.0.2.9")),
            ("198.51.100.77", out(3, None, "198.51.100.9")),
            ("203.0.113.5", out(3, Some("198.51.100.7"), "198.51.100.9")),
            ("10.1.2.3", out(3, Some("198.51.100.1"), "198.51.100.9")),
            ("192.0.2.9", Way::Here),
            ("192.0.2.255", Way::Everybody),
            ("2001:db8::1", Way::Otherwise),
        ] {
            assert_eq!(way(&all, to.parse().unwrap()), expected, "{to}");
        }
        let linked = [lent(2, "192.0.2.9", &[("192.0.2.0/24", None, 0)])];
        assert_eq!(way(&linked, "10.1.2.3".parse().unwrap()), Way::Otherwise);
        assert!(card(&linked, 3).unwrap().is_none());
    }
}
