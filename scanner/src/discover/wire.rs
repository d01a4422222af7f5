//! The I/O of a discovery: sends parcels, brings frames, decides nothing.
//!
//! What must stay true: nothing leaves here that the scope does not permit, asked again for each parcel; frames
//! leave on the link that they were made for, and everything else by the kernel's own routes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::{AsFd, OwnedFd},
    io::Errno,
    net::{
        AddressFamily, Protocol, SendFlags, SocketFlags, SocketType, bind, getsockname, ipproto, send,
        sendto, socket_with, sockopt,
    },
};
use vedette_protocol::Scope;
use vedette_sys::packet::{self, Membership, ring::Ring};

use super::{
    course::Hindrance,
    local::Local,
    question::{Own, Parcel},
};
use crate::packet::ip;

/// The network cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("opening {what}, which needs root or CAP_NET_RAW")]
pub struct WireError {
    what: &'static str,
    #[source]
    source: io::Error,
}

/// Sockets to send with, and taps on the links to listen with.
#[derive(Debug)]
pub(crate) struct Wire {
    scope: Arc<Scope>,
    taps: Vec<Tap>,
    raw: Vec<(u8, AddressFamily, OwnedFd)>,
    datagrams: Vec<(AddressFamily, OwnedFd)>,
    /// Holds the port that our segments come from: what answers them, the kernel resets.
    _port: OwnedFd,
    own: Own,
}

#[derive(Debug)]
struct Tap {
    link: u32,
    socket: OwnedFd,
    ring: Ring,
    gone: bool,
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It left; so many bytes on the wire.
    Left(usize),
    /// There is no room now.
    Busy,
    /// It was not sent.
    Refused(Hindrance),
}

impl Wire {
    /// Opens everything that is sent with and listened with.
    pub(crate) fn open(scope: Arc<Scope>, local: &Local) -> Result<Self, WireError> {
        let failed = |what| move |source: io::Error| WireError { what, source };
        let mut taps = Vec::new();
        for link in &local.links {
            taps.push(Tap::on(link.index).map_err(failed("a packet socket"))?);
        }
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
            scope,
            taps,
            raw,
            datagrams,
            _port: port,
            own: Own { tcp, udp },
        })
    }

    /// Where answers come back to.
    pub(crate) fn own(&self) -> Own {
        self.own
    }

    /// Sends a parcel, if the scope permits it.
    pub(crate) fn send(&mut self, parcel: &Parcel) -> Sent {
        if !self.permits(parcel) {
            return Sent::Refused(Hindrance::OutOfScope);
        }
        let (sent, length) = match parcel {
            Parcel::Frame { link, bytes, .. } => {
                let Some(tap) = self.taps.iter_mut().find(|tap| tap.link == *link) else {
                    return Sent::Refused(Hindrance::LinkGone);
                };
                let sent = send(&tap.socket, bytes, SendFlags::DONTWAIT);
                tap.gone |= matches!(sent, Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV));
                (sent, bytes.len())
            }
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
        };
        match sent {
            Ok(_) => Sent::Left(length),
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Sent::Busy,
            Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => Sent::Refused(Hindrance::LinkGone),
            Err(Errno::PERM | Errno::ACCESS) => Sent::Refused(Hindrance::Forbidden),
            Err(Errno::NETUNREACH | Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => {
                Sent::Refused(Hindrance::NoRoute)
            }
            // The kernel asked on the link and nobody has the address; or an earlier datagram was refused, which
            // is the answer to that one. Either way, this one is answered.
            Err(Errno::HOSTUNREACH | Errno::CONNREFUSED) => Sent::Left(length),
            Err(_) => Sent::Refused(Hindrance::Refused),
        }
    }

    /// Waits until something comes in, `time` at most.
    pub(crate) fn wait(&self, time: Duration) -> io::Result<()> {
        let mut fds: Vec<PollFd<'_>> = self
            .taps
            .iter()
            .filter(|tap| !tap.gone)
            .map(|tap| PollFd::new(&tap.socket, PollFlags::IN))
            .collect();
        let time = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&time)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Hands over what came in: link, frame, and the tag that the kernel took out of it. Gives the links that went
    /// away since it was last called.
    pub(crate) fn frames(&mut self, mut each: impl FnMut(u32, &[u8], Option<u16>)) -> usize {
        let mut gone = 0;
        for tap in &mut self.taps {
            for _ in 0..BLOCKS {
                let Some(block) = tap.ring.block() else { break };
                for frame in block.frames() {
                    each(tap.link, frame.bytes, frame.tag);
                }
            }
            // poll(2) would return at once for ever.
            let error = sockopt::socket_error(&tap.socket);
            if !tap.gone && !matches!(error, Ok(Ok(()))) {
                tap.gone = true;
                gone += 1;
            }
        }
        gone
    }

    /// How many frames came in that there was no room for.
    pub(crate) fn overrun(&self) -> u64 {
        let dropped = |tap: &Tap| packet::statistics(&tap.socket).map_or(0, |counted| counted.dropped.into());
        self.taps.iter().map(dropped).sum()
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
        let hops = hops.map_or(USUAL_HOPS, u32::from);
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

    fn permits(&self, parcel: &Parcel) -> bool {
        match parcel {
            Parcel::Frame { about, .. } => self.scope.permits_host(*about) && means_itself(*about),
            Parcel::Packet {
                destination, port, ..
            } => {
                let permitted = match port {
                    Some(port) => self.scope.permits(*destination, *port),
                    None => self.scope.permits_host(*destination),
                };
                permitted && means_itself(*destination)
            }
            Parcel::Datagram { destination, .. } => {
                self.scope.permits(destination.ip(), destination.port()) && means_itself(destination.ip())
            }
        }
    }
}

impl Tap {
    fn on(link: u32) -> io::Result<Self> {
        let socket = packet::open()?;
        let ring = Ring::new(&socket, BLOCKS, READY)?;
        packet::ignore_outgoing(&socket)?;
        packet::bind(&socket, link, ALL_TYPES)?;
        // Loopback has no groups to join.
        let _without_groups = packet::join(&socket, link, Membership::AllMulticast);
        Ok(Self {
            link,
            socket,
            ring,
            gone: false,
        })
    }
}

/// Linux takes 0.0.0.0 and :: for this machine, and ::ffff:a.b.c.d for a.b.c.d: there the scope would say one
/// address and the packet another.
fn means_itself(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_unspecified() && v6.to_ipv4_mapped().is_none(),
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
/// `ETH_P_ALL`.
const ALL_TYPES: u16 = 3;
/// Of 64 KiB each, for every link: room for what comes in while we are not looked after for 50 ms.
const BLOCKS: u16 = 16;
const READY: Duration = Duration::from_millis(1);
const USUAL_HOPS: u32 = 64;
/// Ethernet and IPv4.
const HEADERS: usize = 34;
