//! The raw scanners: questions as frames of our own, stateless, and answers out of a ring.
//!
//! Hosts times ports are asked in random order; what is silent is asked again, as often as the loss of the road calls
//! for, and nothing else is. A host that cannot be reached by a frame on Ethernet is left to the connect scan. A
//! scope is worked off in chapters, so that memory is bounded whatever its size. Order of reading: here, [`chapter`]
//! (the loop), [`question`] (what a protocol is), then the small pure parts. What must stay true: a frame goes only
//! to a host that the gate permits, or asks a neighbour for its address; a pair is told once; never above the limit.

mod card;
mod chapter;
mod claim;
mod cookie;
mod datagram;
mod deaf;
mod lent;
mod limit;
mod neighbours;
mod permutation;
mod question;
mod road;
mod second;
mod speed;
mod syn;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    time::Instant,
};

use vedette_protocol::finding::Transport;
use vedette_sys::packet::filter::{self, Test};

pub use self::lent::Lent;
use self::{
    card::Card,
    chapter::{Ending, Shared},
    cookie::Cookies,
    datagram::Datagram,
    deaf::DeafPorts,
    neighbours::Neighbours,
    question::Question,
    road::{Atlas, Way},
    syn::Syn,
};
use super::{
    Batch, Toll,
    gate::Gate,
    loss::MOST_ATTEMPTS,
    sweep::{Answer, Hindrance},
};
use crate::packet::{Mac, ethernet, ip};

/// What is to be asked, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) addresses: &'a [IpAddr],
    pub(super) ports: &'a [u16],
    /// The most frames in a second.
    pub(super) rate: Option<u32>,
    /// An address that is ours alone; none: the kernel's.
    pub(super) source: Option<IpAddr>,
    pub(super) each: Each,
    pub(super) deadline: Instant,
}

/// Which pairs are told one by one; the others are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Each {
    Open,
    Every,
}

/// By whose sockets frames go.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sockets<'a> {
    /// By our own, which takes privileges.
    Own,
    /// By those that were lent.
    Lent(&'a [Lent]),
}

/// How a raw scan ended.
#[derive(Debug, Default)]
pub(super) struct Swept {
    pub(super) toll: Toll,
    /// Hosts that no frame on Ethernet reaches.
    pub(super) elsewhere: Vec<IpAddr>,
}

/// An address cannot be scanned from.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Another host answers for it.
    #[error(
        "scanning from {address}: the adapter {mac} uses that address already; give a free one, or leave out --source"
    )]
    Taken {
        /// The address.
        address: IpAddr,
        /// Whose adapter.
        mac: Mac,
    },
    /// This machine has it.
    #[error(
        "scanning from {address}: this machine has that address itself; leave out --source to scan from it"
    )]
    Own {
        /// The address.
        address: IpAddr,
    },
}

