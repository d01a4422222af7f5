//! What is known of an endpoint's TLS, and what to ask next to know the rest.

use vedette_protocol::finding::TlsVersion;

use super::{
    endpoint::{Answer, Endpoint},
    flight::{Flight, KeyExchange, Stage, parse_ssl2},
    group::Group,
    hello::{ClientHello, Offer, ssl2_hello},
    ladder,
    suite::{FALLBACK, Fault, Ssl2Cipher, Suite},
};
use crate::probe::{Probe, Versions};

/// What an endpoint was seen to speak.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Survey {
    /// The versions from SSLv3 on that are spoken, the oldest first.
    pub(crate) spoken: Vec<Spoken>,
    /// Those that were refused.
    pub(crate) refused: Vec<TlsVersion>,
    /// The ciphers of SSLv2, if that is spoken.
    pub(crate) ssl2: Option<Vec<Ssl2Cipher>>,
    /// The groups in which keys are agreed on, in any version.
    pub(crate) groups: Vec<Group>,
    /// The first flights of the newest version before 1.3, one for each kind of certificate. They were
    /// offered everything.
    pub(crate) flights: Vec<Flight>,
    /// The primes of finite fields that the server works in, as numbers, the largest first digit first.
    pub(crate) primes: Vec<Vec<u8>>,
    /// What came of returning with less than the best version before 1.3.
    pub(crate) fallback: Option<Fallback>,
    /// What to ask to know more; nothing: it is complete, as far as answers came.
    pub(crate) next: Vec<Probe>,
}

/// A version that is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) version: TlsVersion,
    /// In the order in which they were chosen.
    pub(crate) suites: Vec<Suite>,
    /// Whose order of suites counts; none where there are not two, or it cannot be told.
    pub(crate) order: Option<Order>,
}

/// Whose order of suites counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Server,
    Client,
}

/// What a server does when a client returns with less than both know (RFC 7507).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    Refused,
    /// Although it has something better.
    Accepted(TlsVersion),
}

impl Survey {
    /// What the exchanges so far show.
    pub(crate) fn of(endpoint: &Endpoint<'_>) -> Self {
        let mut survey = Self::default();
        // One at a time until it is known to lead to TLS at all: some servers lock out who fails too often.
        if endpoint.is_upgraded() {
            let handshake = endpoint.handshake(Versions::Both);
            if endpoint.known.reply(&handshake).is_none() {
                survey.next.push(handshake);
                return survey;
            }
            if endpoint.declines() {
                return survey;
            }
        }
        survey.look_for_ssl2(endpoint);
        for version in TlsVersion::ALL.into_iter().skip(1) {
            survey.look_for_suites(endpoint, version);
        }
        survey.look_for_groups(endpoint);
        survey.look_for_certificates(endpoint);
        survey.look_for_primes(endpoint);
        survey.look_for_fallback(endpoint);
        survey
    }

    /// Whether any version is spoken.
    pub(crate) fn speaks(&self) -> bool {
        !self.spoken.is_empty() || self.ssl2.is_some()
    }

    /// Whether this version is spoken; none when that is not known.
    pub(crate) fn speaks_version(&self, version: TlsVersion) -> Option<bool> {
        match version {
            TlsVersion::Ssl2 if self.ssl2.is_some() => Some(true),
            _ if self.version(version).is_some() => Some(true),
            _ => self.refused.contains(&version).then_some(false),
        }
    }

    /// A version that is spoken.
    pub(crate) fn version(&self, version: TlsVersion) -> Option<&Spoken> {
        self.spoken.iter().find(|spoken| spoken.version == version)
    }

    /// The newest version whose handshake is in the clear.
    pub(crate) fn best_before_13(&self) -> Option<&Spoken> {
        let mut before = self.spoken.iter().rev();
        before.find(|spoken| spoken.version < TlsVersion::Tls13)
    }

