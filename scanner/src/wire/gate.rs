//! The one place where this crate connects to anything on the network, and which says whom a frame may go to: what
//! is not in scope ends here.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, connect, connect_unspec, getpeername, getsockname,
        socket_with, sockopt,
    },
};
use vedette_protocol::Scope;

/// Opens the way to endpoints of one scope.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    scope: Arc<Scope>,
}

/// How a connection attempt began, or went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    Connected,
    UnderWay,
    /// The kernel's answer, from the network or from this machine.
    Failed(Errno),
    /// Not tried: the endpoint is not in scope.
    OutOfScope,
}

impl Gate {
    pub(crate) fn new(scope: Arc<Scope>) -> Self {
        Self { scope }
    }

    fn permits(&self, endpoint: SocketAddr) -> bool {
        self.scope.permits(endpoint.ip(), endpoint.port()) && means_itself(endpoint.ip())
    }

    /// Whether a frame may be sent to this host, on ports of the scope.
    pub(crate) fn permits_host(&self, host: IpAddr) -> bool {
        self.scope.permits_host(host) && means_itself(host)
    }

    /// Starts to connect, or asks how far it got when called again for the same endpoint.
    pub(crate) fn connect(&self, socket: impl AsFd, endpoint: SocketAddr) -> Attempt {
        if !self.permits(endpoint) {
            return Attempt::OutOfScope;
        }
        match connect(&socket, &endpoint) {
            Ok(()) | Err(Errno::ISCONN) if is_its_own_peer(&socket) => {
                // The kernel chose the very port that we asked for as our own, which it does only where
                // nobody listens, and the socket met itself (RFC 9293, section 3.5, simultaneous open).
                let dissolved = connect_unspec(&socket).and_then(|()| sockopt::socket_error(&socket));
                Attempt::Failed(dissolved.map_or_else(|errno| errno, |_| Errno::CONNREFUSED))
            }
            Ok(()) | Err(Errno::ISCONN) => Attempt::Connected,
            Err(Errno::INPROGRESS | Errno::ALREADY) => Attempt::UnderWay,
            Err(errno) => Attempt::Failed(errno),
        }
    }

    /// Says whether a datagram socket that stays unconnected, since answers come from other ports, may send there.
    pub(crate) fn leave_unconnected(&self, socket: impl AsFd, endpoint: SocketAddr) -> Attempt {
        match self.connect(&socket, endpoint) {
            Attempt::Connected => match connect_unspec(&socket) {
                Ok(()) => Attempt::Connected,
                Err(errno) => Attempt::Failed(errno),
            },
            attempt => attempt,
        }
    }

    /// Whether this machine knows the address as a broadcast address, which TCP cannot tell from a missing
    /// route. Connecting a datagram socket sends nothing.
    pub(crate) fn is_broadcast(&self, endpoint: SocketAddr) -> bool {
        self.permits(endpoint)
            && socket_with(family(endpoint), SocketType::DGRAM, SocketFlags::CLOEXEC, None)
                .is_ok_and(|socket| connect(socket, &endpoint) == Err(Errno::ACCESS))
    }
}

/// Linux takes 0.0.0.0 and :: for this machine, and ::ffff:a.b.c.d for a.b.c.d: there the scope would say
/// one address and the packet another.
fn means_itself(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_unspecified() && v6.to_ipv4_mapped().is_none(),
    }
}

fn is_its_own_peer(socket: impl AsFd) -> bool {
    matches!((getsockname(&socket), getpeername(&socket)), (Ok(own), Ok(Some(peer))) if own == peer)
}

/// A socket that connects without waiting.
pub(crate) fn stream_socket(family: AddressFamily) -> Result<OwnedFd, Errno> {
    socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
}

pub(crate) fn family(endpoint: SocketAddr) -> AddressFamily {
    if endpoint.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    }
}
