//! Frames of the liar's own, through the packet socket that it is lent.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use vedette_daemon::conversation::{Conversation, FRAME_LIMIT};
use vedette_protocol::worker::Adapter;
use vedette_scanner::packet::{Arp, Ends, Ethernet, Mac, Tcp, ethernet, ip};
use vedette_sys::packet::{self, Instruction};

use crate::attempt::report;

const WHO: &str = "liar";
const EVERYTHING: u16 = 3;
const LOOPBACK: u32 = 1;
const EVERYBODY: Mac = Mac([0xff; 6]);

/// An adapter with its socket.
pub(crate) struct Lent {
    adapter: Adapter,
    socket: OwnedFd,
}

impl Lent {
    /// Takes what the keeper lends, and keeps the first of it.
    pub(crate) fn take(keeper: &mut Conversation, adapters: u8) -> io::Result<Self> {
        let mut lent = Vec::new();
        for _ in 0..adapters {
            let frame = keeper
                .receive_with_descriptor(FRAME_LIMIT)
                .map_err(io::Error::other)?;
            if let (adapter, Some(socket)) = frame {
                lent.push(Self { adapter, socket });
            }
        }
        let lent = lent
            .into_iter()
            .next()
            .ok_or_else(|| io::Error::other("nothing was lent"))?;
        packet::bind(&lent.socket, lent.adapter.interface, EVERYTHING)?;
        Ok(lent)
    }

    /// Tries what is granted and what is not.
    pub(crate) fn lie(&self, place: SocketAddr) {
        let IpAddr::V4(target) = place.ip() else { return };
        let [a, b, c, d] = target.octets();
        let neighbour = Ipv4Addr::new(a, b, c, d + 1);
        let own = Mac(self.adapter.mac.0);
        let granted = self.granted(place);
        let mut tagged = granted[..12].to_vec();
        tagged.extend([0x81, 0, 0, 7]);
        tagged.extend(&granted[12..]);
        let mut forged = granted.clone();
        forged[11] ^= 1;
        for (what, frame) in [
            ("frame-granted", granted.clone()),
            (
                "frame-granted-arp",
                Arp::request(own, self.adapter.address, target).frame(),
            ),
            (
                "frame-other-port",
                self.syn(self.adapter.address, target, place.port() + 1),
            ),
            (
                "frame-other-target",
                self.syn(self.adapter.address, neighbour, place.port()),
            ),
            (
                "frame-platform",
                self.syn(self.adapter.address, Ipv4Addr::new(a, b, c, 1), 8443),
            ),
            ("frame-other-source", self.syn(neighbour, target, place.port())),
            ("frame-other-adapter", forged),
            ("frame-vlan", tagged),
            (
                "frame-arp-other-target",
                Arp::request(own, self.adapter.address, neighbour).frame(),
            ),
            (
                "frame-arp-claim",
                Arp::request(EVERYBODY, target, neighbour).answer(own).frame(),
            ),
        ] {
            report(WHO, what, self.send(&frame));
        }
        if packet::bind(&self.socket, LOOPBACK, EVERYTHING).is_ok() {
            report(WHO, "frame-loopback", self.send(&granted));
            let _ = packet::bind(&self.socket, self.adapter.interface, EVERYTHING);
        }
        let all = [Instruction {
            code: 0x06,
            when: 0,
            otherwise: 0,
            operand: u32::MAX,
        }];
        report(WHO, "frame-filter", packet::attach_filter(&self.socket, &all));
        report(WHO, "frame-mark", packet::mark(&self.socket, 0));
    }

    /// What the grant allows.
    pub(crate) fn granted(&self, place: SocketAddr) -> Vec<u8> {
        match place.ip() {
            IpAddr::V4(target) => self.syn(self.adapter.address, target, place.port()),
            IpAddr::V6(_) => Vec::new(),
        }
    }

    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let mut nothing = SendAncillaryBuffer::default();
        sendmsg(
            &self.socket,
            &[IoSlice::new(frame)],
            &mut nothing,
            SendFlags::empty(),
        )?;
        Ok(())
    }

    fn syn(&self, source: Ipv4Addr, target: Ipv4Addr, port: u16) -> Vec<u8> {
        let Some(ends) = Ends::between(source.into(), target.into()) else {
            return Vec::new();
        };
        let packet = ends.packet(
            ip::TCP,
            64,
            &Tcp::syn(self.adapter.ports, port, 7).segment(ends, b""),
        );
        Ethernet::new(Mac(self.adapter.mac.0), EVERYBODY, ethernet::IPV4).frame(&packet)
    }
}
