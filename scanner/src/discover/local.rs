//! Where this machine stands: its links with their addresses, and its routes, as the kernel tells them.

use std::{fs, io, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};
use vedette_protocol::{finding::MacAddress, worker::Adapter};

use crate::wire::Lent;

/// Links and routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Local {
    /// The links that are up.
    pub(crate) links: Vec<Link>,
    /// The routes, both families.
    pub(crate) routes: Vec<Route>,
}

/// A network interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The kernel's number for it.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its link-layer address; none where there is no Ethernet (loopback, tunnels).
    pub(crate) mac: Option<MacAddress>,
    /// Its own addresses, each with the network that it stands in.
    pub(crate) addresses: Vec<IpNet>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where to.
    pub(crate) network: IpNet,
    /// Over which router; none when it is on the link.
    pub(crate) via: Option<IpAddr>,
    /// Through which interface.
    pub(crate) interface: String,
    /// The lower, the better.
    pub(crate) metric: u32,
}

/// How an address is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road<'a> {
    /// It is ours.
    Own(&'a Link),
    /// It is on an Ethernet link of ours; the second is our own address there.
    OnLink(&'a Link, IpAddr),
    /// The kernel knows the way.
    Routed,
    /// There is no way.
    Nowhere,
}

impl Local {
    /// Asks the kernel.
    ///
    /// # Errors
    /// When it does not tell.
    pub(crate) fn read() -> io::Result<Self> {
        // A machine without IPv6 has no such file.
        let routes_v6 = match fs::read_to_string("/proc/net/ipv6_route") {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let mut routes = parse_routes_v4(&fs::read_to_string("/proc/net/route")?);
        routes.extend(parse_routes_v6(&routes_v6));
        Ok(Self {
            links: links()?,
            routes,
        })
    }

    /// What adapters that were lent lead to; nothing is asked of the kernel.
    pub(crate) fn of(lent: &[Lent]) -> Self {
        let adapters = lent.iter().map(|lent| &lent.adapter);
        let link = |adapter: &Adapter| {
            let near = adapter.routes.iter().filter(|route| route.gateway.is_none());
            let near = near.map(|route| route.network);
            let near = near.filter(|network| network.contains(&adapter.address));
            let length = near.map(|network| network.prefix_len()).max().unwrap_or(32);
            Link {
                index: adapter.interface,
                name: adapter.name.clone(),
                mac: Some(adapter.mac),
                addresses: IpNet::new(adapter.address.into(), length).into_iter().collect(),
            }
        };
        let routes = adapters.clone().flat_map(|adapter| {
            adapter.routes.iter().map(|route| Route {
                network: IpNet::V4(route.network),
                via: route.gateway.map(IpAddr::V4),
                interface: adapter.name.clone(),
                metric: route.metric,
            })
        });
        Self {
            routes: routes.collect(),
            links: adapters.map(link).collect(),
        }
    }

    /// By which link an address of an Ethernet is sent to, from which address of ours, and to whom there.
    pub(crate) fn next(&self, address: IpAddr) -> Option<(&Link, IpAddr, IpAddr)> {
        match self.road(address) {
            Road::OnLink(link, source) => Some((link, source, address)),
            Road::Routed => {
                let route = self.best_route(address)?;
                let link = self.links.iter().find(|link| link.name == route.interface)?;
                let via = route.via?;
                Some((link, link.source_for(via)?, via))
            }
            Road::Own(_) | Road::Nowhere => None,
        }
    }

    /// Our own address towards another, as the routes have it.
    pub(crate) fn source(&self, address: IpAddr) -> Option<IpAddr> {
        match self.road(address) {
            Road::Own(_) => Some(address),
            Road::OnLink(_, source) => Some(source),
            Road::Routed if address.is_loopback() => Some(address),
            Road::Routed => {
                let route = self.best_route(address)?;
                let link = self.links.iter().find(|link| link.name == route.interface)?;
                link.source_for(route.via.unwrap_or(address))
            }
            Road::Nowhere => None,
        }
    }

    /// The link with this number.
    pub(crate) fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// Whether an address is ours.
    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.links
            .iter()
            .any(|link| link.addresses.iter().any(|own| own.addr() == address))
    }

    fn best_route(&self, address: IpAddr) -> Option<&Route> {
        self.routes
            .iter()
            .filter(|route| route.network.contains(&address))
            .max_by_key(|route| (route.network.prefix_len(), u32::MAX - route.metric))
    }

    /// How an address is reached.
    pub(crate) fn road(&self, address: IpAddr) -> Road<'_> {
        let own = |link: &&Link| link.addresses.iter().any(|own| own.addr() == address);
        if let Some(link) = self.links.iter().find(own) {
            return Road::Own(link);
        }
        if address.is_loopback() {
            return Road::Routed;
        }
        let Some(best) = self.best_route(address) else {
            return Road::Nowhere;
        };
        let Some(link) = self.links.iter().find(|link| link.name == best.interface) else {
            // It is down, or has no cable.
            return Road::Nowhere;
        };
        match link.source_for(address) {
            Some(source) if best.via.is_none() && link.mac.is_some() => Road::OnLink(link, source),
            _ => Road::Routed,
        }
    }
}

