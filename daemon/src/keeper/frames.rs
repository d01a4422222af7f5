//! Packet sockets for workers: what they hear, and how they are opened.
//!
//! A worker has no capability and cannot open one. It is lent one whose sending the kernel judges frame by frame, by
//! a mark that the worker cannot change (chain `frames` of the packet filter), and whose receiving is behind a filter
//! that it cannot take off. What it may hear is what answers itself: from its job's targets to source ports that no
//! other program of this machine uses, the errors about that, and what its neighbours say about their own addresses.
//! A job that asks who is there hears the answers to its echoes and timestamps too, by identifiers that are those ports.

use std::{io, net::Ipv4Addr, os::fd::OwnedFd};

use vedette_protocol::{
    JobScope,
    finding::Transport,
    scope::Run,
    worker::{ADAPTERS_LIMIT, Adapter, LENT_PORTS, NAME_LIMIT},
};
use vedette_sys::packet::{
    self, Instruction,
    filter::{Test, any_of},
};

use super::filter::{FrameGrant, Sending};

/// The most runs of addresses that a filter is made for, and for a job that asks by ICMP; beyond, no socket is lent.
pub const RUNS_LIMIT: usize = 48;
pub const RUNS_LIMIT_WITH_ECHOES: usize = 24;

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
    /// Whether answers come to identifiers of the same numbers as well.
    pub echoes: bool,
}

impl Heard {
    /// The answers of targets, by way of gateways; none when the targets are more than a filter holds.
    pub fn of(scope: &JobScope, gateways: Vec<Ipv4Addr>, ports: u16, sending: Sending) -> Option<Self> {
        let targets: Vec<_> = scope.area.runs().into_iter().filter_map(v4).collect();
        let echoes = sending == Sending::FramesAndEchoes;
        let limit = if echoes {
            RUNS_LIMIT_WITH_ECHOES
        } else {
            RUNS_LIMIT
        };
        (targets.len() <= limit).then_some(Self {
            targets,
            protocols: scope.ports.each().map(|(over, _)| protocol(over)).collect(),
            gateways,
            ports,
            echoes,
        })
    }

    /// The receive filter of an adapter with this address.
    pub fn program(&self, own: Ipv4Addr) -> Vec<Instruction> {
        let (mine, asker) = (Test::to_ipv4(own), Test::Word(ARP_TARGET, own.into()));
        let (first, last) = (self.ports, self.ports + (LENT_PORTS - 1));
        let mut alternatives: Vec<Vec<Test>> = Vec::new();
        for &(low, high) in &self.targets {
            for protocol in &self.protocols {
                alternatives.push(vec![
                    Test::type_(IPV4),
                    Test::Byte(PROTOCOL, *protocol),
                    Test::WordBetween(SOURCE, low.into(), high.into()),
                    mine,
                    Test::WITH_TRANSPORT_HEADER,
                    Test::BehindIpv4(DESTINATION_PORT, first, last),
                ]);
            }
            let answers = [ECHO_REPLY, TIMESTAMP_REPLY];
            for answer in answers.into_iter().filter(|_| self.echoes) {
                alternatives.push(vec![
                    Test::type_(IPV4),
                    Test::Byte(PROTOCOL, ICMP),
                    Test::WordBetween(SOURCE, low.into(), high.into()),
                    mine,
                    Test::WITH_TRANSPORT_HEADER,
                    Test::BehindIpv4(0, answer, answer),
                    Test::BehindIpv4(IDENTIFIER, first, last),
                ]);
            }
        }
        if self.echoes {
            // Whoever on the way ended an echo of ours (RFC 792): that is how ways are found.
            alternatives.push(vec![
                Test::type_(IPV4),
                Test::Byte(PROTOCOL, ICMP),
                mine,
                Test::WITH_TRANSPORT_HEADER,
                Test::BehindIpv4(0, TIME_EXCEEDED << 8, TIME_EXCEEDED << 8 | 0xff),
                Test::BehindIpv4(QUOTED, ECHO, ECHO),
                Test::BehindIpv4(QUOTED + IDENTIFIER, first, last),
            ]);
        }
        // What an error is about stands in it (RFC 792): a segment or datagram from one of these ports. Unreachable, time exceeded.
        for kind in [UNREACHABLE, TIME_EXCEEDED] {
            alternatives.push(vec![
                Test::type_(IPV4),
                Test::Byte(PROTOCOL, ICMP),
                mine,
                Test::WITH_TRANSPORT_HEADER,
                Test::BehindIpv4(0, kind << 8, kind << 8 | 0xff),
                Test::BehindIpv4(QUOTED, first, last),
            ]);
        }
        let gateways = self.gateways.iter().map(|gateway| (*gateway, *gateway));
        for (low, high) in self.targets.iter().copied().chain(gateways) {
            alternatives.push(vec![
                Test::type_(ARP),
                Test::Half(ARP_OPERATION, REPLY),
                Test::WordBetween(ARP_SENDER, low.into(), high.into()),
                asker,
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
    let interfaces = grant.own.interfaces.iter().filter(|interface| interface.up);
    interfaces
        .filter_map(|interface| Some((interface, interface.mac?, *interface.addresses.first()?)))
        .take(ADAPTERS_LIMIT)
        .map(|(interface, mac, address)| {
            let adapter = Adapter {
                interface: interface.index,
                name: interface.name.chars().take(NAME_LIMIT).collect(),
                mac,
                address,
                ports: grant.heard.ports,
                routes: interface.routes.clone(),
            };
            Ok((adapter, socket(mark, &grant.heard.program(address))?))
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
const ARP_TARGET: u16 = 38;
// Offsets behind the IPv4 header (RFC 9293; RFC 792, with our own packet, which has no options, quoted).
const DESTINATION_PORT: u16 = 2;
const IDENTIFIER: u16 = 4;
const QUOTED: u16 = 8 + 20;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const REPLY: u16 = 2;
const ICMP: u8 = 1;
// Types of ICMP (RFC 792), those of questions and answers with their code, which is 0.
const UNREACHABLE: u16 = 3;
const TIME_EXCEEDED: u16 = 11;
const ECHO: u16 = 0x0800;
const ECHO_REPLY: u16 = 0;
const TIMESTAMP_REPLY: u16 = 0x0e00;

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
        for (sending, limit) in [
            (Sending::Frames, RUNS_LIMIT),
            (Sending::FramesAndEchoes, RUNS_LIMIT_WITH_ECHOES),
        ] {
            let gateways = vec![Ipv4Addr::LOCALHOST; 8];
            let most = Heard::of(&scope(&targets(limit)), gateways, 20_000, sending).unwrap();
            let program = most.program(Ipv4Addr::LOCALHOST);
            assert!(program.len() <= 4096, "BPF_MAXINSNS: {}", program.len());
            let (one, _other) = std::os::unix::net::UnixDatagram::pair().unwrap();
            packet::attach_filter(&one, &program).unwrap();
            let beyond = Heard::of(&scope(&targets(limit + 1)), vec![], 20_000, sending);
            assert_eq!(beyond, None);
        }
    }
}
