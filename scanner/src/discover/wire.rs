//! The I/O of a discovery: sends parcels, brings frames, decides nothing.
//!
//! What must stay true: nothing leaves here that the scope does not permit, asked again for each parcel; frames
//! leave on the link that they were made for. Everything else leaves by the kernel's own routes ([`kernel`]), or, where
//! nothing but packet sockets was lent to this process, as frames as well ([`frames`]).

mod frames;
mod kernel;

use std::{
    io,
    net::IpAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    net::{SendFlags, send, sockopt},
};
use vedette_protocol::{JobScope, finding::Transport};
use vedette_sys::packet::{self, Membership, ring::Ring};

use self::{frames::Frames, kernel::Kernel};
use super::{
    course::Hindrance,
    local::Local,
    question::{Own, Parcel},
};
use crate::{packet::ip, wire::Lent};

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
    scope: Arc<JobScope>,
    taps: Vec<Tap>,
    by: By,
}

/// By what everything leaves that is no frame yet.
#[derive(Debug)]
enum By {
    Kernel(Kernel),
    Frames(Frames),
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
    pub(crate) fn open(scope: Arc<JobScope>, local: &Local) -> Result<Self, WireError> {
        let taps = local.links.iter().map(|link| Tap::on(link.index));
        let taps: Result<_, io::Error> = taps.collect();
        Ok(Self {
            scope,
            taps: taps.map_err(failed("a packet socket"))?,
            by: By::Kernel(Kernel::open(local)?),
        })
    }

    /// Takes what was lent, and asks for the adapters of the routers that lead to the scope.
    pub(crate) fn lent(scope: Arc<JobScope>, lent: &[Lent], local: &Local) -> Result<Self, WireError> {
        let taps = lent.iter().map(Tap::lent).collect::<Result<_, io::Error>>();
        let mut wire = Self {
            taps: taps.map_err(failed("the packet sockets that were lent"))?,
            by: By::Frames(Frames::new(lent, local.clone())),
            scope,
        };
        wire.meet_routers();
        Ok(wire)
    }

    /// Waits a moment for the routers' answers. Who does not answer leads nowhere.
    fn meet_routers(&mut self) {
        for _ in 0..ROUNDS {
            let By::Frames(frames) = &self.by else { return };
            let questions = frames.for_routers(&self.scope.area);
            if questions.is_empty() {
                return;
            }
            for (link, question) in questions {
                // What does not leave is asked once more.
                let _sent = on(&mut self.taps, link, &question);
            }
            let end = Instant::now() + ROUND;
            while let rest = end.saturating_duration_since(Instant::now())
                && !rest.is_zero()
            {
                if self.wait(rest).is_err() {
                    thread::sleep(rest);
                }
                self.frames(|_, _, _| ());
            }
        }
    }

    /// Where answers come back to.
    pub(crate) fn own(&self) -> Own {
        match &self.by {
            By::Kernel(kernel) => kernel.own(),
            By::Frames(frames) => frames.own(),
        }
    }

    /// Sends a parcel, if the scope permits it.
    pub(crate) fn send(&mut self, parcel: &Parcel) -> Sent {
        if !self.permits(parcel) {
            return Sent::Refused(Hindrance::OutOfScope);
        }
        let (sent, length) = match (&self.by, parcel) {
            (_, Parcel::Frame { link, bytes, .. }) => (on(&mut self.taps, *link, bytes), bytes.len()),
            (By::Kernel(kernel), parcel) => kernel.send(parcel),
            (By::Frames(frames), parcel) => match frames.frame(parcel) {
                Some((link, bytes)) => (on(&mut self.taps, link, &bytes), bytes.len()),
                None => return Sent::Refused(Hindrance::NoRoute),
            },
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
                    if let By::Frames(frames) = &mut self.by {
                        frames.hear(tap.link, frame.bytes);
                    }
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

    fn permits(&self, parcel: &Parcel) -> bool {
        let scope = &self.scope;
        let (to, permitted) = match parcel {
            Parcel::Frame { about, .. } => (*about, scope.area.permits(*about)),
            Parcel::Packet {
                destination,
                port: None,
                ..
            } => (*destination, scope.area.permits(*destination)),
            Parcel::Packet {
                destination,
                port: Some(port),
                protocol,
                ..
            } => {
                let permitted = *protocol == ip::TCP && scope.permits(*destination, Transport::Tcp, *port);
                (*destination, permitted)
            }
            Parcel::Datagram { destination, .. } => {
                let (host, port) = (destination.ip(), destination.port());
                (host, scope.permits(host, Transport::Udp, port))
            }
        };
        permitted && means_itself(to)
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

    /// On a socket that nobody else uses meanwhile; it hears what its lender lets in.
    fn lent(lent: &Lent) -> io::Result<Self> {
        let socket = lent.socket.try_clone()?;
        Ring::release(&socket)?;
        let ring = Ring::new(&socket, BLOCKS, READY)?;
        packet::bind(&socket, lent.adapter.interface, ALL_TYPES)?;
        Ok(Self {
            link: lent.adapter.interface,
            socket,
            ring,
            gone: false,
        })
    }
}

/// Sends a frame on a link.
fn on(taps: &mut [Tap], link: u32, bytes: &[u8]) -> Result<usize, Errno> {
    let tap = taps.iter_mut().find(|tap| tap.link == link).ok_or(Errno::NODEV)?;
    let sent = send(&tap.socket, bytes, SendFlags::DONTWAIT);
    tap.gone |= matches!(sent, Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV));
    sent
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> WireError {
    move |source| WireError { what, source }
}

/// Linux takes 0.0.0.0 and :: for this machine, and ::ffff:a.b.c.d for a.b.c.d: there the scope would say one
/// address and the packet another.
fn means_itself(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.octets()[0] != 0,
        IpAddr::V6(v6) => !v6.is_unspecified() && v6.to_ipv4_mapped().is_none(),
    }
}

/// `ETH_P_ALL`.
const ALL_TYPES: u16 = 3;
/// Of 64 KiB each, for every link: room for what comes in while we are not looked after for 50 ms.
const BLOCKS: u16 = 16;
const READY: Duration = Duration::from_millis(1);
const USUAL_HOPS: u8 = 64;
/// How often routers are asked for their adapters, and how long they may take.
const ROUNDS: u8 = 3;
const ROUND: Duration = Duration::from_millis(200);
