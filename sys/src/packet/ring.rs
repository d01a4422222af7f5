//! The receive ring of a packet socket (packet_mmap in the kernel's documentation, version 3): memory shared with
//! the kernel, which fills it block by block.
//!
//! Who owns a block is in its status word. The kernel writes to a block only while it owns it, and we read it only
//! while we own it: a [`Block`] is that ownership, and gives the block back when it is dropped.

use std::{
    io, mem,
    os::fd::AsFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::set;

/// A receive ring. The socket that it was made of stays open elsewhere: wait on it with poll(2).
#[derive(Debug)]
pub struct Ring {
    memory: NonNull<u8>,
    blocks: usize,
    next: usize,
}

/// One block of frames, ours until it is dropped.
#[derive(Debug)]
pub struct Block<'a> {
    status: &'a AtomicU32,
    /// From [`OPEN`] on; what is before it is the kernel's to change.
    bytes: &'a [u8],
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What was kept of it, from the Ethernet header on, without the VLAN tag that the kernel took out.
    pub bytes: &'a [u8],
    /// How long it was, in bytes.
    pub length: usize,
    /// The tag that the kernel took out (802.1Q: priority and VLAN id).
    pub tag: Option<u16>,
}

#[expect(unsafe_code, reason = "a pointer to memory of its own")]
// SAFETY: the memory belongs to the ring alone, wherever the ring is; blocks borrow it.
unsafe impl Send for Ring {}

impl Ring {
    /// Has the socket receive into a ring of so many blocks of [`BLOCK`] bytes. A block that is not full is handed
    /// over after `wait`, in whole milliseconds, one at least.
    ///
    /// # Errors
    /// The kernel's: ENOMEM, EBUSY when the socket has a ring already.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub fn new(socket: impl AsFd, blocks: u16, wait: Duration) -> io::Result<Self> {
        let socket = socket.as_fd();
        set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &VERSION)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_SIZE,
            tp_block_nr: blocks.into(),
            tp_frame_size: BLOCK_SIZE,
            tp_frame_nr: blocks.into(),
            tp_retire_blk_tov: u32::try_from(wait.as_millis().clamp(1, 1000)).unwrap_or(1000),
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let blocks = usize::from(blocks);
        let (whole, access) = (blocks * BLOCK, ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping, wherever the kernel puts it, touches no memory that is in use.
        let memory = unsafe { mmap(ptr::null_mut(), whole, access, MapFlags::SHARED, socket, 0) }?;
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            memory,
            blocks,
            next: 0,
        })
    }

    /// Takes its ring from a socket whose ring was dropped here, so that it can have another. One without is left as it
    /// is.
    ///
    /// # Errors
    /// The kernel's: EBUSY when the ring is in use.
    pub fn release(socket: impl AsFd) -> io::Result<()> {
        // No block is no ring (packet_mmap).
        let none = libc::tpacket_req3 {
            tp_block_size: 0,
            tp_block_nr: 0,
            tp_frame_size: 0,
            tp_frame_nr: 0,
            tp_retire_blk_tov: 0,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_RX_RING, &none)
    }

    /// The next block, if the kernel has handed it over.
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    pub fn block(&mut self) -> Option<Block<'_>> {
        // SAFETY: `next` is less than `blocks`, so that the block lies in the mapping.
        let block = unsafe { self.memory.add(self.next * BLOCK) };
        // SAFETY: a block has BLOCK bytes, and STATUS is less.
        let status = unsafe { block.add(STATUS) };
        // SAFETY: mapped for as long as `self` lives; aligned, since a block is on a page and STATUS a multiple of
        // four; and both sides access this word atomically.
        let status = unsafe { AtomicU32::from_ptr(status.as_ptr().cast()) };
        // Acquire: what the kernel wrote before the status is seen after it.
        if status.load(Ordering::Acquire) & OURS == 0 {
            return None;
        }
        self.next = (self.next + 1) % self.blocks;
        // SAFETY: a block has BLOCK bytes, and OPEN is less.
        let open = unsafe { block.add(OPEN) };
        // SAFETY: BLOCK - OPEN bytes from there on are in the mapping. The kernel does not write to them until the
        // status says that the block is its own, which `Block` does when it is dropped, after this borrow.
        let bytes = unsafe { std::slice::from_raw_parts(open.as_ptr(), BLOCK - OPEN) };
        Some(Block { status, bytes })
    }
}

impl Drop for Ring {
    #[expect(unsafe_code, reason = "memory shared with the kernel")]
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `new` with this length, and no block outlives the ring.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast(), self.blocks * BLOCK) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own");
    }
}

