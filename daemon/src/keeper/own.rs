//! What this machine is on the network: its interfaces, their addresses, and the routes that go out of them.
//!
//! The kernel's word, read anew with each change of the filter: nothing here comes from the network.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use vedette_protocol::{
    finding::MacAddress,
    worker::{ROUTES_LIMIT, Route},
};

/// The machine, as others on the network see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Every interface, whatever its state.
    pub interfaces: Vec<Interface>,
    /// Every address of every interface, and the broadcast addresses that go with them.
    pub addresses: Vec<IpAddr>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number of it, which no other interface gets later.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its link-layer address, if it speaks Ethernet.
    pub mac: Option<MacAddress>,
    /// Whether it is up.
    pub up: bool,
    /// Its IPv4 addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// What is reached through it over IPv4.
    pub routes: Vec<Route>,
}

/// The kernel did not say.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error("reading the appliance's own addresses")]
    Addresses(#[source] nix::Error),
    #[error("reading {ROUTES}")]
    Routes(#[source] io::Error),
}

impl Own {
    /// Asks the kernel.
    pub fn read() -> Result<Self, OwnError> {
        let mut own = Self::default();
        let listed: Vec<_> = getifaddrs().map_err(OwnError::Addresses)?.collect();
        for entry in &listed {
            let Some(link) = entry.address.as_ref().and_then(|address| address.as_link_addr()) else {
                continue;
            };
            let mac = (link.hatype() == ETHERNET && !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK))
                .then(|| link.addr().map(MacAddress))
                .flatten();
            own.interfaces.push(Interface {
                index: u32::try_from(link.ifindex()).unwrap_or_default(),
                name: entry.interface_name.clone(),
                mac,
                up: entry.flags.contains(InterfaceFlags::IFF_UP),
                addresses: Vec::new(),
                routes: Vec::new(),
            });
        }
        for entry in &listed {
            for (address, is_its_own) in [(entry.address, true), (entry.broadcast, false)] {
                let v4 = address.and_then(|address| address.as_sockaddr_in().map(|address| address.ip()));
                let v6 = address.and_then(|address| address.as_sockaddr_in6().map(|address| address.ip()));
                own.addresses
                    .extend(v4.map(IpAddr::V4).or_else(|| v6.map(IpAddr::V6)));
                if let (Some(v4), true) = (v4, is_its_own)
                    && let Some(interface) = own.named(&entry.interface_name)
                {
                    interface.addresses.push(v4);
                }
            }
        }
        let table = fs::read_to_string(ROUTES).map_err(OwnError::Routes)?;
        for (name, route) in table.lines().filter_map(route) {
            if let Some(interface) = own.named(name)
                && interface.routes.len() < ROUTES_LIMIT
            {
                interface.routes.push(route);
            }
        }
        Ok(own)
    }

    /// Who passes packets on.
    pub fn gateways(&self) -> Vec<Ipv4Addr> {
        let routes = self.interfaces.iter().flat_map(|interface| &interface.routes);
        let mut gateways: Vec<_> = routes.filter_map(|route| route.gateway).collect();
        gateways.sort_unstable();
        gateways.dedup();
        gateways
    }

    fn named(&mut self, name: &str) -> Option<&mut Interface> {
        self.interfaces
            .iter_mut()
            .find(|interface| interface.name == name)
    }
}

/// One line of the kernel's table of routes (`fib_route_seq_show` in net/ipv4/fib_trie.c): the interface and what
/// is reached through it. None of the heading, of a route that is down, and of one that refuses.
fn route(line: &str) -> Option<(&str, Route)> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [name, network, gateway, flags, _, _, metric, mask, ..] = columns.as_slice() else {
        return None;
    };
    let word = |text: &str| u32::from_str_radix(text, 16).ok();
    // In the byte order of the network, printed as a number of this machine.
    let address = |text: &str| Some(Ipv4Addr::from(word(text)?.to_ne_bytes()));
    let flags = word(flags)?;
    if flags & (UP | REJECT) != UP {
        return None;
    }
    let gateway = address(gateway).filter(|_| flags & GATEWAY != 0);
    let network = Ipv4Net::with_netmask(address(network)?, address(mask)?).ok()?;
    let metric = metric.parse().ok()?;
    Some((
        name,
        Route {
            network,
            gateway,
            metric,
        },
    ))
}

const ROUTES: &str = "/proc/thread-self/net/route";
/// `ARPHRD_ETHER` (linux/if_arp.h).
const ETHERNET: u16 = 1;
// `RTF_*` (linux/route.h).
const UP: u32 = 0x1;
const GATEWAY: u32 = 0x2;
const REJECT: u32 = 0x200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_and_others_are_none() {
        let heading = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
        assert_eq!(route(heading), None);
        let all = "eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0";
        let link = "eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0";
        let through = Route {
            network: "0.0.0.0/0".parse().unwrap(),
            gateway: Some(Ipv4Addr::new(192, 0, 2, 1)),
            metric: 100,
        };
        let on_link = Route {
            network: "192.0.2.0/24".parse().unwrap(),
            gateway: None,
            metric: 100,
        };
        assert_eq!(route(all), Some(("eth0", through)));
        assert_eq!(route(link), Some(("eth0", on_link)));
        for none in [
            "*\t000200C0\t00000000\t0200\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "eth0\t000200C0\t00000000\t0000\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FF00FF\t0\t0\t0",
            "eth0\tx\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0",
            "eth0\t000200C0",
            "",
        ] {
            assert_eq!(route(none), None, "{none}");
        }
    }

    #[test]
    fn loopback_is_there_and_is_no_ethernet() {
        let own = Own::read().unwrap();
        let loopback = own
            .interfaces
            .iter()
            .find(|interface| interface.index == 1)
            .unwrap();
        assert_eq!((loopback.name.as_str(), loopback.mac), ("lo", None));
    }
}
