//! What a server chooses when it may no longer have what it chose before: one step down for each thing that
//! it knows, and one to learn that there is nothing left.

use vedette_protocol::finding::TlsVersion;

use super::{
    endpoint::{Answer, Endpoint},
    flight::{Flight, KeyExchange, ServerHello, Stage},
    group::Group,
    hello::ClientHello,
    suite::Suite,
};
use crate::probe::Probe;

/// What was chosen so far, in the server's order if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ladder<T> {
    pub(crate) chosen: Vec<T>,
    /// What to ask next; none: it is done, or ended where an answer is missing.
    pub(crate) next: Option<Probe>,
}

/// The suites that are spoken in a version.
pub(crate) fn suites(endpoint: &Endpoint<'_>, version: TlsVersion) -> Ladder<Suite> {
    let offer = |suites: Vec<Suite>| ClientHello {
        suites,
        ..endpoint.hello(version)
    };
    descend(endpoint, Suite::of(version), Stage::Hello, offer, |flight| {
        Some(agreed(flight, version)?.suite)
    })
}

/// The groups of TLS 1.3, which names the one it wants in its first answer.
pub(crate) fn groups(endpoint: &Endpoint<'_>) -> Ladder<Group> {
    let offer = |groups: Vec<Group>| ClientHello {
        groups,
        ..endpoint.hello(TlsVersion::Tls13)
    };
    descend(endpoint, Group::all(), Stage::Hello, offer, |flight| {
        agreed(flight, TlsVersion::Tls13)?.group
    })
}

/// The curves of TLS 1.2 and before, which the server names in its share of the key.
pub(crate) fn curves(endpoint: &Endpoint<'_>, version: TlsVersion, suites: &[Suite]) -> Ladder<Group> {
    let suites: Vec<Suite> = suites.iter().copied().filter(|suite| suite.is_ecdhe()).collect();
    if suites.is_empty() {
        return Ladder {
            chosen: Vec::new(),
            next: None,
        };
    }
    let offer = |groups: Vec<Group>| ClientHello {
        suites: suites.clone(),
        groups,
        ..endpoint.hello(version)
    };
    descend(endpoint, Group::all(), Stage::Flight, offer, |flight| {
        agreed(flight, version)?;
        match flight.key_exchange {
            Some(KeyExchange::Curve(group)) => Some(group),
            _ => None,
        }
    })
}

fn descend<T: Copy + PartialEq>(
    endpoint: &Endpoint<'_>,
    mut offered: Vec<T>,
    stage: Stage,
    offer: impl Fn(Vec<T>) -> ClientHello,
    choice: impl Fn(&Flight) -> Option<T>,
) -> Ladder<T> {
    let mut chosen = Vec::new();
    while !offered.is_empty() {
        let hello = offer(offered.clone());
        let choice = match endpoint.answer(&hello, stage) {
            Answer::NotAsked => {
                let next = Some(endpoint.probe(&hello, stage));
                return Ladder { chosen, next };
            }
            Answer::Flight(flight) => choice(&flight),
            Answer::Refused | Answer::Gap => None,
        };
        // A server that chooses what was not offered is asked no more.
        let Some(at) = choice.and_then(|choice| offered.iter().position(|one| *one == choice)) else {
            break;
        };
        chosen.push(offered.remove(at));
    }
    Ladder { chosen, next: None }
}

fn agreed(flight: &Flight, version: TlsVersion) -> Option<&ServerHello> {
    flight.hello.as_ref().filter(|hello| hello.version == version)
}
