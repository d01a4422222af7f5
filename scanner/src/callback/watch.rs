//! Sees the packets that come to the ports of a ledger: a packet socket of our own, behind a locked filter that lets
//! nothing else through. It sends nothing.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{RecvFlags, recv},
};
use vedette_sys::packet::{
    self,
    filter::{Test, any_of},
};

use super::{Callbacks, Ledger, ports::Ports};
use crate::packet::ip;

/// Somebody who watches for callbacks, in a thread of its own that ends soon after this is dropped.
#[derive(Debug)]
pub struct Watch {
    callbacks: Callbacks,
    over: Arc<AtomicBool>,
    /// Ours for as long as we watch.
    _ports: Ports,
}

/// Callbacks cannot be watched for.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// This process may not see packets.
    #[error("opening a packet socket; it needs root, or CAP_NET_RAW")]
    NotPermitted(#[source] io::Error),
    /// There is no way to the target, and so no address of ours that it would know.
    #[error("finding the address that {target} sees of this machine")]
    NoAddress {
        /// The target.
        target: IpAddr,
        /// The kernel's word.
        #[source]
        source: io::Error,
    },
    /// The system has no thread to spare.
    #[error("starting a thread that sees packets")]
    NoThread(#[source] io::Error),
    /// All ports are in use.
    #[error("taking ports that nobody uses")]
    NoPorts(#[source] io::Error),
}

impl Watch {
    /// Watches for what these targets send.
    ///
    /// # Errors
    /// When no packet can be seen, or there is no port that could be named.
    pub fn open(targets: Vec<IpAddr>) -> Result<Self, WatchError> {
        // Whether packets can be seen at all is told before anything else.
        packet::open().map_err(WatchError::NotPermitted)?;
        let target = targets
            .first()
            .copied()
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let own = own_address(target).map_err(|source| WatchError::NoAddress { target, source })?;
        let ports = Ports::take(own).map_err(WatchError::NoPorts)?;
        let (first, last) = (*ports.block.start(), *ports.block.end());
        let tests = [ip::TCP, ip::UDP].map(|protocol| Test::to_ports(protocol, first, last - first + 1));
        let tests: Vec<&[Test]> = tests.iter().flatten().map(Vec::as_slice).collect();
        let socket = watching(&any_of(&tests)).map_err(WatchError::NotPermitted)?;
        let mut free = ports.free.clone();
        let order = RandomState::new();
        free.sort_by_key(|port| order.hash_one(port));
        let ledger = Ledger::new(own, targets, free).with_decoys(DECOYS);
        let watch = Self {
            callbacks: Callbacks::new(ledger),
            over: Arc::default(),
            _ports: ports,
        };
        let (callbacks, over) = (watch.callbacks(), watch.over.clone());
        thread::Builder::new()
            .name("callbacks".to_owned())
            .spawn(move || read(&socket, &callbacks, &over))
            .map_err(WatchError::NoThread)?;
        Ok(watch)
    }

    /// The ledger.
    pub fn callbacks(&self) -> Callbacks {
        self.callbacks.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The socket, behind its filter, on every interface.
fn watching(program: &[packet::Instruction]) -> io::Result<OwnedFd> {
    let socket = packet::open()?;
    packet::attach_filter(&socket, program)?;
    packet::lock_filter(&socket)?;
    packet::ignore_outgoing(&socket)?;
    packet::bind(&socket, EVERY_INTERFACE, EVERYTHING)?;
    Ok(socket)
}

/// Takes in what arrives, until it is over.
fn read(socket: &OwnedFd, callbacks: &Callbacks, over: &AtomicBool) {
    let mut frame = vec![0; FRAME];
    while !over.load(Ordering::Relaxed) {
        let mut waited = [PollFd::new(socket, PollFlags::IN)];
        if !matches!(poll(&mut waited, Some(&LOOK_UP)), Ok(1..)) {
            continue;
        }
        // An interface that went down is told of once, as an error; those that are up are still seen.
        if let Ok((length, _)) = recv(socket, frame.as_mut_slice(), RecvFlags::DONTWAIT) {
            callbacks.take(&frame[..length.min(FRAME)]);
        }
    }
}

/// The address of ours that a target sees; nothing is sent.
fn own_address(target: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match target {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(SocketAddr::new(target, DISCARD))?;
    Ok(socket.local_addr()?.ip())
}

/// So few that there are ports left, so many that who asks every port meets some.
const DECOYS: usize = 64;
const EVERY_INTERFACE: u32 = 0;
/// `ETH_P_ALL`.
const EVERYTHING: u16 = 3;
/// The longest frame of an interface that joins segments together.
const FRAME: usize = 64 * 1024 + 64;
/// How often it is looked up whether it is over.
const LOOK_UP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// RFC 863; any would do.
const DISCARD: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        time::Duration,
    };
    use vedette_protocol::finding::Transport;

    #[tokio::test]
    async fn who_connects_is_seen_and_nobody_answers() {
        let local: IpAddr = Ipv4Addr::LOCALHOST.into();
        let watch = Watch::open(vec![local]).unwrap();
        let callbacks = watch.callbacks();
        let (hit, spared) = (callbacks.allot().unwrap(), callbacks.allot().unwrap());
        let connecting = tokio::task::spawn_blocking(move || {
            let refused = TcpStream::connect(hit).unwrap_err();
            UdpSocket::bind("127.0.0.1:0")
                .unwrap()
                .send_to(b"?", hit)
                .unwrap();
            // Traffic that is none of ours.
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            TcpStream::connect(other.local_addr().unwrap()).unwrap();
            refused.kind()
        });
        assert_eq!(connecting.await.unwrap(), io::ErrorKind::ConnectionRefused);
        let mut over = Vec::new();
        while over.len() < 2 {
            let contacts = callbacks.contacts(&[hit.port()], Duration::from_secs(20)).await;
            over = contacts.iter().map(|(_, contact)| contact.over).collect();
            tokio::task::yield_now().await;
        }
        assert_eq!(over, [Transport::Tcp, Transport::Udp]);
        assert_eq!(callbacks.contacts(&[spared.port()], Duration::ZERO).await, []);
    }

    #[test]
    fn an_address_of_ours_is_found_for_each_family() {
        for address in ["127.0.0.1", "::1"] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(own_address(address).unwrap(), address);
        }
    }
}
