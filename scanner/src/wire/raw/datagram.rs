//! UDP ports, asked by the first words of the protocol that is at home there ([`payload`]); no state is kept.
//!
//! Who answers is open, whatever is said: the datagram comes from the port that was asked to the port of ours that
//! asked, which says the attempt. That port is all that a forger must guess, so that open is never told as certain.
//! An ICMP error quotes the datagram's length and checksum, and the checksum is that of a number that only we know:
//! that makes it ours, and says when it was asked.

use vedette_sys::packet::filter::Test;

use super::{
    card::Frames,
    cookie::{Asked, Cookies},
    question::{Envelope, Moment, Question, Refusals, Says, Verdict},
};
use crate::{
    packet::{Body, Ends, Ethernet, Icmp, Icmpv6, Packet, Payload, Quote, Udp, icmp, icmpv6, ip},
    payload::payload,
};

#[derive(Debug)]
pub(super) struct Datagram {
    cookies: Cookies,
    /// Our port of the first attempt.
    first: u16,
    /// How many follow it.
    ports: u16,
}

impl Datagram {
    pub(super) fn new(cookies: Cookies, first: u16, ports: u16) -> Self {
        Self {
            cookies,
            first,
            ports,
        }
    }

    fn attempt(&self, port: u16) -> Option<u8> {
        let attempt = port
            .checked_sub(self.first)
            .filter(|attempt| *attempt < self.ports)?;
        u8::try_from(attempt + 1).ok()
    }

    /// The datagram that asks.
    fn datagram(from: u16, ends: Ends, port: u16, attempt: u8, number: u32) -> Vec<u8> {
        let udp = Udp {
            source: from,
            destination: port,
        };
        udp.datagram(ends, &payload(ends.destination(), port, attempt, number))
    }

    /// An error about a datagram of ours; `refused`: its sender is whom we asked, and says that nobody listens.
    fn error(&self, quote: &Quote, refused: bool) -> Option<Verdict> {
        let ((from, port), (length, sum)) = (quote.ports()?, quote.datagram()?);
        let (host, attempt) = (quote.ip.ends.destination(), self.attempt(from)?);
        let ours = |number| {
            let sent = Self::datagram(from, quote.ip.ends, port, attempt, number);
            sent.len() == usize::from(length) && sent[6..8] == sum.to_be_bytes()
        };
        let (epoch, _) = self
            .cookies
            .candidates(host, port, from)
            .find(|(_, number)| ours(*number))?;
        let says = if refused { Says::Closed } else { Says::Unreachable };
        let at = Moment { attempt, epoch };
        Some(Verdict { host, port, says, at })
    }
}

impl Question for Datagram {
    fn write(&self, envelope: Envelope, at: Moment, frames: &mut Frames) {
        let Envelope {
            own,
            next,
            ends,
            port,
        } = envelope;
        let from = self.first + u16::from(at.attempt - 1) % self.ports;
        let number = self.cookies.sequence(Asked {
            host: ends.destination(),
            port,
            from,
            epoch: at.epoch,
        });
        let datagram = Self::datagram(from, ends, port, at.attempt, number);
        let packet = ends.packet(ip::UDP, HOPS, &datagram);
        frames.push(&Ethernet::new(own, next, ends.ethernet_type()).frame(&packet));
    }

    fn judge(&self, packet: &Packet<'_>) -> Option<Verdict> {
        match &packet.body {
            Body::Ip(ip, Payload::Udp(udp, _)) => {
                let attempt = self.attempt(udp.destination)?;
                Some(Verdict {
                    host: ip.ends.source(),
                    port: udp.source,
                    says: Says::Open,
                    at: Moment { attempt, epoch: 0 },
                })
            }
            Body::Ip(ip, Payload::Icmp(Icmp::Unreachable { code, quote })) => {
                let by_host = ip.ends.source() == quote.ip.ends.destination();
                self.error(quote, by_host && *code == icmp::PORT)
            }
            Body::Ip(ip, Payload::Icmpv6(Icmpv6::Unreachable { code, quote })) => {
                let by_host = ip.ends.source() == quote.ip.ends.destination();
                self.error(quote, by_host && *code == icmpv6::PORT)
            }
            Body::Ip(_, Payload::Icmp(Icmp::TimeExceeded { quote }))
            | Body::Ip(_, Payload::Icmpv6(Icmpv6::TimeExceeded { quote })) => self.error(quote, false),
            Body::Ip(_, Payload::Icmp(_) | Payload::Icmpv6(_) | Payload::Tcp(..) | Payload::Other(_))
            | Body::Arp(_)
            | Body::Other(_) => None,
        }
    }

