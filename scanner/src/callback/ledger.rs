//! Which port was given out, and who came to it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use vedette_protocol::finding::Transport;

use crate::packet::{Body, Payload, parse, tcp::Flags};

/// The ports of a scan.
#[derive(Debug)]
pub struct Ledger {
    own: IpAddr,
    targets: Vec<IpAddr>,
    /// Ports that were not given out yet, the next one last.
    free: Vec<u16>,
    /// Ports that were, and who came.
    given: BTreeMap<u16, Vec<Contact>>,
    /// Ports that are never given out: who comes to them comes to any.
    decoys: BTreeSet<u16>,
    /// Ports that nobody was sent to, and that a target came to.
    strays: BTreeSet<u16>,
}

/// Somebody came to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contact {
    /// From where.
    pub from: IpAddr,
    /// By a SYN, or a datagram.
    pub over: Transport,
}

impl Ledger {
    /// The ledger of ports at our own address that these targets may be sent to; ports are given out in their order.
    pub fn new(own: IpAddr, targets: Vec<IpAddr>, ports: impl IntoIterator<Item = u16>) -> Self {
        let mut free: Vec<u16> = ports.into_iter().collect();
        free.reverse();
        Self {
            own,
            targets,
            free,
            given: BTreeMap::new(),
            decoys: BTreeSet::new(),
            strays: BTreeSet::new(),
        }
    }

    /// Keeps the last so many ports back for good.
    #[must_use]
    pub fn with_decoys(mut self, count: usize) -> Self {
        self.decoys = self.free.drain(..count.min(self.free.len())).collect();
        self
    }

    /// Whether a target comes to ports that it was not sent to, as who looks for open ones does: its contacts mean nothing.
    pub fn is_swept(&self) -> bool {
        self.strays.len() >= SWEEP
    }

    /// An address for one injection; none when all ports were given out.
    pub fn allot(&mut self) -> Option<SocketAddr> {
        let port = self.free.pop()?;
        self.given.insert(port, Vec::new());
        Some(SocketAddr::new(self.own, port))
    }

    /// Takes in a frame; the port, if somebody came to one for the first time by that protocol.
    pub fn take(&mut self, frame: &[u8]) -> Option<u16> {
        let packet = parse(frame)?;
        let Body::Ip(ip, payload) = packet.body else {
            return None;
        };
        let (port, over) = match payload {
            Payload::Tcp(tcp, _) if begins(tcp.flags) => (tcp.destination, Transport::Tcp),
            Payload::Udp(udp, _) => (udp.destination, Transport::Udp),
            Payload::Tcp(..) | Payload::Icmp(_) | Payload::Icmpv6(_) | Payload::Other(_) => return None,
        };
        let from = ip.ends.source();
        if ip.ends.destination() != self.own || !self.targets.contains(&from) {
            return None;
        }
        let Some(contacts) = self.given.get_mut(&port) else {
            if self.free.contains(&port) || self.decoys.contains(&port) {
                self.strays.insert(port);
            }
            return None;
        };
        if contacts.iter().any(|contact| contact.over == over) {
            return None;
        }
        contacts.push(Contact { from, over });
        Some(port)
    }

    /// Who came to a port.
    pub fn contacts(&self, port: u16) -> &[Contact] {
        self.given.get(&port).map_or(&[], Vec::as_slice)
    }
}

/// A segment that asks for a connection, and answers nothing.
fn begins(flags: Flags) -> bool {
    flags.has(Flags::SYN) && !flags.has(Flags::ACK) && !flags.has(Flags::RST)
}

