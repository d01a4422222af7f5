//! TCP ports, asked by a SYN that no state is kept of.
//!
//! The source port says which attempt it is, the sequence number that it is ours and when it was sent ([`Cookies`]).
//! Who accepts is reset, so that nothing is left half open there. Every SYN has a maximum segment size: it costs
//! nothing, and some networks drop a SYN without.

use vedette_sys::packet::filter::Test;

use super::{
    card::Frames,
    cookie::{Asked, Cookies},
    question::{Envelope, Moment, Question, Refusals, Says, Verdict},
};
use crate::packet::{
    Body, Ends, Ethernet, Icmp, Icmpv6, Ip, Packet, Payload, Quote, Tcp, checksum::Checksum, ethernet, ip,
    tcp::Flags,
};

#[derive(Debug)]
pub(super) struct Syn {
    cookies: Cookies,
    /// Our port of the first attempt.
    first: u16,
    /// How many follow it.
    ports: u16,
}

impl Syn {
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

    fn recognise(&self, ends: Ends, ports: (u16, u16), sequence: u32, says: Says) -> Option<Verdict> {
        let (from, port) = ports;
        let (host, attempt) = (ends.destination(), self.attempt(from)?);
        let asked = self.cookies.recognise(host, port, from, sequence)?;
        let at = Moment {
            attempt,
            epoch: asked.epoch,
        };
        Some(Verdict { host, port, says, at })
    }

    fn segment(&self, ip: &Ip, tcp: &Tcp) -> Option<Verdict> {
        let says = match tcp.flags {
            flags if !flags.has(Flags::ACK) => return None,
            flags if flags.has(Flags::RST) => Says::Closed,
            flags if flags.has(Flags::SYN) => Says::Open,
            _ => return None,
        };
        // Seen from our side.
        let ends = Ends::between(ip.ends.destination(), ip.ends.source())?;
        let sequence = tcp.acknowledgement.wrapping_sub(1);
        self.recognise(ends, (tcp.destination, tcp.source), sequence, says)
    }

    fn error(&self, quote: &Quote) -> Option<Verdict> {
        self.recognise(
            quote.ip.ends,
            quote.ports()?,
            quote.sequence()?,
            Says::Unreachable,
        )
    }
}

impl Question for Syn {
    fn write(&self, envelope: Envelope, at: Moment, frames: &mut Frames) {
        let from = self.first + u16::from(at.attempt - 1) % self.ports;
        let host = envelope.ends.destination();
        let asked = Asked {
            host,
            port: envelope.port,
            from,
            epoch: at.epoch,
        };
        let tcp = Tcp::syn(from, envelope.port, self.cookies.sequence(asked));
        let mut frame = [0; MOST];
        let length = write(&envelope, &tcp, &mut frame);
        frames.push(&frame[..length]);
    }

    fn judge(&self, packet: &Packet<'_>) -> Option<Verdict> {
        match &packet.body {
            Body::Ip(ip, Payload::Tcp(tcp, _)) => self.segment(ip, tcp),
            Body::Ip(_, Payload::Icmp(Icmp::Unreachable { quote, .. } | Icmp::TimeExceeded { quote })) => {
                self.error(quote)
            }
            Body::Ip(
                _,
                Payload::Icmpv6(Icmpv6::Unreachable { quote, .. } | Icmpv6::TimeExceeded { quote }),
            ) => self.error(quote),
            Body::Ip(_, Payload::Icmp(_) | Payload::Icmpv6(_) | Payload::Udp(..) | Payload::Other(_))
            | Body::Arp(_)
            | Body::Other(_) => None,
        }
    }

    /// A reset for who accepts.
    fn thanks(&self, packet: &Packet<'_>, verdict: &Verdict) -> Option<Vec<u8>> {
        let Body::Ip(ip, Payload::Tcp(tcp, _)) = &packet.body else {
            return None;
        };
        if verdict.says != Says::Open {
            return None;
        }
        let ends = Ends::between(ip.ends.destination(), ip.ends.source())?;
        let reset = Tcp {
            source: tcp.destination,
            destination: tcp.source,
            sequence: tcp.acknowledgement,
            acknowledgement: 0,
            flags: Flags::RST,
            window: 0,
            mss: None,
        };
        let packet_out = ends.packet(ip::TCP, HOPS, &reset.segment(ends, b""));
        let header = Ethernet::new(
            packet.ethernet.destination,
            packet.ethernet.source,
            ends.ethernet_type(),
        );
        Some(header.frame(&packet_out))
    }

    fn filter(&self) -> Vec<Vec<Test>> {
        Test::to_ports(ip::TCP, self.first, self.ports)
    }

