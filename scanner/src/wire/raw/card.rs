//! One network adapter, as a packet socket sees it: frames out in batches, frames in through a ring.
//!
//! The only file of the raw scanners that sends or receives, for itself or [`Second`]. The socket is its own, or given: then its filter is
//! whatever its giver has locked.

use std::{io, io::IoSlice, time::Duration};

use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg},
};
use vedette_sys::packet::{self, Instruction, Membership, ring::Ring};

use super::second::Second;
use crate::packet::Mac;

/// An adapter that can be scanned through.
#[derive(Debug)]
pub(super) struct Card {
    socket: OwnedFd,
    ring: Ring,
    second: Option<Second>,
    /// The kernel's number of it.
    pub(super) interface: u32,
    /// Its own address.
    pub(super) mac: Mac,
}

/// Frames that go out together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// So many frames went out, all of them or as many as there was room for.
    Frames(usize),
    /// The first one was refused: no room, or a filter that drops it, which look alike.
    Refused,
    /// The adapter is gone, or down.
    Gone,
}

impl Card {
    /// Opens a socket on an adapter; it receives what the program accepts.
    pub(super) fn open(interface: u32, mac: Mac, program: &[Instruction]) -> io::Result<Self> {
        let socket = packet::open()?;
        packet::attach_filter(&socket, program)?;
        packet::lock_filter(&socket)?;
        packet::ignore_outgoing(&socket)?;
        packet::bypass_queue(&socket)?;
        Self::given(socket, interface, mac)
    }

    /// Makes use of a socket that nobody else uses: not bound yet, or done with by the sweep before this one.
    pub(super) fn given(socket: OwnedFd, interface: u32, mac: Mac) -> io::Result<Self> {
        Ring::release(&socket)?;
        let ring = Ring::new(&socket, BLOCKS, RETIRE)?;
        packet::bind(&socket, interface, EVERYTHING)?;
        Ok(Self {
            second: Second::beside(socket.try_clone()?),
            socket,
            ring,
            interface,
            mac,
        })
    }

    /// Takes in frames to a multicast address as well.
    pub(super) fn join(&self, group: Mac) -> io::Result<()> {
        packet::join(&self.socket, self.interface, Membership::Multicast(group.0))
    }

    /// Sends from the given frame on.
    pub(super) fn send(&self, frames: &Frames, from: usize) -> Sent {
        send(&self.socket, frames, from)
    }

    /// Has frames sent by somebody else meanwhile, and leaves none behind; false: there is nobody.
    pub(super) fn begin(&self, frames: &mut Frames) -> bool {
        let Some(second) = &self.second else {
            return false;
        };
        match second.begin(std::mem::take(frames)) {
            Ok(()) => true,
            Err(back) => {
                *frames = back;
                false
            }
        }
    }

    /// Waits for that, and says how many of them went out.
    pub(super) fn end(&self, frames: &mut Frames) -> usize {
        let Some((back, sent)) = self.second.as_ref().and_then(Second::end) else {
            return 0;
        };
        *frames = back;
        sent
    }

    /// Hands over the frames that came in, at most those of so many blocks.
    pub(super) fn receive(&mut self, blocks: usize, mut take: impl FnMut(&[u8])) {
        for _ in 0..blocks {
            let Some(block) = self.ring.block() else { return };
            block.frames().for_each(|frame| take(frame.bytes));
        }
    }

    /// Frames that came in and for which there was no room, since this was last asked.
    pub(super) fn dropped(&self) -> u32 {
        packet::statistics(&self.socket).map_or(0, |statistics| statistics.dropped)
    }
}

/// Sends from the given frame on, through a socket that is bound to its adapter.
pub(super) fn send(socket: &OwnedFd, frames: &Frames, from: usize) -> Sent {
    let count = frames.len() - from;
    let slices: Vec<[IoSlice<'_>; 1]> = (from..frames.len())
        .map(|at| [IoSlice::new(frames.at(at))])
        .collect();
    let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> = Vec::new();
    nothing.resize_with(count, SendAncillaryBuffer::default);
    let mut messages: Vec<MMsgHdr<'_>> = slices
        .iter()
        .zip(&mut nothing)
        .map(|(slice, nothing)| MMsgHdr::new(slice, nothing))
        .collect();
    match sendmmsg(socket, &mut messages, SendFlags::DONTWAIT) {
        // The kernel tells of the frame that it stopped at with the next call.
        Ok(sent) => Sent::Frames(sent),
        Err(Errno::NETDOWN | Errno::NXIO | Errno::NODEV) => Sent::Gone,
        Err(Errno::INTR) => Sent::Frames(0),
        Err(_) => Sent::Refused,
    }
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Frames {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn at(&self, at: usize) -> &[u8] {
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[begin..self.ends[at]]
    }
}

/// 8 MiB: some sixty thousand answers.
const BLOCKS: u16 = 128;
const RETIRE: Duration = Duration::from_millis(2);
/// `ETH_P_ALL`.
const EVERYTHING: u16 = 3;
