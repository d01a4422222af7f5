//! What a frame that comes in changes: neighbours, books, speed, and what is to be said next.
//!
//! A stranger's bytes: what answers no question of ours changes nothing, and a flood of it is not answered.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    super::{
        Each, Field,
        claim::Claim,
        neighbours::{self, Neighbours},
        question::{Question, Refusals, Says, Verdict},
        speed::Speed,
    },
    DOUBTING,
};
use crate::{
    packet::{Body, Icmpv6, Mac, Packet, Payload, parse},
    wire::{Batch, doubts::Doubts, ledger::Ledger, loss::Loss, sweep::Answer},
};

/// What a frame that comes in may change.
pub(super) struct Inbox<'a, Q> {
    pub(super) question: &'a Q,
    pub(super) field: Field<'a>,
    pub(super) card: usize,
    pub(super) own: Mac,
    pub(super) epoch: u64,
    pub(super) now: Duration,
    pub(super) ledger: &'a mut Ledger,
    pub(super) doubts: &'a mut Doubts,
    pub(super) neighbours: &'a mut Neighbours,
    pub(super) loss: &'a mut Loss,
    pub(super) speed: &'a mut Speed,
    pub(super) thanks: &'a mut VecDeque<(usize, Vec<u8>)>,
    pub(super) batch: &'a mut Batch,
    pub(super) taken: &'a mut bool,
}

impl<Q: Question> Inbox<'_, Q> {
    /// Takes in a frame.
    pub(super) fn take(&mut self, frame: &[u8]) {
        let Some(packet) = parse(frame) else { return };
        let own = self.own;
        let claim = self.field.source.map(|address| Claim { own, address });
        if claim.is_some_and(|claim| claim.contested(&packet).is_some()) {
            *self.taken = true;
        }
        match &packet.body {
            Body::Arp(arp) => {
                self.neighbours
                    .learn(self.card, arp.sender.1.into(), arp.sender.0);
                let answer = self
                    .field
                    .source
                    .and_then(|own| neighbours::answer(arp, self.own, own));
                self.say(answer);
            }
            Body::Ip(_, Payload::Icmpv6(Icmpv6::NeighbourAdvertisement { target, mac, .. })) => {
                let mac = mac.unwrap_or(packet.ethernet.source);
                self.neighbours.learn(self.card, (*target).into(), mac);
            }
            Body::Ip(ip, Payload::Icmpv6(Icmpv6::NeighbourSolicitation { target, .. })) => {
                if let (Some(IpAddr::V6(own)), IpAddr::V6(asker)) = (self.field.source, ip.ends.source())
                    && own == *target
                {
                    let answer = neighbours::advertisement((packet.ethernet.source, asker), self.own, own);
                    self.say(answer);
                }
            }
            Body::Ip(..) => {
                if let Some(verdict) = self.question.judge(&packet) {
                    self.count(&packet, verdict);
                }
            }
            Body::Other(_) => {}
        }
    }

    /// An answer of ours came, for the first time or again.
    fn count(&mut self, packet: &Packet<'_>, verdict: Verdict) {
        let Some(pair) = self.ledger.pair(verdict.host, verdict.port) else {
            return;
        };
        let thanks = self.question.thanks(packet, &verdict);
        self.say(thanks);
        if verdict.says == Says::Closed && verdict.at.attempt == DOUBTING {
            let (host, _) = self.ledger.parts(pair);
            self.doubts
                .refused(host, verdict.port, verdict.at.epoch, self.now);
        }
        let Some(book) = self.ledger.answer(pair) else {
            return;
        };
        match (self.question.refusals(), verdict.says) {
            (Refusals::ByProtocol, Says::Open | Says::Closed) => {
                self.loss.answered(verdict.at.attempt);
                self.speed.answered(verdict.at.epoch, self.epoch);
            }
            (Refusals::ByProtocol, Says::Unreachable) | (Refusals::ByIcmp, Says::Open) => {
                self.loss.answered(verdict.at.attempt);
            }
            // Whether it came at the first attempt says more of the host than of the road.
            (Refusals::ByIcmp, Says::Closed | Says::Unreachable) => self.loss.heard(),
        }
        if verdict.says == Says::Closed {
            book.control = Some(verdict.port);
        }
        let (count, told, answer) = match verdict.says {
            Says::Open => (&mut book.counts.open, &mut book.told.open, Answer::Open),
            Says::Closed => (&mut book.counts.closed, &mut book.told.closed, Answer::Closed),
            Says::Unreachable => (
                &mut book.counts.unreachable,
                &mut book.told.unreachable,
                Answer::Unreachable,
            ),
        };
        *count += 1;
        let one_by_one = self.field.each == Each::Every || answer == Answer::Open;
        if one_by_one {
            *told += 1;
        }
        if self.field.each == Each::Open && answer == Answer::Open && book.accepts_everything() {
            // Not told: it says nothing of a port.
            book.told.open -= 1;
            if !book.exposed {
                book.exposed = true;
                self.batch.accepting_everything.push(book.address);
            }
        } else if one_by_one {
            self.batch
                .answers
                .push((SocketAddr::new(verdict.host, verdict.port), answer));
        }
    }

    fn say(&mut self, frame: Option<Vec<u8>>) {
        // A flood of answers is not answered by a flood.
        if let Some(frame) = frame
            && self.thanks.len() < MOST_THANKS
        {
            self.thanks.push_back((self.card, frame));
        }
    }
}

const MOST_THANKS: usize = 4096;