    fn refusals(&self) -> Refusals {
        Refusals::ByProtocol
    }
}

/// The frame of a SYN, written in place: what [`Tcp::segment`], [`Ends::packet`] and [`Ethernet::frame`] make of it,
/// without their allocations. Returns its length.
fn write(envelope: &Envelope, tcp: &Tcp, frame: &mut [u8; MOST]) -> usize {
    frame[..6].copy_from_slice(&envelope.next.0);
    frame[6..12].copy_from_slice(&envelope.own.0);
    frame[12..14].copy_from_slice(&envelope.ends.ethernet_type().to_be_bytes());
    let segment = match envelope.ends {
        Ends::V4 { source, destination } => {
            let header = &mut frame[ethernet::LENGTH..ethernet::LENGTH + 20];
            header[..12].copy_from_slice(&[0x45, 0, 0, 44, 0, 0, 0x40, 0, HOPS, ip::TCP, 0, 0]);
            header[12..16].copy_from_slice(&source.octets());
            header[16..].copy_from_slice(&destination.octets());
            let sum = Checksum::default().over(header).finish();
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            ethernet::LENGTH + 20
        }
        Ends::V6 { source, destination } => {
            let header = &mut frame[ethernet::LENGTH..ethernet::LENGTH + 40];
            header[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 24, ip::TCP, HOPS]);
            header[8..24].copy_from_slice(&source.octets());
            header[24..].copy_from_slice(&destination.octets());
            ethernet::LENGTH + 40
        }
    };
    let bytes = &mut frame[segment..segment + 24];
    bytes[..2].copy_from_slice(&tcp.source.to_be_bytes());
    bytes[2..4].copy_from_slice(&tcp.destination.to_be_bytes());
    bytes[4..8].copy_from_slice(&tcp.sequence.to_be_bytes());
    bytes[12..14].copy_from_slice(&[0x60, Flags::SYN.0]);
    bytes[14..16].copy_from_slice(&tcp.window.to_be_bytes());
    bytes[20..22].copy_from_slice(&[2, 4]);
    bytes[22..].copy_from_slice(&tcp.mss.unwrap_or_default().to_be_bytes());
    let sum = Checksum::of(envelope.ends, ip::TCP, bytes).finish();
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    segment + 24
}