    /// Every suite with a fault, under each version.
    pub(crate) fn with_fault(&self, fault: Fault) -> impl Iterator<Item = (TlsVersion, Suite)> + '_ {
        self.spoken.iter().flat_map(move |spoken| {
            let faulty = spoken.suites.iter().filter(move |suite| suite.has(fault));
            faulty.map(|suite| (spoken.version, *suite))
        })
    }

    fn look_for_ssl2(&mut self, endpoint: &Endpoint<'_>) {
        let probe = endpoint.raw(ssl2_hello(), Stage::Ssl2);
        match endpoint.known.reply(&probe) {
            None => self.next.push(probe),
            Some(reply) => match parse_ssl2(&reply.heard) {
                // A server that knows no cipher of it is left with the version all the same.
                Some(ciphers) => self.ssl2 = Some(ciphers),
                None if reply.answers(&probe) => self.refused.push(TlsVersion::Ssl2),
                None => {}
            },
        }
    }

    fn look_for_suites(&mut self, endpoint: &Endpoint<'_>, version: TlsVersion) {
        let ladder = ladder::suites(endpoint, version);
        let asked = ladder.next.is_none();
        self.next.extend(ladder.next);
        if !ladder.chosen.is_empty() {
            let order = if asked {
                self.look_for_order(endpoint, version, &ladder.chosen)
            } else {
                None
            };
            self.spoken.push(Spoken {
                version,
                suites: ladder.chosen,
                order,
            });
        } else if asked && endpoint.answer(&endpoint.hello(version), Stage::Hello) != Answer::Gap {
            self.refused.push(version);
        }
    }

    /// Offers the suites the other way round: who still takes the one that came first has an order of its own.
    fn look_for_order(
        &mut self,
        endpoint: &Endpoint<'_>,
        version: TlsVersion,
        suites: &[Suite],
    ) -> Option<Order> {
        // Servers may put ChaCha20 first for those who put it first.
        let mut offered: Vec<Suite> = suites.iter().rev().copied().collect();
        offered.sort_by_key(|suite| suite.is_chacha());
        let (first, taken) = (*offered.first()?, *suites.first()?);
        if first == taken || taken.is_chacha() && offered.len() < 3 {
            return None;
        }
        let hello = ClientHello {
            suites: offered,
            ..endpoint.hello(version)
        };
        let flight = self.ask(endpoint, &hello, Stage::Hello)?;
        let chosen = flight.hello?.suite;
        if chosen == taken {
            Some(Order::Server)
        } else {
            (chosen == first).then_some(Order::Client)
        }
    }

    fn look_for_groups(&mut self, endpoint: &Endpoint<'_>) {
        let mut groups = Vec::new();
        if self.version(TlsVersion::Tls13).is_some() {
            let ladder = ladder::groups(endpoint);
            groups.extend(ladder.chosen);
            self.next.extend(ladder.next);
        }
        if let Some(Spoken { version, suites, .. }) = self.best_before_13() {
            let ladder = ladder::curves(endpoint, *version, suites);
            groups.extend(ladder.chosen);
            self.next.extend(ladder.next);
        }
        for group in groups {
            if !self.groups.contains(&group) {
                self.groups.push(group);
            }
        }
    }

    fn look_for_certificates(&mut self, endpoint: &Endpoint<'_>) {
        let Some(Spoken { version, suites, .. }) = self.best_before_13().cloned() else {
            return;
        };
        let mut kinds: Vec<_> = suites.iter().map(|suite| suite.certificate()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind = suites.iter().copied().filter(|suite| suite.certificate() == kind);
            let hello = ClientHello {
                suites: of_kind.collect(),
                offers: OFFERS.to_vec(),
                ..endpoint.hello(version)
            };
            let flight = self.ask(endpoint, &hello, Stage::Flight);
            self.flights.extend(flight);
        }
    }

    fn look_for_primes(&mut self, endpoint: &Endpoint<'_>) {
        let export = |suite: Suite| suite.is_dhe() && suite.has(Fault::ExportDh);
        let full = |suite: Suite| suite.is_dhe() && !suite.has(Fault::ExportDh);
        let fields = [self.newest(export), self.newest(full)];
        for (version, suites) in fields.into_iter().flatten() {
            // Without groups of its own, the client takes the field that the server has.
            let hello = ClientHello {
                suites,
                groups: Vec::new(),
                ..endpoint.hello(version)
            };
            let flight = self.ask(endpoint, &hello, Stage::Flight);
            if let Some(KeyExchange::Field(prime)) = flight.and_then(|flight| flight.key_exchange) {
                self.primes.push(prime);
            }
        }
    }

    /// Those suites, of the newest version that has any.
    pub(crate) fn newest(&self, those: fn(Suite) -> bool) -> Option<(TlsVersion, Vec<Suite>)> {
        self.spoken.iter().rev().find_map(|spoken| {
            let suites = spoken.suites.iter().copied();
            let suites: Vec<Suite> = suites.filter(|suite| those(*suite)).collect();
            (!suites.is_empty()).then_some((spoken.version, suites))
        })
    }

    fn look_for_fallback(&mut self, endpoint: &Endpoint<'_>) {
        let mut before = self
            .spoken
            .iter()
            .rev()
            .filter(|spoken| spoken.version < TlsVersion::Tls13);
        let (Some(_), Some(less)) = (before.next(), before.next()) else {
            return;
        };
        let version = less.version;
        let hello = ClientHello {
            suites: [less.suites.as_slice(), &[FALLBACK]].concat(),
            ..endpoint.hello(version)
        };
        match endpoint.answer(&hello, Stage::Hello) {
            Answer::NotAsked => self.next.push(endpoint.probe(&hello, Stage::Hello)),
            Answer::Refused => self.fallback = Some(Fallback::Refused),
            Answer::Flight(_) => self.fallback = Some(Fallback::Accepted(version)),
            Answer::Gap => {}
        }
    }

    /// The answer to a hello; if it was not asked, it is next.
    fn ask(&mut self, endpoint: &Endpoint<'_>, hello: &ClientHello, stage: Stage) -> Option<Flight> {
        match endpoint.answer(hello, stage) {
            Answer::NotAsked => {
                self.next.push(endpoint.probe(hello, stage));
                None
            }
            Answer::Flight(flight) => Some(*flight),
            Answer::Refused | Answer::Gap => None,
        }
    }
}

/// All that may be offered: what comes back is what the server does.
const OFFERS: &[Offer] = &[
    Offer::Compression,
    Offer::Protocols,
    Offer::Ticket,
    Offer::Staple,
    Offer::Timestamps,
    Offer::Heartbeat,
    Offer::ExtendedMasterSecret,
    Offer::EncryptThenMac,
];