/// A raw scan could not be begun.
#[derive(Debug, thiserror::Error)]
pub(super) enum RawError {
    /// This process may not.
    #[error("opening a packet socket; it needs root, or CAP_NET_RAW and CAP_NET_ADMIN")]
    NotPermitted(#[source] io::Error),
    /// The address to scan from is not ours alone.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Something else is in the way.
    #[error("{what}")]
    Kernel {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

/// Asks each pair of the field whether it is open.
pub(super) fn sweep(
    gate: &Gate,
    field: Field<'_>,
    sockets: Sockets<'_>,
    over: Transport,
    tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Swept, RawError> {
    let cookies = Cookies::default();
    let mut deaf = None;
    let first = match (sockets, field.source) {
        // The lender's packet filter keeps the kernel from resetting what is accepted.
        (Sockets::Lent(lent), _) => lent.first().map_or(ALONE, |lent| lent.adapter.ports),
        (Sockets::Own, source) => {
            // Whether raw sockets are to be had at all is told before anything else happens.
            vedette_sys::packet::open().map_err(RawError::NotPermitted)?;
            if source.is_none() {
                let taken = DeafPorts::take(SOURCE_PORTS, cookies.number("source ports"));
                deaf = Some(taken.map_err(|source| refused("taking source ports", source))?);
            }
            deaf.as_ref().map_or(ALONE, DeafPorts::first)
        }
    };
    match over {
        Transport::Tcp => {
            let question = Syn::new(cookies.clone(), first, SOURCE_PORTS);
            ask(&question, &cookies, gate, field, sockets, tell)
        }
        Transport::Udp => {
            let question = Datagram::new(cookies.clone(), first, SOURCE_PORTS);
            ask(&question, &cookies, gate, field, sockets, tell)
        }
    }
}

/// Asks it, chapter by chapter.
fn ask<Q: Question>(
    question: &Q,
    cookies: &Cookies,
    gate: &Gate,
    field: Field<'_>,
    sockets: Sockets<'_>,
    tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
) -> Result<Swept, RawError> {
    let mut survey = Survey::begin(gate, field, sockets, question.filter())?;
    let mut swept = Swept::default();
    let mut shared = Shared::new(&field, question.refusals());
    let mut left = field.addresses.iter().copied();
    loop {
        let ground = survey.chapter(&mut left, &mut swept.elsewhere, tell)?;
        if ground.hosts.is_empty() {
            break;
        }
        let ending = chapter::scan(
            question,
            cookies,
            &mut shared,
            ground,
            &mut survey.cards,
            field,
            tell,
        );
        if ending == Ending::BrokenOff {
            break;
        }
    }
    swept.toll = shared.toll();
    Ok(swept)
}

fn refused(what: &'static str, source: io::Error) -> RawError {
    if source.kind() == io::ErrorKind::PermissionDenied {
        RawError::NotPermitted(source)
    } else {
        RawError::Kernel { what, source }
    }
}

/// What a chapter is about: hosts, each with the number of its next hop.
#[derive(Debug, Default)]
struct Ground {
    hosts: Vec<(IpAddr, u32)>,
    neighbours: Neighbours,
}

/// Finds out how hosts are reached, and opens the cards that it takes.
struct Survey<'a> {
    gate: &'a Gate,
    field: Field<'a>,
    roads: Roads<'a>,
    filter: Vec<Vec<Test>>,
    cards: Vec<Card>,
    /// Which card is an interface's; none: it is not Ethernet.
    by_interface: HashMap<u32, Option<usize>>,
}

/// Who knows the way to a host.
#[derive(Debug)]
enum Roads<'a> {
    /// The kernel.
    Asked(Atlas),
    /// Who lent the adapters.
    Told(&'a [Lent]),
}

impl<'a> Survey<'a> {
    fn begin(
        gate: &'a Gate,
        field: Field<'a>,
        sockets: Sockets<'a>,
        mut filter: Vec<Vec<Test>>,
    ) -> Result<Self, RawError> {
        filter.extend(FOR_ALL.iter().map(|tests| tests.to_vec()));
        let roads = match sockets {
            Sockets::Lent(lent) => Roads::Told(lent),
            Sockets::Own => Roads::Asked(Atlas::open().map_err(|source| RawError::Kernel {
                what: "asking for routes",
                source,
            })?),
        };
        Ok(Self {
            gate,
            field,
            roads,
            filter,
            cards: Vec::new(),
            by_interface: HashMap::new(),
        })
    }

    /// The hosts of the next chapter, out of those that are left.
    fn chapter(
        &mut self,
        left: &mut dyn Iterator<Item = IpAddr>,
        elsewhere: &mut Vec<IpAddr>,
        tell: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<Ground, RawError> {
        let mut ground = Ground::default();
        let ports = self.field.ports.len();
        let most = (CHAPTER_PAIRS / ports.max(1)).clamp(1, CHAPTER_HOSTS);
        let mut batch = Batch::default();
        while ground.hosts.len() < most {
            let Some(address) = left.next() else { break };
            if !self.gate.permits_host(address) {
                self.whole(&mut batch, address, Answer::NotAsked(Hindrance::OutOfScope));
                continue;
            }
            match self.way(address)? {
                Way::Here | Way::Otherwise => elsewhere.push(address),
                Way::Nowhere => self.whole(&mut batch, address, Answer::NotAsked(Hindrance::NoRoute)),
                Way::Everybody => self.whole(&mut batch, address, Answer::Unreachable),
                Way::Out {
                    interface,
                    gateway,
                    source,
                } => match self.card(interface)? {
                    Some(card) => {
                        let own = self.field.source.filter(|own| own.is_ipv4() == source.is_ipv4());
                        let hop = gateway.unwrap_or(address);
                        let hop = ground.neighbours.hop(hop, card, own.unwrap_or(source));
                        ground.hosts.push((address, hop));
                    }
                    None => elsewhere.push(address),
                },
            }
        }
        if !batch.is_empty() {
            // Who no longer listens says so again with the next batch.
            let _ = tell(batch);
        }
        Ok(ground)
    }

    fn way(&mut self, address: IpAddr) -> Result<Way, RawError> {
        match &mut self.roads {
            Roads::Told(lent) => Ok(lent::way(lent, address)),
            Roads::Asked(atlas) => atlas.way(address).map_err(|source| RawError::Kernel {
                what: "asking for a route",
                source,
            }),
        }
    }

    /// All ports of a host are in one state.
    fn whole(&self, batch: &mut Batch, address: IpAddr, answer: Answer) {
        let ports = self.field.ports;
        match self.field.each {
            Each::Every => {
                let endpoint = |port: &u16| (SocketAddr::new(address, *port), answer);
                batch.answers.extend(ports.iter().map(endpoint));
            }
            Each::Open => batch.counts.push((address, answer, ports.len() as u64)),
        }
        batch.asked += ports.len() as u64;
    }

    /// Makes sure that nobody else has an address that is to be ours alone.
    fn claim(&mut self, card: &mut Card, address: IpAddr) -> Result<(), RawError> {
        if self.way(address)? == Way::Here {
            return Err(AddressError::Own { address }.into());
        }
        let contested = claim::contest(card, address).map_err(|source| RawError::Kernel {
            what: "asking whether an address is free",
            source,
        })?;
        match contested {
            Some(mac) => Err(AddressError::Taken { address, mac }.into()),
            None => Ok(()),
        }
    }

    /// The card of an interface, opened when it is first needed.
    fn card(&mut self, interface: u32) -> Result<Option<usize>, RawError> {
        if let Some(card) = self.by_interface.get(&interface) {
            return Ok(*card);
        }
        let card = match self.open(interface)? {
            Some(card) => {
                self.cards.push(card);
                Some(self.cards.len() - 1)
            }
            None => None,
        };
        self.by_interface.insert(interface, card);
        Ok(card)
    }

    fn open(&mut self, interface: u32) -> Result<Option<Card>, RawError> {
        let mac = match &mut self.roads {
            Roads::Told(lent) => return lent::card(lent, interface).map_err(RawError::NotPermitted),
            Roads::Asked(atlas) => atlas.mac(interface).map_err(|source| RawError::Kernel {
                what: "asking for an adapter's address",
                source,
            })?,
        };
        let Some(mac) = mac else {
            return Ok(None);
        };
        let tests: Vec<&[Test]> = self.filter.iter().map(Vec::as_slice).collect();
        let mut card = Card::open(interface, mac, &filter::any_of(&tests)).map_err(RawError::NotPermitted)?;
        if let Some(IpAddr::V6(own)) = self.field.source {
            let (_, group) = crate::packet::icmpv6::solicited_node(own);
            card.join(group).map_err(RawError::NotPermitted)?;
        }
        if let Some(own) = self.field.source {
            self.claim(&mut card, own)?;
        }
        Ok(Some(card))
    }
}

/// What every raw scanner listens to: neighbours, and errors about its questions.
const FOR_ALL: &[&[Test]] = &[
    &[Test::type_(ethernet::ARP)],
    &[
        Test::type_(ethernet::IPV4),
        Test::Byte(23, ip::ICMP),
        Test::WITH_TRANSPORT_HEADER,
        // Destination unreachable, whatever the code; and time exceeded.
        Test::BehindIpv4(0, 0x0300, 0x03ff),
    ],
    &[
        Test::type_(ethernet::IPV4),
        Test::Byte(23, ip::ICMP),
        Test::WITH_TRANSPORT_HEADER,
        Test::BehindIpv4(0, 0x0b00, 0x0bff),
    ],
    &[
        Test::type_(ethernet::IPV6),
        Test::Byte(20, ip::ICMPV6),
        Test::Between(54, 0x0100, 0x01ff),
    ],
    &[
        Test::type_(ethernet::IPV6),
        Test::Byte(20, ip::ICMPV6),
        Test::Between(54, 0x0300, 0x03ff),
    ],
    // Neighbour solicitation and advertisement.
    &[
        Test::type_(ethernet::IPV6),
        Test::Byte(20, ip::ICMPV6),
        Test::Between(54, 0x8700, 0x88ff),
    ],
];

/// One for each attempt.
const SOURCE_PORTS: u16 = MOST_ATTEMPTS as u16;
/// Where the address is ours alone, any port will do.
const ALONE: u16 = 40_000;
/// Two bits each: 16 MiB.
const CHAPTER_PAIRS: usize = 1 << 26;
const CHAPTER_HOSTS: usize = 1 << 16;