    fn thanks(&self, _: &Packet<'_>, _: &Verdict) -> Option<Vec<u8>> {
        None
    }

    fn filter(&self) -> Vec<Vec<Test>> {
        Test::to_ports(ip::UDP, self.first, self.ports)
    }

    fn refusals(&self) -> Refusals {
        Refusals::ByIcmp
    }
}

const HOPS: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Mac, ethernet, parse};
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// The packet that asks, without its Ethernet header.
    fn asked(question: &Datagram, ends: Ends, port: u16, at: Moment) -> Vec<u8> {
        let envelope = Envelope {
            own: Mac([2; 6]),
            next: Mac([4; 6]),
            ends,
            port,
        };
        let mut frames = Frames::default();
        question.write(envelope, at, &mut frames);
        frames.bytes()[ethernet::LENGTH..].to_vec()
    }

    fn judged(question: &Datagram, packet: &[u8]) -> Option<Verdict> {
        let frame = Ethernet::new(Mac([4; 6]), Mac([2; 6]), ethernet::IPV4).frame(packet);
        question.judge(&parse(&frame).unwrap())
    }

    proptest! {
        #[test]
        fn an_answer_is_recognised_by_both_ports(
            source: [u8; 4], destination: [u8; 4], port: u16, attempt in 1..6_u8, other in 0..3_000_u16,
        ) {
            let question = Datagram::new(Cookies::default(), 20_000, 6);
            let ends = Ends::between(source.into(), destination.into()).unwrap();
            let sent = asked(&question, ends, port, Moment::new(attempt, 3));
            let from = u16::from_be_bytes([sent[20], sent[21]]);
            let back = Ends::between(destination.into(), source.into()).unwrap();
            for (to, ours) in [(from, true), (19_999 - other, false), (20_006 + other, false)] {
                let udp = Udp { source: port, destination: to };
                let verdict = judged(&question, &back.packet(ip::UDP, 64, &udp.datagram(back, b"hello")));
                let expected = Verdict {
                    host: destination.into(), port, says: Says::Open, at: Moment { attempt, epoch: 0 },
                };
                prop_assert_eq!(verdict, ours.then_some(expected));
            }
        }

        #[test]
        fn an_error_counts_when_it_quotes_our_datagram(
            source: [u8; 4], destination: [u8; 4], attempt in 1..6_u8, epoch in 0..32_u64, flip in 1..=u16::MAX,
        ) {
            let question = Datagram::new(Cookies::default(), 20_000, 6);
            let (host, port) = (IpAddr::from(destination), 40_000);
            let ends = Ends::between(source.into(), host).unwrap();
            let at = Moment::new(attempt, epoch);
            let sent = asked(&question, ends, port, at);
            let error = |from: IpAddr, code: u8, quoted: &[u8]| {
                let message = [&[3, code, 0, 0, 0, 0, 0, 0], quoted].concat();
                let packet = Ends::between(from, source.into()).unwrap().packet(ip::ICMP, 64, &message);
                judged(&question, &packet)
            };
            let router = IpAddr::from([203, 0, 113, 1]);
            prop_assume!(router != host);
            for (from, code, says) in [
                (host, 3, Says::Closed),
                (host, 13, Says::Unreachable),
                // Not the host's own word.
                (router, 3, Says::Unreachable),
            ] {
                let verdict = error(from, code, &sent[..28]).unwrap();
                prop_assert_eq!((verdict.host, verdict.port, verdict.says), (host, port, says));
                prop_assert_eq!(verdict.at.attempt, attempt);
                // The moment, or one whose number has the same sum.
                prop_assert_eq!(&asked(&question, ends, port, verdict.at)[20..28], &sent[20..28]);
            }
            // Another length, and what we never sent.
            let mut forged = sent[..28].to_vec();
            forged[25] ^= 1;
            prop_assert_eq!(error(host, 3, &forged), None);
            forged = sent[..28].to_vec();
            forged[26] ^= flip.to_be_bytes()[0];
            forged[27] ^= flip.to_be_bytes()[1];
            // One of the 31 other moments may have that very sum.
            let same = |at| asked(&question, ends, port, at)[26..28] == forged[26..28];
            prop_assert!(error(host, 3, &forged).is_none_or(|verdict| same(verdict.at)));
        }
    }
}
