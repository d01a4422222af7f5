//! What is never scanned, on whatever network: what is no host of one, and what tells secrets about the machine
//! (metadata services).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vedette_protocol::scope::Run;

/// All of it.
pub(super) fn everywhere() -> impl Iterator<Item = Run> {
    let v4 = NEVER4
        .iter()
        .map(|&(first, last)| (IpAddr::V4(first), IpAddr::V4(last)));
    let v6 = NEVER6
        .iter()
        .map(|&(first, last)| (IpAddr::V6(first), IpAddr::V6(last)));
    v4.chain(v6)
}

const NEVER4: [(Ipv4Addr, Ipv4Addr); 6] = [
    (Ipv4Addr::new(0, 0, 0, 0), Ipv4Addr::new(0, 255, 255, 255)),
    (Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::new(127, 255, 255, 255)),
    (Ipv4Addr::new(169, 254, 0, 0), Ipv4Addr::new(169, 254, 255, 255)),
    // The metadata services of two clouds that stand outside 169.254.0.0/16.
    (
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(100, 100, 100, 200),
    ),
    (Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(168, 63, 129, 16)),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), Ipv4Addr::new(255, 255, 255, 255)),
];

const NEVER6: [(Ipv6Addr, Ipv6Addr); 6] = [
    // Unspecified, loopback, and IPv4 in disguise: compatible, mapped, translated, 6to4.
    (
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0x2002, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff),
    ),
    // A cloud's metadata service.
    (
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff),
    ),
];
