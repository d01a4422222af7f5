//! Packets and datagrams by the kernel's own routes: what takes root or CAP_NET_RAW, and nothing else.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
    net::{
        AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, bind, getsockname, ipproto, sendto,
        socket_with, sockopt,
    },
};

use super::{USUAL_HOPS, WireError, failed};
use crate::{
    discover::{
        local::Local,
        question::{Identifiers, Own, Parcel, Resets},
    },
    packet::ip,
};

/// Sockets whose answers are read from the taps.
#[derive(Debug)]
pub(super) struct Kernel {
    raw: Vec<(u8, AddressFamily, OwnedFd)>,
    datagrams: Vec<(AddressFamily, OwnedFd)>,
    /// Holds the port that our segments come from: what answers them, the kernel resets.
    _port: OwnedFd,
    own: Own,
}

impl Kernel {
    pub(super) fn open(local: &Local) -> Result<Self, WireError> {
        let (four, six) = (AddressFamily::INET, AddressFamily::INET6);
        let has_six = local
            .links
            .iter()
            .any(|link| link.addresses.iter().any(|own| own.addr().is_ipv6()));
        let mut raw = Vec::new();
        for (protocol, family, kernel) in [
            (ip::ICMP, four, ipproto::ICMP),
            (ip::TCP, four, ipproto::TCP),
            (ip::ICMPV6, six, ipproto::ICMPV6),
            (ip::TCP, six, ipproto::TCP),
        ] {
            if family == four || has_six {
                let socket = raw_socket(family, kernel).map_err(failed("a raw socket"))?;
                raw.push((protocol, family, socket));
            }
        }
        let (port, tcp) = reserved_port().map_err(failed("a TCP port"))?;
        let first = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).map_err(failed("a UDP port"))?;
        let udp = first.local_addr().map_err(failed("a UDP port"))?.port();
        let mut datagrams = vec![(four, OwnedFd::from(first))];
        if has_six {
            let second = socket_with(six, SocketType::DGRAM, FLAGS, None).and_then(|socket| {
                sockopt::set_ipv6_v6only(&socket, true)?;
                bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, udp)))?;
                Ok(socket)
            });
            datagrams.push((
                six,
                second.map_err(io::Error::from).map_err(failed("a UDP port"))?,
            ));
        }
        for (_, socket) in &datagrams {
            // What comes back is read from the taps; here it would only pile up.
            let _as_large_as_it_was = sockopt::set_socket_recv_buffer_size(socket, 0);
            sockopt::set_socket_broadcast(socket, false)
                .map_err(io::Error::from)
                .map_err(failed("a UDP port"))?;
        }
        Ok(Self {
            raw,
            datagrams,
            _port: port,
            own: Own {
                tcp,
                udp,
                icmp: Identifiers::Any,
                resets: Resets::Kernel,
            },
        })
    }

    pub(super) fn own(&self) -> Own {
        self.own
    }

    /// Sends what is no frame; gives its length on the wire as well.
    pub(super) fn send(&self, parcel: &Parcel) -> (Result<usize, Errno>, usize) {
        match parcel {
            // Frames have a link of their own to leave on.
            Parcel::Frame { bytes, .. } => (Err(Errno::INVAL), bytes.len()),
            Parcel::Packet {
                destination,
                protocol,
                hops,
                bytes,
                ..
            } => (
                self.send_raw(*destination, *protocol, *hops, bytes),
                bytes.len() + HEADERS,
            ),
            Parcel::Datagram { destination, bytes } => {
                let family = family(destination.ip());
                let socket = self.datagrams.iter().find(|(of, _)| *of == family);
                let sent = match socket {
                    Some((_, socket)) => sendto(socket, bytes, SendFlags::DONTWAIT, destination),
                    None => Err(Errno::AFNOSUPPORT),
                };
                (sent, bytes.len() + 8 + HEADERS)
            }
        }
    }

    fn send_raw(
        &self,
        destination: IpAddr,
        protocol: u8,
        hops: Option<u8>,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        let family = family(destination);
        let found = self
            .raw
            .iter()
            .find(|(of, kin, _)| *of == protocol && *kin == family);
        let (_, _, socket) = found.ok_or(Errno::AFNOSUPPORT)?;
        let hops = u32::from(hops.unwrap_or(USUAL_HOPS));
        match destination {
            IpAddr::V4(_) => sockopt::set_ip_ttl(socket, hops)?,
            IpAddr::V6(_) => sockopt::set_ipv6_unicast_hops(socket, u8::try_from(hops).ok())?,
        }
        sendto(
            socket,
            bytes,
            SendFlags::DONTWAIT,
            &SocketAddr::new(destination, 0),
        )
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    }
}

fn raw_socket(family: AddressFamily, protocol: Protocol) -> io::Result<OwnedFd> {
    let socket = socket_with(family, SocketType::RAW, FLAGS, Some(protocol))?;
    // What comes back is read from the taps; here it would only pile up.
    let _as_large_as_it_was = sockopt::set_socket_recv_buffer_size(socket.as_fd(), 0);
    Ok(socket)
}

/// A TCP port that nobody else gets, and on which nobody listens.
fn reserved_port() -> io::Result<(OwnedFd, u16)> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, FLAGS, None)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    let own = SocketAddr::try_from(getsockname(&socket)?)?;
    Ok((socket, own.port()))
}

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);
/// Ethernet and IPv4.
const HEADERS: usize = 34;