impl Block<'_> {
    /// The frames, in the order in which they came.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let count = self.word(HEADER + mem::offset_of!(libc::tpacket_hdr_v1, num_pkts));
        let mut next = self.word(HEADER + mem::offset_of!(libc::tpacket_hdr_v1, offset_to_first_pkt));
        (0..count.unwrap_or(0)).map_while(move |_| {
            let at = next?;
            let step = self.word(at.checked_add(mem::offset_of!(libc::tpacket3_hdr, tp_next_offset))?)?;
            // The last one has no next.
            next = at.checked_add(step).filter(|_| step > 0);
            self.frame(at)
        })
    }

    fn frame(&self, at: usize) -> Option<Frame<'_>> {
        let field = |offset: usize| self.word(at.checked_add(offset)?);
        let kept = field(mem::offset_of!(libc::tpacket3_hdr, tp_snaplen))?;
        let length = field(mem::offset_of!(libc::tpacket3_hdr, tp_len))?;
        let status = field(mem::offset_of!(libc::tpacket3_hdr, tp_status))?;
        // The second word of the part that is different in other versions: tp_vlan_tci.
        let tag = field(mem::offset_of!(libc::tpacket3_hdr, hv1) + 4)?;
        let mac = at.checked_add(mem::offset_of!(libc::tpacket3_hdr, tp_mac))?;
        let mac = u16::from_ne_bytes(self.slice(mac, 2)?.try_into().ok()?);
        Some(Frame {
            bytes: self.slice(at.checked_add(mac.into())?, kept)?,
            length,
            tag: u16::try_from(tag).ok().filter(|_| status & TAGGED != 0),
        })
    }

    fn word(&self, at: usize) -> Option<usize> {
        let word = u32::from_ne_bytes(self.slice(at, 4)?.try_into().ok()?);
        usize::try_from(word).ok()
    }

    /// Bytes of the block, counted from its beginning.
    fn slice(&self, at: usize, length: usize) -> Option<&[u8]> {
        let at = at.checked_sub(OPEN)?;
        self.bytes.get(at..at.checked_add(length)?)
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        // Release: our reads are over before the kernel may write.
        self.status.store(THEIRS, Ordering::Release);
    }
}

/// Bytes of a block: room for the longest frame, or for several hundred answers of a port scan.
pub const BLOCK: usize = BLOCK_SIZE as usize;
const BLOCK_SIZE: u32 = 1 << 16;

/// Where the header of a block begins, behind version and an offset (`struct tpacket_block_desc`).
const HEADER: usize = 8;
const STATUS: usize = HEADER + mem::offset_of!(libc::tpacket_hdr_v1, block_status);
/// What follows the status word.
const OPEN: usize = STATUS + 4;
const OURS: u32 = libc::TP_STATUS_USER;
const THEIRS: u32 = libc::TP_STATUS_KERNEL;
const TAGGED: usize = libc::TP_STATUS_VLAN_VALID as usize;
/// `TPACKET_V3`.
const VERSION: i32 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{
        bind, ignore_outgoing, open, statistics,
        tests::{LOOPBACK, OURS, frame, send},
    };
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        fd::OwnedFd,
    };

    fn wait(socket: &OwnedFd) -> bool {
        let limit = Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        };
        poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&limit)).unwrap() == 1
    }

    fn pair(type_: u16, blocks: u16) -> (OwnedFd, OwnedFd, Ring) {
        let (sender, receiver) = (open().unwrap(), open().unwrap());
        bind(&sender, LOOPBACK, 0).unwrap();
        let ring = Ring::new(&receiver, blocks, Duration::from_millis(1)).unwrap();
        ignore_outgoing(&receiver).unwrap();
        bind(&receiver, LOOPBACK, type_).unwrap();
        (sender, receiver, ring)
    }

    /// A frame of a type that no other test listens for.
    fn numbered(type_: u16, number: u32) -> Vec<u8> {
        let mut frame = frame(&[&number.to_be_bytes()[..], &[0; 40]].concat());
        frame[12..14].copy_from_slice(&type_.to_be_bytes());
        frame
    }

    #[test]
    fn every_frame_comes_once_and_in_order_and_blocks_serve_again() {
        let (sender, receiver, mut ring) = pair(OURS + 1, 4);
        let mut next = 0_u32;
        // Several times what the ring holds.
        for round in 0..40 {
            for number in 0..200 {
                send(&sender, &numbered(OURS + 1, round * 200 + number));
            }
            while next < (round + 1) * 200 {
                assert!(wait(&receiver));
                while let Some(block) = ring.block() {
                    for frame in block.frames() {
                        assert_eq!((frame.bytes.len(), frame.length, frame.tag), (58, 58, None));
                        assert_eq!(frame.bytes[14..18], next.to_be_bytes());
                        next += 1;
                    }
                }
            }
        }
        assert_eq!(statistics(&receiver).unwrap().dropped, 0);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let (sender, receiver, mut ring) = pair(OURS + 2, 2);
        for number in 0..4000 {
            send(&sender, &numbered(OURS + 2, number));
        }
        assert!(wait(&receiver));
        let mut received = 0;
        while let Some(block) = ring.block() {
            received += block.frames().count();
        }
        let counted = statistics(&receiver).unwrap();
        assert!(
            counted.dropped > 0 && received < 4000,
            "{counted:?} and {received}"
        );
    }

    #[test]
    fn a_socket_has_one_ring_after_the_other_and_never_two() {
        let (sender, receiver, ring) = pair(OURS + 3, 2);
        let again = || Ring::new(&receiver, 2, Duration::from_millis(1));
        assert_eq!(
            Ring::release(&receiver).unwrap_err().kind(),
            io::ErrorKind::ResourceBusy
        );
        assert_eq!(again().unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(ring);
        Ring::release(&receiver).unwrap();
        Ring::release(&receiver).unwrap();
        let mut ring = again().unwrap();
        send(&sender, &numbered(OURS + 3, 7));
        assert!(wait(&receiver));
        let block = ring.block().unwrap();
        assert_eq!(block.frames().count(), 1);
    }

    #[test]
    fn a_block_whose_words_make_no_sense_gives_no_frames_beyond_it() {
        for fill in [0_u8, 1, 0x40, 0x7f, 0xff] {
            let (status, bytes) = (AtomicU32::new(0), vec![fill; BLOCK - OPEN]);
            let block = Block {
                status: &status,
                bytes: &bytes,
            };
            assert!(block.frames().take(BLOCK).all(|frame| frame.bytes.len() < BLOCK));
        }
    }
}
