//! The lab's wire: what a machine really sends, frame by frame, whatever it says of itself.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SocketType, eth};

use crate::lab::Lab;

/// A hardware address.
pub type Mac = [u8; 6];

/// One kind of frame: who sent it, and to what. However often it is sent, it counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    pub from: Mac,
    pub packet: Packet,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packet {
    Arp,
    Tcp(SocketAddr),
    Udp(SocketAddr),
    /// ICMP of either version, by its type.
    Icmp(IpAddr, u8),
    /// Another protocol over IP.
    Ip(IpAddr, u8),
    /// Another protocol than IP.
    Ethernet(u16),
}

/// A watch on every frame of a lab, until dropped.
#[derive(Debug)]
pub struct Wire {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<BTreeSet<Sent>>,
    over: AtomicBool,
}

impl Wire {
    /// Watches from now on.
    pub fn watch(lab: &Lab) -> Result<Self> {
        // Bound to no link, it hears all of them: the bridge and each tap.
        let socket = lab
            .inside(|| rustix::net::socket(AddressFamily::PACKET, SocketType::RAW, Some(eth::ALL)))?
            .context("opening a packet socket in the lab")?;
        set_socket_recv_buffer_size_force(&socket, BUFFER)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(POLL))?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || listen(&socket, &of_thread));
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// What this machine sent since the watch began, or since it was last forgotten.
    pub fn sent_by(&self, mac: &str) -> BTreeSet<Packet> {
        let mac = self::mac(mac);
        self.shared
            .lock()
            .iter()
            .filter(|sent| sent.from == mac)
            .map(|sent| sent.packet)
            .collect()
    }

    /// Forgets what was seen so far.
    pub fn forget(&self) {
        self.shared.lock().clear();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Sent>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Packet {
    /// Whom it is for, if it is an IP packet.
    pub fn to(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(to) | Self::Udp(to) => Some(to.ip()),
            Self::Icmp(to, _) | Self::Ip(to, _) => Some(*to),
            Self::Arp | Self::Ethernet(_) => None,
        }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arp => write!(f, "ARP"),
            Self::Tcp(to) => write!(f, "TCP to {to}"),
            Self::Udp(to) => write!(f, "UDP to {to}"),
            Self::Icmp(to, kind) => write!(f, "ICMP type {kind} to {to}"),
            Self::Ip(to, protocol) => write!(f, "IP protocol {protocol} to {to}"),
            Self::Ethernet(kind) => write!(f, "ethernet type {kind:#06x}"),
        }
    }
}

fn listen(socket: &OwnedFd, shared: &Shared) {
    let mut frame = vec![0; LONGEST];
    while !shared.over.load(Ordering::Relaxed) {
        match rustix::net::recv(socket, frame.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((length, _)) => {
                if let Some(sent) = read(frame.get(..length.min(LONGEST)).unwrap_or_default()) {
                    shared.lock().insert(sent);
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => panic!("reading the lab's wire: {error}"),
        }
    }
}

/// None for a frame that ends too early to be one.
fn read(frame: &[u8]) -> Option<Sent> {
    let from = frame.get(6..12)?.try_into().ok()?;
    let body = frame.get(14..)?;
    let packet = match u16_at(frame, 12)? {
        0x0806 => Packet::Arp,
        0x0800 => {
            let header = usize::from(body.first()? & 0xf) * 4;
            let to = Ipv4Addr::from(<[u8; 4]>::try_from(body.get(16..20)?).ok()?);
            // Only the first fragment has ports.
            let first = u16_at(body, 6)? & 0x1fff == 0;
            above_ip(to.into(), *body.get(9)?, body.get(header..)?, first)
        }
        0x86dd => {
            let to = Ipv6Addr::from(<[u8; 16]>::try_from(body.get(24..40)?).ok()?);
            above_ip(to.into(), *body.get(6)?, body.get(40..)?, true)
        }
        other => Packet::Ethernet(other),
    };
    Some(Sent { from, packet })
}

fn above_ip(to: IpAddr, protocol: u8, body: &[u8], first: bool) -> Packet {
    let port = u16_at(body, 2).filter(|_| first);
    match (protocol, port, body.first()) {
        (6, Some(port), _) => Packet::Tcp(SocketAddr::new(to, port)),
        (17, Some(port), _) => Packet::Udp(SocketAddr::new(to, port)),
        (1 | 58, _, Some(kind)) if first => Packet::Icmp(to, *kind),
        _ => Packet::Ip(to, protocol),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn mac(text: &str) -> Mac {
    let mut bytes = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).expect("a hardware address"));
    std::array::from_fn(|_| bytes.next().expect("of six bytes"))
}

/// A scan's worth of frames.
const BUFFER: usize = 16 << 20;
const LONGEST: usize = 256;
const POLL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_what_their_bytes_say() {
        let mut frame = vec![0; 14];
        frame[6..12].copy_from_slice(&[0x52, 0x54, 0, 0x76, 1, 2]);
        frame[12..14].copy_from_slice(&[0x08, 0x00]);
        frame.extend([
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 198, 18, 1, 100, 198, 18, 1, 13,
        ]);
        assert_eq!(read(&frame).map(|sent| sent.packet), Some(ip(6)));
        frame.extend([0xc0, 0, 0x18, 0xeb]);
        let sent = read(&frame).unwrap();
        assert_eq!(sent.from, mac("52:54:00:76:01:02"));
        assert_eq!(sent.packet, Packet::Tcp("198.18.1.13:6379".parse().unwrap()));
        // A later fragment.
        frame[14 + 7] = 9;
        assert_eq!(read(&frame).unwrap().packet, ip(6));
        frame[12..14].copy_from_slice(&[0x81, 0x00]);
        assert_eq!(read(&frame).unwrap().packet, Packet::Ethernet(0x8100));
        assert_eq!(read(&frame[..10]), None);
    }

    #[test]
    fn what_is_sent_is_seen() {
        let lab = Lab::start(&[]).unwrap();
        let wire = Wire::watch(&lab).unwrap();
        let to = SocketAddr::from((lab.subnet().dns(), 9));
        // The host's end of the veth sends it.
        let socket = std::net::UdpSocket::bind((lab.subnet().platform(), 0)).unwrap();
        socket.send_to(b"seen", to).unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(5);
        while !wire
            .shared
            .lock()
            .iter()
            .any(|sent| sent.packet == Packet::Udp(to))
        {
            assert!(std::time::Instant::now() < end);
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn ip(protocol: u8) -> Packet {
        Packet::Ip("198.18.1.13".parse().unwrap(), protocol)
    }
}