impl Link {
    /// Our own address to speak to another with: in its network, else of its family.
    pub(crate) fn source_for(&self, address: IpAddr) -> Option<IpAddr> {
        let same = |own: &&IpNet| own.addr().is_ipv4() == address.is_ipv4();
        let near = self.addresses.iter().find(|own| own.contains(&address));
        near.or_else(|| self.addresses.iter().find(same)).map(IpNet::addr)
    }
}

fn links() -> io::Result<Vec<Link>> {
    let mut links: Vec<Link> = Vec::new();
    for entry in getifaddrs()? {
        let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
        if !entry.flags.contains(up) {
            continue;
        }
        let at = links
            .iter()
            .position(|link| link.name == entry.interface_name)
            .unwrap_or_else(|| {
                links.push(Link {
                    index: 0,
                    name: entry.interface_name.clone(),
                    mac: None,
                    addresses: Vec::new(),
                });
                links.len() - 1
            });
        let link = &mut links[at];
        let Some(address) = entry.address else { continue };
        if let Some(adapter) = address.as_link_addr() {
            link.index = u32::try_from(adapter.ifindex()).unwrap_or_default();
            let ethernet = !entry.flags.contains(InterfaceFlags::IFF_LOOPBACK)
                && !entry.flags.contains(InterfaceFlags::IFF_NOARP);
            let mac = adapter.addr().filter(|mac| *mac != [0; 6]);
            link.mac = mac.filter(|_| ethernet).map(MacAddress);
        }
        let network = match (address.as_sockaddr_in(), address.as_sockaddr_in6(), entry.netmask) {
            (Some(own), _, Some(mask)) => mask
                .as_sockaddr_in()
                .and_then(|mask| Ipv4Net::with_netmask(own.ip(), mask.ip()).ok())
                .map(IpNet::V4),
            (_, Some(own), Some(mask)) => mask
                .as_sockaddr_in6()
                .and_then(|mask| Ipv6Net::with_netmask(own.ip(), mask.ip()).ok())
                .map(IpNet::V6),
            _ => None,
        };
        link.addresses.extend(network);
    }
    links.retain(|link| link.index != 0);
    Ok(links)
}

/// Reads `/proc/net/route` (proc(5)): numbers in hexadecimal, addresses in the machine's byte order.
fn parse_routes_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [interface, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else {
            return None;
        };
        let address = |text: &str| {
            Some(std::net::Ipv4Addr::from(
                u32::from_str_radix(text, 16).ok()?.to_ne_bytes(),
            ))
        };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let usable = flags & UP != 0 && flags & REJECT == 0;
        let network = Ipv4Net::with_netmask(address(destination)?, address(mask)?).ok()?;
        usable.then_some(Route {
            network: IpNet::V4(network.trunc()),
            via: address(gateway)
                .filter(|via| !via.is_unspecified())
                .map(IpAddr::V4),
            interface: (*interface).to_owned(),
            metric: metric.parse().ok()?,
        })
    };
    text.lines().skip(1).take(ROUTES).filter_map(route).collect()
}

