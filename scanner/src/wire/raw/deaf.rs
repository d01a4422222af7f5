//! Ports of this machine that are ours for the time of a scan, and of which the kernel says nothing to anybody.
//!
//! A scanner that borrows the kernel's address gets its answers on ports that the kernel knows nothing of, so that
//! the kernel would reset every connection that a target accepts. So each port is taken by a socket of ours that
//! listens, behind a filter that drops everything (locked before it listens): the kernel finds an owner for what
//! comes in, hands it to the filter, and is silent. It accepts nothing, changes no rule of the machine's own packet
//! filter, no other program can get the port meanwhile, and it is gone when the process is. The scanner itself resets
//! what was accepted, at its own pace. (A filter on a socket takes CAP_NET_ADMIN on Linux 6.18, on older ones nothing.)

use std::io;

use rustix::{
    fd::OwnedFd,
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt::set_ipv6_v6only},
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use vedette_sys::packet::{Instruction, attach_filter, lock_filter};

/// A run of ports that are ours, TCP and UDP.
#[derive(Debug)]
pub(super) struct DeafPorts {
    first: u16,
    _sockets: Vec<OwnedFd>,
}

impl DeafPorts {
    /// So many ports next to one another, somewhere that `seed` leads to.
    pub(super) fn take(count: u16, seed: u64) -> io::Result<Self> {
        let places = u64::from((LAST - FIRST) / count);
        let mut refused = Errno::ADDRINUSE;
        for attempt in 0..ATTEMPTS {
            let place = seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9)) % places;
            let first = FIRST + count * u16::try_from(place).unwrap_or_default();
            match (first..first + count).map(deaf).collect::<Result<Vec<_>, _>>() {
                Ok(sockets) => {
                    return Ok(Self {
                        first,
                        _sockets: sockets.into_iter().flatten().collect(),
                    });
                }
                Err(errno) => refused = errno,
            }
        }
        Err(refused.into())
    }

    /// The first of them.
    pub(super) fn first(&self) -> u16 {
        self.first
    }
}

/// Both transports on one port, of both families.
fn deaf(port: u16) -> Result<[OwnedFd; 2], Errno> {
    let tcp = bound(SocketType::STREAM, port)?;
    listen(&tcp, 1)?;
    Ok([tcp, bound(SocketType::DGRAM, port)?])
}

fn bound(type_: SocketType, port: u16) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (socket, any) = match socket_with(AddressFamily::INET6, type_, flags, None) {
        Ok(socket) => {
            set_ipv6_v6only(&socket, false)?;
            (socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
        }
        // A machine without IPv6.
        Err(Errno::AFNOSUPPORT) => {
            let socket = socket_with(AddressFamily::INET, type_, flags, None)?;
            (socket, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
        Err(errno) => return Err(errno),
    };
    // Deaf before it has a port: nothing ever reaches it.
    let drop_all = [Instruction {
        code: RETURN,
        when: 0,
        otherwise: 0,
        operand: 0,
    }];
    let deafened = attach_filter(&socket, &drop_all).and_then(|()| lock_filter(&socket));
    deafened.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    bind(&socket, &any)?;
    Ok(socket)
}

/// Below the ports that the kernel gives out by itself (`ip_local_port_range`), above those of services.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;
const ATTEMPTS: u64 = 64;
const RETURN: u16 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        time::Duration,
    };

    #[test]
    fn they_are_ours_and_silent() {
        let ports = DeafPorts::take(4, 7).unwrap();
        for port in ports.first()..ports.first() + 4 {
            let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            assert!(TcpListener::bind(endpoint).is_err());
            assert!(UdpSocket::bind(endpoint).is_err());
            // Neither accepted nor refused.
            let tried = TcpStream::connect_timeout(&endpoint, Duration::from_millis(50)).unwrap_err();
            assert_eq!(tried.kind(), io::ErrorKind::TimedOut);
        }
        let others = DeafPorts::take(4, 7).unwrap();
        assert_ne!(others.first(), ports.first());
    }
}
