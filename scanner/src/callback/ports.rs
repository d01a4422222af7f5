//! Ports of this machine that nobody uses: neither the kernel, which gives others out by itself, nor who listens.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt::set_ipv6_v6only};

/// A block of ports of which no other scan takes any.
#[derive(Debug)]
pub(super) struct Ports {
    /// The first and the last.
    pub(super) block: RangeInclusive<u16>,
    /// Those that can be given out.
    pub(super) free: Vec<u16>,
    /// The first port is held, so that the block is known to be taken; it is never given out.
    _held: UdpSocket,
}

impl Ports {
    /// Takes a block; only ports of which this machine has not bound any socket of that family are free.
    pub(super) fn take(family: IpAddr) -> io::Result<Self> {
        let blocks = rooms(&given_out_by_the_kernel()?);
        let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
        for block in blocks {
            match UdpSocket::bind((any(family), *block.start())) {
                Ok(held) => {
                    let rest = block.clone().skip(1);
                    return Ok(Self {
                        free: rest.filter(|port| is_free(any(family), *port)).collect(),
                        block,
                        _held: held,
                    });
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

/// The ports from which connections are made that name none (`ip_local_port_range`, ip(7)).
fn given_out_by_the_kernel() -> io::Result<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let mut ends = text.split_whitespace().map(str::parse);
    match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Blocks outside of a range: those above it first, where the raw scanners take none.
fn rooms(given_out: &RangeInclusive<u16>) -> Vec<RangeInclusive<u16>> {
    let (below, above) = (*given_out.start(), given_out.end().saturating_add(1));
    let starts = |first: u16, last: u16| {
        let whole = move |start: &u16| last - start >= BLOCK - 1;
        (first..=last).step_by(BLOCK.into()).take_while(whole)
    };
    starts(above.max(FIRST), u16::MAX)
        .chain(starts(FIRST, below.saturating_sub(1)))
        .map(|start| start..=start + (BLOCK - 1))
        .collect()
}

/// Whether no socket has the port, over TCP and UDP; nothing ever listens there meanwhile.
fn is_free(any: IpAddr, port: u16) -> bool {
    let family = match any {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    [SocketType::STREAM, SocketType::DGRAM].into_iter().all(|type_| {
        let bound = socket_with(family, type_, SocketFlags::CLOEXEC, None).and_then(|socket| {
            if any.is_ipv6() {
                set_ipv6_v6only(&socket, false)?;
            }
            bind(&socket, &SocketAddr::new(any, port))
        });
        bound.is_ok()
    })
}

fn any(family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Above the ports of services.
const FIRST: u16 = 20_000;
/// As many injections can be told apart in one scan, less one.
const BLOCK: u16 = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn blocks_lie_outside_of_what_the_kernel_gives_out() {
        let starts = |range| {
            rooms(&range)
                .iter()
                .map(|block| *block.start())
                .collect::<Vec<_>>()
        };
        assert_eq!(starts(32_768..=60_999)[..3], [61_000, 63_048, 20_000]);
        assert_eq!(starts(1024..=65_535), [0; 0]);
        assert_eq!(starts(1024..=62_000), [62_001]);
        for range in [32_768..=60_999, 1..=19_000, 20_000..=20_001, 30_000..=65_535] {
            for block in rooms(&range) {
                assert!(block.end() < range.start() || range.end() < block.start());
            }
        }
    }

    #[test]
    fn a_port_on_which_somebody_listens_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(Ipv4Addr::UNSPECIFIED.into(), port));
        let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = datagrams.local_addr().unwrap().port();
        assert!(!is_free(Ipv4Addr::UNSPECIFIED.into(), port));
    }

    #[test]
    fn two_scans_have_no_port_in_common() {
        let family = Ipv4Addr::LOCALHOST.into();
        let (one, other) = (Ports::take(family).unwrap(), Ports::take(family).unwrap());
        assert_ne!(one.block, other.block);
        assert!(one.free.len() > 1000);
        assert!(
            one.free
                .iter()
                .all(|port| one.block.contains(port) && port != one.block.start())
        );
    }
}
