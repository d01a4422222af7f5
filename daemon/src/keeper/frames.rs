//! Packet sockets for workers: what they hear, and how they are opened.
//!
//! A worker has no capability and cannot open one. It is lent one whose sending the kernel judges frame by frame, by
//! a mark that the worker cannot change (chain `frames` of the packet filter), and whose receiving is behind a filter
//! that it cannot take off. What it may hear is what answers itself: from its job's targets to source ports that no
//! other program of this machine uses, the errors about that, and what its neighbours say about their own addresses.

use std::{io, net::Ipv4Addr, os::fd::OwnedFd};

use vedette_protocol::{
    JobScope,
    finding::Transport,
    scope::Run,
    worker::{ADAPTERS_LIMIT, Adapter, LENT_PORTS},
};
use vedette_sys::packet::{
    self, Instruction,
    filter::{Test, any_of},
};

use super::filter::FrameGrant;

/// The most runs of addresses that a filter is made for; beyond, no socket is lent.
pub const RUNS_LIMIT: usize = 64;

/// Who may be heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The targets.
    pub targets: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Over what they are asked, by number.
    pub protocols: Vec<u8>,
    /// Who passes packets on to them.
    pub gateways: Vec<Ipv4Addr>,
    /// The first of the [`LENT_PORTS`] ports to which answers come.
    pub ports: u16,
}

impl Heard {
    /// The answers of targets, by way of gateways; none when the targets are more than a filter holds.
    pub fn of(scope: &JobScope, gateways: Vec<Ipv4Addr>, ports: u16) -> Option<Self> {
        let targets: Vec<_> = scope.area.runs().into_iter().filter_map(v4).collect();
        (targets.len() <= RUNS_LIMIT).then_some(Self {
            targets,
            protocols: scope.ports.each().map(|(over, _)| protocol(over)).collect(),
            gateways,
            ports,
        })
    }

    /// The receive filter.
    pub fn program(&self) -> Vec<Instruction> {
        let (first, last) = (self.ports, self.ports + (LENT_PORTS - 1));
        let mut alternatives: Vec<Vec<Test>> = Vec::new();
        for &(low, high) in &self.targets {
            for protocol in &self.protocols {
                alternatives.push(vec![
                    Test::type_(IPV4),
                    Test::Byte(PROTOCOL, *protocol),
                    Test::WordBetween(SOURCE, low.into(), high.into()),
                    Test::WITH_TRANSPORT_HEADER,
                    Test::BehindIpv4(DESTINATION_PORT, first, last),
                ]);
            }
        }
        // What an error is about stands in it (RFC 792): a segment or datagram from one of these ports. Unreachable, time exceeded.
        for kind in [3, 11] {
            alternatives.push(vec![
                Test::type_(IPV4),
                Test::Byte(PROTOCOL, ICMP),
                Test::WITH_TRANSPORT_HEADER,
                Test::BehindIpv4(0, kind << 8, kind << 8 | 0xff),
                Test::BehindIpv4(QUOTED_SOURCE_PORT, first, last),
            ]);
        }
        let gateways = self.gateways.iter().map(|gateway| (*gateway, *gateway));
        for (low, high) in self.targets.iter().copied().chain(gateways) {
            alternatives.push(vec![
                Test::type_(ARP),
                Test::Half(ARP_OPERATION, REPLY),
                Test::WordBetween(ARP_SENDER, low.into(), high.into()),
            ]);
        }
        let alternatives: Vec<&[Test]> = alternatives.iter().map(Vec::as_slice).collect();
        any_of(&alternatives)
    }
}

/// A packet socket on each adapter that has an address, for the worker with this mark.
///
/// # Errors
/// The kernel's.
pub fn lend(mark: u32, grant: &FrameGrant) -> io::Result<Vec<(Adapter, OwnedFd)>> {
    let program = grant.heard.program();
    let interfaces = grant.own.interfaces.iter().filter(|interface| interface.up);
    interfaces
        .filter_map(|interface| Some((interface, interface.mac?, *interface.addresses.first()?)))
        .take(ADAPTERS_LIMIT)
        .map(|(interface, mac, address)| {
            let adapter = Adapter {
                interface: interface.index,
                mac,
                address,
                ports: grant.heard.ports,
                routes: interface.routes.clone(),
            };
            Ok((adapter, socket(mark, &program)?))
        })
        .collect()
}

/// A packet socket for a worker: marked, deaf but for what the program accepts, and not bound yet.
fn socket(mark: u32, program: &[Instruction]) -> io::Result<OwnedFd> {
    let socket = packet::open()?;
    packet::mark(&socket, mark)?;
    packet::attach_filter(&socket, program)?;
    packet::lock_filter(&socket)?;
    packet::ignore_outgoing(&socket)?;
    packet::bypass_queue(&socket)?;
    Ok(socket)
}

/// The number of a transport in an IPv4 header (the image has no /etc/protocols).
pub fn protocol(over: Transport) -> u8 {
    match over {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

/// A run of IPv4 addresses.
pub fn v4(run: Run) -> Option<(Ipv4Addr, Ipv4Addr)> {
    match run {
        (std::net::IpAddr::V4(first), std::net::IpAddr::V4(last)) => Some((first, last)),
        _ => None,
    }
}

// Offsets in a frame, from its Ethernet header on (RFC 791, RFC 826).
const PROTOCOL: u16 = 23;
const SOURCE: u16 = 26;
const ARP_OPERATION: u16 = 20;
const ARP_SENDER: u16 = 28;
// Offsets behind the IPv4 header (RFC 9293; RFC 792, with our own packet, which has no options, quoted).
const DESTINATION_PORT: u16 = 2;
const QUOTED_SOURCE_PORT: u16 = 8 + 20;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const REPLY: u16 = 2;
const ICMP: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::{scope::Area, target::Target};

    fn scope(targets: &[String]) -> JobScope {
        let targets: Vec<Target> = targets.iter().map(|target| target.parse().unwrap()).collect();
        JobScope {
            area: Area::new(&targets, &[], &[]),
            ports: "80,U:53".parse().unwrap(),
        }
    }

    #[test]
    fn the_kernel_takes_the_largest_program_and_no_larger_one_is_made() {
        let targets = |count: usize| -> Vec<String> {
            (0..count)
                .map(|at| format!("10.0.{}.{}", at / 100, 2 * (at % 100)))
                .collect()
        };
        let most = Heard::of(&scope(&targets(RUNS_LIMIT)), vec![Ipv4Addr::LOCALHOST; 8], 20_000).unwrap();
        let program = most.program();
        assert!(program.len() <= 4096, "BPF_MAXINSNS: {}", program.len());
        let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
        packet::attach_filter(&one, &program).unwrap();
        assert_eq!(Heard::of(&scope(&targets(RUNS_LIMIT + 1)), vec![], 20_000), None);
    }
}