/// Reads `/proc/net/ipv6_route`: all in hexadecimal, addresses as they are on the wire.
fn parse_routes_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, via, metric, _, _, flags, interface] = fields.as_slice() else {
            return None;
        };
        let address = |text: &str| Some(std::net::Ipv6Addr::from(u128::from_str_radix(text, 16).ok()?));
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let network = Ipv6Net::new(address(destination)?, u8::from_str_radix(length, 16).ok()?).ok()?;
        let local = flags & (REJECT | LOCAL | ANYCAST) != 0 || *interface == "lo";
        (flags & UP != 0 && !local && !network.addr().is_multicast()).then_some(Route {
            network: IpNet::V6(network.trunc()),
            via: address(via).filter(|via| !via.is_unspecified()).map(IpAddr::V6),
            interface: (*interface).to_owned(),
            metric: u32::from_str_radix(metric, 16).ok()?,
        })
    };
    text.lines().take(ROUTES).filter_map(route).collect()
}

/// `RTF_UP`, `RTF_REJECT` (linux/route.h), `RTF_ANYCAST`, `RTF_LOCAL` (linux/ipv6_route.h).
const UP: u32 = 0x0001;
const REJECT: u32 = 0x0200;
const ANYCAST: u32 = 0x0010_0000;
const LOCAL: u32 = 0x8000_0000;
/// A machine in the middle of the internet has more; one that scans a site does not.
const ROUTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Of a machine with one link and a default route, kernel 6.18; little endian.
    const V4: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\tFE0200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
    const V6: &str = "fd000064000000000000000000000000 40 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
        fd000064000000000000000000000001 80 00000000000000000000000000000000 00 \
        00000000000000000000000000000000 00000000 00000002 00000000 80200001     eth0\n";

    fn local() -> Local {
        Local {
            links: vec![Link {
                index: 2,
                name: "eth0".into(),
                mac: Some(MacAddress([2, 0, 0, 0, 0, 1])),
                addresses: vec!["192.0.2.1/24".parse().unwrap(), "fd00:64::1/64".parse().unwrap()],
            }],
            routes: [parse_routes_v4(V4), parse_routes_v6(V6)].concat(),
        }
    }

    #[test]
    fn the_nearest_route_says_how_an_address_is_reached() {
        let local = local();
        let road = |address: &str| local.road(address.parse().unwrap());
        let own: IpAddr = "192.0.2.1".parse().unwrap();
        assert!(matches!(road("192.0.2.1"), Road::Own(_)));
        assert!(matches!(road("192.0.2.9"), Road::OnLink(link, source) if link.index == 2 && source == own));
        assert!(matches!(road("fd00:64::9"), Road::OnLink(_, source) if source.is_ipv6()));
        assert_eq!(road("198.51.100.1"), Road::Routed);
        assert_eq!(road("2001:db8::1"), Road::Nowhere);
        assert_eq!(local.routes[0].via, Some("192.0.2.254".parse().unwrap()));
        assert_eq!(local.routes.len(), 3, "our own address is no route to others");
    }

    #[test]
    fn this_machine_can_be_read() {
        let local = Local::read().unwrap();
        let loopback = local.links.iter().find(|link| link.name == "lo").unwrap();
        assert!(loopback.mac.is_none() && loopback.index > 0);
        assert!(matches!(local.road("127.0.0.1".parse().unwrap()), Road::Own(_)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[0-9A-Fa-f \\t\\n]{0,400}") {
            let _ = (parse_routes_v4(&text), parse_routes_v6(&text));
        }
    }
}
