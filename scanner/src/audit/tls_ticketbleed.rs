//! Ticketbleed (CVE-2016-9244): whether a server that takes a ticket repeats a session's id in full length, however
//! short it was, with its own memory behind it. Ours is one byte short of the full length, so that one byte of memory is
//! the most that may come.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::Probe,
    tls::{
        endpoint::{Answer, Endpoint},
        flight::Stage,
        handshake::{self, Purpose},
        hello::ClientHello,
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: |subject| match Return::of(subject) {
        Some(Return::ForTicket(probe) | Return::WithTicket { probe, .. }) => vec![probe],
        None => Vec::new(),
    },
    judge,
};

/// A ticket is fetched first, and shown then.
enum Return<'a> {
    ForTicket(Probe),
    WithTicket {
        endpoint: Endpoint<'a>,
        version: TlsVersion,
        probe: Probe,
    },
}

impl<'a> Return<'a> {
    /// For servers that said that they give tickets.
    fn of(subject: &Subject<'a>) -> Option<Self> {
        let survey = subject.survey().filter(|survey| survey.next.is_empty())?;
        survey.flights.first()?.hello.as_ref()?.extension(TICKET)?;
        let endpoint = Endpoint::of(subject)?;
        let (version, fetch) = endpoint.completed(survey, Purpose::Ticket)?;
        let flight = match endpoint.answer_to(&fetch) {
            Answer::NotAsked => return Some(Self::ForTicket(fetch)),
            Answer::Flight(flight) => flight,
            Answer::Refused | Answer::Gap => return None,
        };
        let ticket = flight
            .ticket
            .filter(|ticket| (1..=LONGEST).contains(&ticket.len()))?;
        let hello = ClientHello {
            suites: vec![flight.hello?.suite],
            groups: handshake::GROUPS.to_vec(),
            ..endpoint.hello(version)
        };
        let probe = endpoint.raw(hello.returning(&ID, &ticket), Stage::Hello);
        Some(Self::WithTicket {
            endpoint,
            version,
            probe,
        })
    }
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(Return::WithTicket {
        endpoint,
        version,
        probe,
    }) = Return::of(subject)
    else {
        return Vec::new();
    };
    let Answer::Flight(flight) = endpoint.answer_to(&probe) else {
        return Vec::new();
    };
    let id = flight.hello.map(|hello| hello.session).unwrap_or_default();
    if id.len() <= ID.len() || !id.starts_with(&ID) {
        return Vec::new();
    }
    let mut finding = subject
        .known
        .finding(FindingType::TlsTicketbleed, Confidence::Certain);
    finding.evidence = vec![Evidence::TlsVersion {
        version,
        offered: true,
    }];
    vec![finding]
}

const TICKET: u16 = 35;
/// One byte short of 32 (RFC 5246, section 7.4.1.2).
const ID: [u8; 31] = *b"vedette asks for as much again.";
/// Of a ticket that fits into a hello in one record.
const LONGEST: usize = 8 * 1024;
