//! Somebody on the same network who sends what nobody asked for, and notes what comes back.
//!
//! Raw sockets: no packet depends on what the kernel here would say of it, and an answer counts whatever it is.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketType, bind, ipproto, recv, sendto, socket,
};

use crate::lab::{Elsewhere, Lab};

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// A segment from this port, with these flags.
    Tcp { port: u16, flags: u8 },
    /// A datagram from this port.
    Udp { port: u16 },
    /// A message of this type.
    Icmp { kind: u8 },
}

/// Opens a socket, wherever it is called.
type Opening = Box<dyn FnOnce() -> rustix::io::Result<OwnedFd> + Send>;

/// Flags of a TCP segment (RFC 9293, section 3.1).
pub mod flags {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const PSH: u8 = 8;
    pub const ACK: u8 = 16;
    pub const URG: u8 = 32;
}

/// Raw sockets that stand at one address of the lab.
#[derive(Debug)]
pub struct Stranger {
    address: Ipv4Addr,
    tcp: OwnedFd,
    udp: OwnedFd,
    icmp: OwnedFd,
}

impl Stranger {
    /// Takes a place in the lab.
    pub fn enter(lab: &Lab) -> Result<Self> {
        Self::at(lab.admit_stranger()?, |open| lab.inside(open))
    }

    /// Speaks for the host of the other network.
    pub fn enter_elsewhere(elsewhere: &Elsewhere) -> Result<Self> {
        Self::at(elsewhere.host(), |open| elsewhere.inside(open))
    }

    fn at(
        address: Ipv4Addr,
        inside: impl Fn(Opening) -> Result<rustix::io::Result<OwnedFd>>,
    ) -> Result<Self> {
        let raw = |protocol: Protocol| -> Result<OwnedFd> {
            let socket = inside(Box::new(move || {
                socket(AddressFamily::INET, SocketType::RAW, Some(protocol))
            }))??;
            bind(&socket, &SocketAddr::from((address, 0)))?;
            set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(50)))?;
            set_socket_recv_buffer_size_force(&socket, BUFFER)?;
            Ok(socket)
        };
        let open = || Ok::<_, anyhow::Error>((raw(ipproto::TCP)?, raw(ipproto::UDP)?, raw(ipproto::ICMP)?));
        let (tcp, udp, icmp) = open().context("opening raw sockets in the lab")?;
        Ok(Self {
            address,
            tcp,
            udp,
            icmp,
        })
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Sends one segment with these flags to each of the ports.
    pub fn send_tcp(&self, to: Ipv4Addr, ports: impl IntoIterator<Item = u16>, flags: u8) -> Result<()> {
        for (turn, port) in ports.into_iter().enumerate() {
            pace(turn);
            let mut segment = [0; 20];
            segment[0..2].copy_from_slice(&FROM_PORT.to_be_bytes());
            segment[2..4].copy_from_slice(&port.to_be_bytes());
            segment[4..8].copy_from_slice(&0x0102_0304_u32.to_be_bytes());
            segment[12] = 5 << 4;
            segment[13] = flags;
            segment[14..16].copy_from_slice(&1024_u16.to_be_bytes());
            let sum = checksum(&[&pseudo_header(self.address, to, 6, 20), &segment]);
            segment[16..18].copy_from_slice(&sum.to_be_bytes());
            send(&self.tcp, &segment, to)?;
        }
        Ok(())
    }

    /// Sends one datagram to each of the ports.
    pub fn send_udp(&self, to: Ipv4Addr, ports: &[u16], payload: &[u8]) -> Result<()> {
        let length = u16::try_from(8 + payload.len()).context("a datagram is at most 65,507 bytes")?;
        for (turn, port) in ports.iter().enumerate() {
            pace(turn);
            let mut datagram = Vec::with_capacity(usize::from(length));
            for word in [FROM_PORT, *port, length, 0] {
                datagram.extend_from_slice(&word.to_be_bytes());
            }
            datagram.extend_from_slice(payload);
            let sum = checksum(&[&pseudo_header(self.address, to, 17, length), &datagram]);
            datagram[6..8].copy_from_slice(&sum.to_be_bytes());
            send(&self.udp, &datagram, to)?;
        }
        Ok(())
    }

    /// Sends an ICMP message: its checksum is filled in.
    pub fn send_icmp(&self, to: Ipv4Addr, kind: u8, code: u8, rest: &[u8]) -> Result<()> {
        let mut message = vec![kind, code, 0, 0];
        message.extend_from_slice(rest);
        let sum = checksum(&[&message]);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        send(&self.icmp, &message, to)
    }

    /// What this address sends to us within a while.
    pub fn answers(&self, from: Ipv4Addr, patience: Duration) -> Result<BTreeSet<Answer>> {
        let end = Instant::now() + patience;
        let mut answers = BTreeSet::new();
        while Instant::now() < end {
            for (socket, read) in [
                (&self.tcp, tcp_answer as fn(&[u8]) -> Option<Answer>),
                (&self.udp, udp_answer),
                (&self.icmp, |message| {
                    message.first().map(|&kind| Answer::Icmp { kind })
                }),
            ] {
                let mut packet = [0; 2048];
                match recv(socket, packet.as_mut_slice(), RecvFlags::empty()) {
                    Ok((length, _)) => {
                        let packet = packet.get(..length).unwrap_or_default();
                        let header = usize::from(packet.first().unwrap_or(&0) & 0xf) * 4;
                        let body = packet.get(header..).unwrap_or_default();
                        if packet.get(12..16) == Some(from.octets().as_slice()) {
                            answers.extend(read(body));
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(error).context("reading answers"),
                }
            }
        }
        Ok(answers)
    }
}

fn tcp_answer(segment: &[u8]) -> Option<Answer> {
    Some(Answer::Tcp {
        port: port(segment)?,
        flags: *segment.get(13)?,
    })
}

fn udp_answer(datagram: &[u8]) -> Option<Answer> {
    Some(Answer::Udp {
        port: port(datagram)?,
    })
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(0..2)?.try_into().ok()?))
}

