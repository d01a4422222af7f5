//! The passes through the scope: which address is asked next whether it is there, by what, and how often.

use std::{
    collections::{HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use vedette_protocol::{
    finding::Source,
    scope::Area,
    target::{SPAN_LIMIT, Span},
};

use super::{Course, Hindrance};
use crate::{
    discover::{
        device::Fact,
        local::{Local, Road},
        method::Method,
        question::{Parcel, Question},
    },
    packet::{Arp, Ends, Ethernet, Icmpv6, Mac, ethernet, icmpv6::solicited_node, ip},
};

/// The passes through the scope.
pub(super) struct Sweep {
    pub(super) spans: Vec<Span>,
    pub(super) addresses: Box<dyn Iterator<Item = IpAddr> + Send>,
    /// What is left to be sent to the address that is being asked.
    pub(super) parcels: VecDeque<Parcel>,
    pub(super) pass: u8,
    pub(super) state: State,
    pub(super) reached: HashSet<IpAddr>,
    pub(super) refused: HashSet<IpAddr>,
    pub(super) total: u64,
    /// Of those, the ones that are too many to be asked one by one.
    pub(super) beyond: u64,
    /// Addresses that were asked in the first pass, or need not be.
    pub(super) done: u64,
    /// How long an answer may take.
    pub(super) patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Asking,
    Waiting(Duration),
    Over,
}

impl std::fmt::Debug for Sweep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Sweep(pass {}, {:?}, {} of {})",
            self.pass, self.state, self.done, self.total
        )
    }
}

impl Sweep {
    /// The first pass through a scope.
    pub(super) fn over(area: &Area, local: &Local) -> Self {
        let spans = merged(area);
        let routed = spans
            .iter()
            .any(|span| matches!(local.road(span.bounds().0), Road::Routed));
        // What is excluded is taken off as the first pass comes to it.
        let length = |span: &Span| u64::try_from(span.len()).unwrap_or(u64::MAX);
        let total = spans.iter().map(length).fold(0, u64::saturating_add);
        let asked = spans.iter().map(|span| length(&begin(span)));
        let asked = asked.fold(0, u64::saturating_add);
        Self {
            addresses: each(spans.clone()),
            spans,
            parcels: VecDeque::new(),
            pass: 1,
            state: State::Asking,
            reached: HashSet::new(),
            refused: HashSet::new(),
            total,
            beyond: total.saturating_sub(asked),
            done: 0,
            patience: if routed { PATIENCE_ROUTED } else { PATIENCE_ON_LINK },
        }
    }

    /// From the beginning, once more.
    pub(super) fn again(&mut self) {
        self.addresses = each(self.spans.clone());
    }
}

/// What is lost on the way, as far as it was measured.
#[derive(Debug, Default)]
pub(super) struct Loss {
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// Hosts that were asked a second time.
    pub(super) controls: HashSet<IpAddr>,
}

impl Loss {
    /// The estimated chance that one question or its answer is lost; never zero, since nothing measured is no
    /// certainty.
    pub(super) fn estimate(&self) -> f64 {
        let lost = self.sent.saturating_sub(self.answered);
        (lost as f64 + 0.5) / (self.sent as f64 + 10.0)
    }

    /// How many passes bring the chance to miss a host below [`MISS_GOAL`].
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    pub(super) fn passes(&self) -> u8 {
        (MISS_GOAL.ln() / self.estimate().ln())
            .ceil()
            .clamp(1.0, f64::from(MOST_PASSES)) as u8
    }
}

impl Course {
    pub(super) fn sweep_on(&mut self, now: Duration) -> Option<Parcel> {
        if self.sweep.state != State::Asking {
            return None;
        }
        loop {
            if let Some(parcel) = self.sweep.parcels.pop_front() {
                return Some(parcel);
            }
            let Some(address) = self.sweep.addresses.next() else {
                self.sweep.state = State::Waiting(now + self.sweep.patience * self.sweep.pass.into());
                return None;
            };
            let first = self.sweep.pass == 1;
            if !self.scope.area.permits(address) {
                self.sweep.total -= u64::from(first);
                continue;
            }
            if first {
                self.sweep.done += 1;
            } else if self.sweep.reached.contains(&address) {
                continue;
            }
            self.sweep.parcels = self.knocks(address, first);
            if first && self.sweep.parcels.is_empty() && !self.local.is_own(address) {
                self.sweep.done -= 1;
                let nowhere = self.local.road(address) == Road::Nowhere;
                self.hinder(
                    address,
                    if nowhere {
                        Hindrance::NoRoute
                    } else {
                        Hindrance::NoMethod
                    },
                );
            }
        }
    }

