//! What is asked of a pair, and what the answer to it looks like: one implementor for each protocol.

use std::net::IpAddr;

use super::{card::Frames, cookie::EPOCHS};
use vedette_sys::packet::filter::Test;

use crate::packet::{Ends, Mac, Packet};

/// A way to ask for ports.
pub(super) trait Question {
    /// Adds the frame that asks.
    fn write(&self, envelope: Envelope, at: Moment, frames: &mut Frames);

    /// What a packet says, if it answers a question of ours.
    fn judge(&self, packet: &Packet<'_>) -> Option<Verdict>;

    /// What to say to it; nothing, mostly.
    fn thanks(&self, packet: &Packet<'_>, verdict: &Verdict) -> Option<Vec<u8>>;

    /// Which packets may be answers.
    fn filter(&self) -> Vec<Vec<Test>>;

    /// How hosts say no.
    fn refusals(&self) -> Refusals;
}

/// How hosts say that a port is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusals {
    /// By the protocol itself: whenever the road brings it.
    ByProtocol,
    /// By ICMP, of which hosts send few: then how many come says nothing of the road, and silence nothing of a port
    /// until the host has shown that it would have said no ([`Doubts`](super::doubts::Doubts)).
    ByIcmp,
}

/// From whom to whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope {
    pub(super) own: Mac,
    pub(super) next: Mac,
    pub(super) ends: Ends,
    pub(super) port: u16,
}

/// When something is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// From 1 on.
    pub(super) attempt: u8,
    /// Modulo [`EPOCHS`].
    pub(super) epoch: u8,
}

/// An answer that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) host: IpAddr,
    pub(super) port: u16,
    pub(super) says: Says,
    /// When it was asked, as far as the answer tells.
    pub(super) at: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    Open,
    Closed,
    Unreachable,
}

impl Moment {
    pub(super) fn new(attempt: u8, epoch: u64) -> Self {
        let epoch = u8::try_from(epoch % u64::from(EPOCHS)).unwrap_or_default();
        Self { attempt, epoch }
    }
}