fn send(socket: &OwnedFd, bytes: &[u8], to: Ipv4Addr) -> Result<()> {
    sendto(
        socket,
        bytes,
        SendFlags::empty(),
        &SocketAddr::V4(SocketAddrV4::new(to, 0)),
    )
    .map(drop)
    .with_context(|| format!("sending to {to}"))
}

/// Slow enough for an emulated machine to take each frame: what a queue drops would pass for silence.
fn pace(turn: usize) {
    if turn % BURST == BURST - 1 {
        thread::sleep(Duration::from_millis(10));
    }
}

fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, length: u16) -> [u8; 12] {
    let mut header = [0; 12];
    header[0..4].copy_from_slice(&from.octets());
    header[4..8].copy_from_slice(&to.octets());
    header[9] = protocol;
    header[10..12].copy_from_slice(&length.to_be_bytes());
    header
}

/// RFC 1071. Each part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

const FROM_PORT: u16 = 40_000;
const BURST: usize = 128;
const BUFFER: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_rfc() {
        // RFC 1071, section 3: the sum of these is ddf2.
        assert_eq!(
            checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]),
            !0xddf2
        );
    }

    /// Without this the silence of an appliance would prove nothing.
    #[test]
    fn whoever_is_not_filtered_answers_everything() {
        let lab = Lab::start(&[crate::lab::Target::Ssh]).unwrap();
        let target = lab.address(crate::lab::Target::Ssh);
        let stranger = Stranger::enter(&lab).unwrap();
        stranger.send_tcp(target, [22, 23], flags::SYN).unwrap();
        stranger.send_tcp(target, [24], flags::ACK).unwrap();
        stranger.send_udp(target, &[161], b"?").unwrap();
        stranger.send_icmp(target, 8, 0, &[0, 1, 0, 1]).unwrap();
        stranger.send_icmp(target, 13, 0, &[0; 16]).unwrap();
        let answers = stranger.answers(target, Duration::from_millis(500)).unwrap();
        for expected in [
            Answer::Tcp {
                port: 22,
                flags: flags::SYN | flags::ACK,
            },
            Answer::Tcp {
                port: 23,
                flags: flags::RST | flags::ACK,
            },
            Answer::Tcp {
                port: 24,
                flags: flags::RST,
            },
            Answer::Icmp { kind: 3 },
            Answer::Icmp { kind: 0 },
            Answer::Icmp { kind: 14 },
        ] {
            assert!(answers.contains(&expected), "no {expected:?} in {answers:?}");
        }
    }
}