/// One or two may be left over from what an earlier scan has sent.
const SWEEP: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Ends, Ethernet, Mac, Tcp, Udp, ethernet, ip};

    const TARGET: &str = "192.0.2.7";
    const OWN: &str = "192.0.2.1";

    fn ledger() -> Ledger {
        Ledger::new(address(OWN), vec![address(TARGET)], [61_000, 61_001])
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn frame(from: &str, to: &str, protocol: u8, payload: impl FnOnce(Ends) -> Vec<u8>) -> Vec<u8> {
        let ends = Ends::between(address(from), address(to)).unwrap();
        let packet = ends.packet(protocol, 64, &payload(ends));
        Ethernet::new(Mac([2; 6]), Mac([4; 6]), ethernet::IPV4).frame(&packet)
    }

    fn segment(from: &str, to: &str, port: u16, flags: Flags) -> Vec<u8> {
        let tcp = Tcp {
            flags,
            ..Tcp::syn(40_000, port, 7)
        };
        frame(from, to, ip::TCP, |ends| tcp.segment(ends, &[]))
    }

    fn datagram(from: &str, port: u16) -> Vec<u8> {
        let udp = Udp {
            source: 5353,
            destination: port,
        };
        frame(from, OWN, ip::UDP, |ends| udp.datagram(ends, b"who"))
    }

    #[test]
    fn each_injection_has_a_port_of_its_own_until_there_are_no_more() {
        let mut ledger = ledger();
        let given: Vec<_> = std::iter::from_fn(|| ledger.allot()).collect();
        assert_eq!(
            given.iter().map(SocketAddr::port).collect::<Vec<_>>(),
            [61_000, 61_001]
        );
        assert!(given.iter().all(|place| place.ip() == address(OWN)));
    }

    #[test]
    fn a_syn_or_a_datagram_of_the_target_to_a_port_that_was_given_out_is_a_contact() {
        let mut ledger = ledger();
        ledger.allot().unwrap();
        assert_eq!(
            ledger.take(&segment(TARGET, OWN, 61_000, Flags::SYN)),
            Some(61_000)
        );
        // Sent again, as nobody answers it: nothing new.
        assert_eq!(ledger.take(&segment(TARGET, OWN, 61_000, Flags::SYN)), None);
        assert_eq!(ledger.take(&datagram(TARGET, 61_000)), Some(61_000));
        let over: Vec<_> = ledger
            .contacts(61_000)
            .iter()
            .map(|contact| contact.over)
            .collect();
        assert_eq!(over, [Transport::Tcp, Transport::Udp]);
        assert!(
            ledger
                .contacts(61_000)
                .iter()
                .all(|contact| contact.from == address(TARGET))
        );
    }

    #[test]
    fn who_comes_to_ports_that_nobody_named_is_told_from_who_was_sent() {
        let ports = 61_000..61_020;
        let mut ledger = Ledger::new(address(OWN), vec![address(TARGET)], ports.clone()).with_decoys(8);
        let given: Vec<u16> = std::iter::from_fn(|| ledger.allot())
            .map(|place| place.port())
            .collect();
        assert_eq!(given, (61_000..61_012).collect::<Vec<_>>());
        for port in given {
            ledger.take(&segment(TARGET, OWN, port, Flags::SYN));
        }
        for port in ports.clone() {
            ledger.take(&segment("192.0.2.8", OWN, port, Flags::SYN));
        }
        assert!(!ledger.is_swept());
        for port in ports {
            ledger.take(&segment(TARGET, OWN, port, Flags::SYN));
        }
        assert!(ledger.is_swept());
    }

    #[test]
    fn nothing_else_is() {
        let mut ledger = ledger();
        ledger.allot().unwrap();
        let syn = Flags::SYN;
        for (what, frame) in [
            ("from another host", segment("192.0.2.8", OWN, 61_000, syn)),
            (
                "to a port that was not given out",
                segment(TARGET, OWN, 61_001, syn),
            ),
            ("to another address", segment(TARGET, "192.0.2.9", 61_000, syn)),
            ("an answer", segment(TARGET, OWN, 61_000, syn.and(Flags::ACK))),
            ("a reset", segment(TARGET, OWN, 61_000, Flags::RST)),
            ("a datagram of another host", datagram("192.0.2.8", 61_000)),
            ("a datagram to another port", datagram(TARGET, 61_001)),
            ("half a frame", segment(TARGET, OWN, 61_000, syn)[..30].to_vec()),
            ("nothing", Vec::new()),
        ] {
            assert_eq!(ledger.take(&frame), None, "{what}");
        }
        assert_eq!(ledger.contacts(61_000), []);
    }
}
