//! The fastest that a program can be here: one frame, the same again and again, handed to the kernel in batches by one
//! core that does nothing else.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, netdevice, sendmmsg};
use rustix::thread::{CpuSet, sched_setaffinity};
use vedette_sys::packet;

use super::field::{Field, ONE_CORE};

/// Frames a second.
pub(super) fn rate(field: &Field) -> Result<f64> {
    field.at_scanner(|| {
        let mut core = CpuSet::new();
        core.set(ONE_CORE);
        sched_setaffinity(None, &core).context("staying on one core")?;
        let socket = packet::open()?;
        packet::bypass_queue(&socket)?;
        packet::bind(&socket, netdevice::name_to_index(&socket, "eth0")?, 0)?;
        let slice = [IoSlice::new(&FRAME)];
        let mut nothing: Vec<SendAncillaryBuffer<'_, '_, '_>> = Vec::new();
        nothing.resize_with(BATCH, SendAncillaryBuffer::default);
        let mut messages: Vec<MMsgHdr<'_>> = nothing
            .iter_mut()
            .map(|nothing| MMsgHdr::new(&slice, nothing))
            .collect();
        let (begun, mut sent) = (Instant::now(), 0);
        while begun.elapsed() < LONG {
            sent += match sendmmsg(&socket, &mut messages, SendFlags::DONTWAIT) {
                Ok(sent) => sent,
                Err(Errno::AGAIN | Errno::NOBUFS) => 0,
                Err(errno) => return Err(errno).context("sending frames"),
            };
        }
        Ok(sent as f64 / begun.elapsed().as_secs_f64())
    })
}

const BATCH: usize = 256;
const LONG: Duration = Duration::from_secs(2);
/// A SYN with its option, to nobody's hardware address.
const FRAME: [u8; 58] = *b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0\
    \x45\0\0\x2c\0\0\x40\0\x40\x06\x25\x04\x0a\x63\0\x01\x0a\x63\x01\x01\
    \x9c\x40\0\x50\0\0\0\x01\0\0\0\0\x60\x02\x04\0\0\0\0\0\x02\x04\x05\xb4";
