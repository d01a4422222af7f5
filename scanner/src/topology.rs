//! Topology: how the hosts and networks of a scope hang together, as a graph. A node is a host, named by its
//! address; an edge is evidence of one kind in a finding about the node that it begins at:
//!
//! | finding | edge |
//! |---|---|
//! | `subnet` | our own address and the networks on its link |
//! | `gateway` | a router and the networks behind it, by our routes or by its own |
//! | `path` | a host and the routers on the way to it |
//! | `neighbours` | a host's port and what is at the other end of the cable, by LLDP, CDP or its tables |
//! | `vlan` | a host and the virtual networks that it was seen in |
//!
//! Pure; [`discover`](crate::discover) asks, and walks the tables of [`tables`] and the paths of [`trace`].

pub(crate) mod tables;
pub(crate) mod trace;

use std::net::IpAddr;

use ipnet::IpNet;
use vedette_protocol::finding::{Evidence, Label, Source};

use crate::discover::{device::Fact, local::Local};

/// What this machine's own links and routes tell, each of the host with this address.
pub(crate) fn surroundings(local: &Local) -> Vec<(IpAddr, Fact)> {
    let mut facts = Vec::new();
    for link in &local.links {
        for own in &link.addresses {
            let network = network(&own.trunc(), &link.name, None);
            facts.extend(network.map(|network| (own.addr(), Fact::Subnet(network))));
        }
    }
    for route in &local.routes {
        let Some(router) = route.via else { continue };
        facts.push((router, Fact::Overheard(Source::Route)));
        let network = network(&route.network, &route.interface, Some(router));
        facts.extend(network.map(|network| (router, Fact::Route(network))));
    }
    facts
}

/// The edge to a network.
fn network(network: &IpNet, interface: &str, via: Option<IpAddr>) -> Option<Evidence> {
    Some(Evidence::Network {
        network: Label::cut(&network.to_string())?,
        interface: Label::cut(interface)?,
        via: via.map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::local::{Link, Route};

    #[test]
    fn links_and_routers_are_told() {
        let local = Local {
            links: vec![Link {
                index: 2,
                name: "eth0".into(),
                mac: None,
                addresses: vec!["192.0.2.1/24".parse().unwrap()],
            }],
            routes: vec![Route {
                network: "0.0.0.0/0".parse().unwrap(),
                via: Some("192.0.2.254".parse().unwrap()),
                interface: "eth0".into(),
                metric: 0,
            }],
        };
        let subnet = network(&"192.0.2.0/24".parse().unwrap(), "eth0", None).unwrap();
        let (own, router) = ("192.0.2.1".parse().unwrap(), "192.0.2.254".parse().unwrap());
        let behind = network(&"0.0.0.0/0".parse().unwrap(), "eth0", Some(router)).unwrap();
        assert_eq!(
            surroundings(&local),
            [
                (own, Fact::Subnet(subnet)),
                (router, Fact::Overheard(Source::Route)),
                (router, Fact::Route(behind)),
            ]
        );
    }
}