const HOPS: u8 = 64;
/// Ethernet, IPv6, TCP with its option.
const MOST: usize = ethernet::LENGTH + 40 + 24;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Mac, parse};
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn envelope(ends: Ends, port: u16) -> Envelope {
        Envelope {
            own: Mac([2; 6]),
            next: Mac([4; 6]),
            ends,
            port,
        }
    }

    fn pair() -> impl Strategy<Value = Ends> {
        prop_oneof![
            any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| Ends::between(a.into(), b.into()).unwrap()),
            any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| Ends::between(a.into(), b.into()).unwrap()),
        ]
    }

    /// The frame that a host sends back, and what a judge makes of it.
    fn reply(syn: &Syn, ends: Ends, tcp: &Tcp) -> Option<Verdict> {
        let back = Ends::between(ends.destination(), ends.source()).unwrap();
        let packet = back.packet(ip::TCP, 64, &tcp.segment(back, b""));
        let frame = Ethernet::new(Mac([4; 6]), Mac([2; 6]), back.ethernet_type()).frame(&packet);
        syn.judge(&parse(&frame).unwrap())
    }

    fn asked(syn: &Syn, ends: Ends, port: u16, at: Moment) -> Tcp {
        let mut frames = Frames::default();
        syn.write(envelope(ends, port), at, &mut frames);
        let mut frame = [0; MOST];
        frame.copy_from_slice(&[frames.bytes(), &[0; MOST]].concat()[..MOST]);
        match parse(&frame).unwrap().body {
            Body::Ip(_, Payload::Tcp(tcp, _)) => tcp,
            body => panic!("{body:?}"),
        }
    }

    proptest! {
        #[test]
        fn the_quick_writer_writes_what_the_codecs_write(
            ends in pair(), source: u16, port: u16, sequence: u32,
        ) {
            let tcp = Tcp::syn(source, port, sequence);
            let mut frame = [0; MOST];
            let length = write(&envelope(ends, port), &tcp, &mut frame);
            let packet = ends.packet(ip::TCP, HOPS, &tcp.segment(ends, b""));
            let expected = Ethernet::new(Mac([2; 6]), Mac([4; 6]), ends.ethernet_type()).frame(&packet);
            prop_assert_eq!(&frame[..length], expected);
        }

        #[test]
        fn answers_are_recognised_with_their_attempt_and_epoch(
            ends in pair(), port: u16, attempt in 1..6_u8, epoch in 0..32_u64,
        ) {
            let syn = Syn::new(Cookies::default(), 20_000, 6);
            let at = Moment::new(attempt, epoch);
            let question = asked(&syn, ends, port, at);
            prop_assert_eq!(question.mss, Some(1460));
            for (flags, says) in [
                (Flags::SYN.and(Flags::ACK), Says::Open),
                (Flags::RST.and(Flags::ACK), Says::Closed),
            ] {
                let answer = Tcp {
                    source: port,
                    destination: question.source,
                    sequence: 77,
                    acknowledgement: question.sequence.wrapping_add(1),
                    flags,
                    window: 0,
                    mss: None,
                };
                let verdict = Verdict { host: ends.destination(), port, says, at };
                prop_assert_eq!(reply(&syn, ends, &answer), Some(verdict));
                // Without a valid cookie, on another port of theirs or ours, without the acknowledgement: nothing.
                for forged in [
                    Tcp { acknowledgement: question.sequence, ..answer },
                    Tcp { acknowledgement: answer.acknowledgement ^ 0x100, ..answer },
                    Tcp { source: port ^ 1, ..answer },
                    Tcp { destination: 20_006, ..answer },
                    Tcp { destination: 19_999, ..answer },
                    Tcp { flags: Flags(flags.0 & !Flags::ACK.0), ..answer },
                    Tcp { flags: Flags::ACK, ..answer },
                    Tcp { flags: Flags::FIN.and(Flags::ACK), ..answer },
                ] {
                    prop_assert_eq!(reply(&syn, ends, &forged), None);
                }
            }
        }

        #[test]
        fn an_error_counts_when_it_quotes_our_question(source: [u8; 4], destination: [u8; 4], port: u16, flip in 0..32_u32) {
            let syn = Syn::new(Cookies::default(), 20_000, 6);
            let ends = Ends::between(source.into(), destination.into()).unwrap();
            let question = asked(&syn, ends, port, Moment::new(2, 9));
            for (sequence, counts) in [(question.sequence, true), (question.sequence ^ 1 << flip, false)] {
                let about = Tcp { sequence, ..question };
                let quoted = &ends.packet(ip::TCP, 64, &about.segment(ends, b""))[..28];
                let message = [&[3, 13, 0, 0, 0, 0, 0, 0], quoted].concat();
                // From whoever it comes: it saw our question.
                let router = Ends::between(IpAddr::from([203, 0, 113, 1]), source.into()).unwrap();
                let frame = Ethernet::new(Mac([4; 6]), Mac([2; 6]), ethernet::IPV4)
                    .frame(&router.packet(ip::ICMP, 64, &message));
                let verdict = syn.judge(&parse(&frame).unwrap());
                prop_assert_eq!(verdict.is_some(), counts);
                if let Some(verdict) = verdict {
                    prop_assert_eq!((verdict.host, verdict.port), (destination.into(), port));
                    prop_assert_eq!(verdict.says, Says::Unreachable);
                }
            }
        }
    }

    #[test]
    fn who_accepts_is_reset_and_who_refuses_is_left_alone() {
        let syn = Syn::new(Cookies::default(), 20_000, 6);
        let ends = Ends::between([192, 0, 2, 1].into(), [192, 0, 2, 2].into()).unwrap();
        let question = asked(&syn, ends, 80, Moment::new(1, 0));
        let back = Ends::between(ends.destination(), ends.source()).unwrap();
        for (flags, resets) in [(Flags::SYN, true), (Flags::RST, false)] {
            let answer = Tcp {
                source: 80,
                destination: question.source,
                sequence: 77,
                acknowledgement: question.sequence.wrapping_add(1),
                flags: flags.and(Flags::ACK),
                window: 0,
                mss: None,
            };
            let packet = back.packet(ip::TCP, 64, &answer.segment(back, b""));
            let frame = Ethernet::new(Mac([4; 6]), Mac([2; 6]), ethernet::IPV4).frame(&packet);
            let packet = parse(&frame).unwrap();
            let verdict = syn.judge(&packet).unwrap();
            let thanks = syn.thanks(&packet, &verdict);
            assert_eq!(thanks.is_some(), resets);
            if let Some(frame) = thanks {
                let packet = parse(&frame).unwrap();
                assert_eq!(packet.ethernet.destination, Mac([4; 6]));
                let Body::Ip(ip, Payload::Tcp(tcp, _)) = packet.body else {
                    panic!("no segment")
                };
                assert_eq!((ip.ends, tcp.flags), (ends, Flags::RST));
                assert_eq!(
                    tcp.sequence, answer.acknowledgement,
                    "in the window (RFC 9293, section 3.10.7)"
                );
            }
        }
    }
}