    /// What asks whether an address is there at all.
    fn knocks(&mut self, address: IpAddr, first: bool) -> VecDeque<Parcel> {
        match self.local.road(address) {
            Road::Own(link) => {
                let adapter = link.mac.map(Fact::Adapter);
                if first {
                    self.devices.learn(address, Fact::Answered(Source::Route, None));
                    adapter
                        .into_iter()
                        .for_each(|adapter| self.devices.learn(address, adapter));
                }
                VecDeque::new()
            }
            Road::OnLink(..) if self.methods.contains(Method::Link) => {
                self.who_has(address).into_iter().collect()
            }
            Road::OnLink(..) | Road::Routed => {
                let questions = [
                    Question::Echo,
                    Question::Syn(443),
                    Question::Ack(80),
                    Question::Timestamp,
                    Question::Snmp,
                ];
                let wanted = questions
                    .into_iter()
                    .filter(|question| self.wants(address, question));
                let source = self.local.source(address);
                source
                    .map(|source| {
                        wanted
                            .filter_map(|question| question.parcel(address, source, self.own, &self.cookie))
                            .collect()
                    })
                    .unwrap_or_default()
            }
            Road::Nowhere => VecDeque::new(),
        }
    }

    /// The question who has an address on our link.
    pub(super) fn who_has(&self, address: IpAddr) -> Option<Parcel> {
        let Road::OnLink(link, source) = self.local.road(address) else {
            return None;
        };
        let own = Mac(link.mac?.0);
        let bytes = match Ends::between(source, address)? {
            Ends::V4 { source, destination } => Arp::request(own, source, destination).frame(),
            Ends::V6 { source, destination } => {
                let (group, adapter) = solicited_node(destination);
                let ends = Ends::V6 {
                    source,
                    destination: group,
                };
                let question = Icmpv6::NeighbourSolicitation {
                    target: destination,
                    source: Some(own),
                };
                // RFC 4861, 7.1.1: only what came over no router counts.
                let packet = ends.packet(ip::ICMPV6, 255, &question.bytes(ends)?);
                Ethernet::new(own, adapter, ethernet::IPV6).frame(&packet)
            }
        };
        Some(Parcel::Frame {
            link: link.index,
            about: address,
            bytes,
        })
    }
}

/// The runs of the scope, in order, none of them overlapping another; groups are not swept.
fn merged(area: &Area) -> Vec<Span> {
    let mut spans: Vec<(IpAddr, IpAddr)> = area.hosts().iter().map(|host| host.span.bounds()).collect();
    spans.retain(|(first, _)| !first.is_multicast());
    spans.sort_unstable();
    let mut merged: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in spans {
        match merged.last() {
            Some((_, end)) if end.is_ipv4() == first.is_ipv4() && last <= *end => {}
            Some((_, end)) if end.is_ipv4() == first.is_ipv4() && first <= *end => {
                merged.extend(after(*end).map(|first| (first, last)));
            }
            _ => merged.push((first, last)),
        }
    }
    merged
        .into_iter()
        .filter_map(|(first, last)| Span::between(first, last).ok())
        .collect()
}

fn after(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(v6) => u128::from(v6)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    }
}

fn each(spans: Vec<Span>) -> Box<dyn Iterator<Item = IpAddr> + Send> {
    Box::new(spans.into_iter().flat_map(|span| begin(&span).addresses()))
}

/// As much of a span as is asked address by address: all of it, or of an IPv6 link the lowest addresses, which are
/// those that people give.
fn begin(span: &Span) -> Span {
    let (first, _) = span.bounds();
    match first {
        IpAddr::V6(low) if span.len() > SPAN_LIMIT => {
            let last = Ipv6Addr::from(u128::from(low).saturating_add(LOWEST - 1));
            Span::between(first, last.into()).unwrap_or_else(|_| Span::one(first))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => *span,
    }
}

/// Of the hosts that are there, so many may be missed.
pub(super) const MISS_GOAL: f64 = 2e-3;
pub(super) const MOST_PASSES: u8 = 3;
const PATIENCE_ON_LINK: Duration = Duration::from_millis(120);
const PATIENCE_ROUTED: Duration = Duration::from_millis(600);
/// Addresses of an IPv6 link that are asked one by one.
const LOWEST: u128 = 1 << 16;
