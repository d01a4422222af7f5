//! Audits of what was recognised: one file each, one line here. All of it is pure.
//!
//! An audit says what it wants to know (probes, as many rounds of them as it needs) and judges what is
//! known then. Probes that several want are sent once. What must stay true: text of the target's choosing
//! reaches a finding only as a bounded [`Label`](vedette_protocol::finding::Label) or path.

mod certificate_chain;
mod certificate_dates;
mod certificate_issuer;
mod certificate_name;
mod certificate_staple;
mod certificate_strength;
mod certificate_wildcard;
pub(crate) mod exposed_file;
pub(crate) mod listing;
mod redis_access;
mod security_headers;
mod server_version;
pub(crate) mod site;
mod ssh;
mod tls_ccs_injection;
mod tls_groups;
mod tls_handshake;
mod tls_heartbleed;
mod tls_renegotiation;
mod tls_robot;
mod tls_suites;
mod tls_ticketbleed;
mod tls_versions;

use std::cell::OnceCell;

use vedette_protocol::{Finding, Timestamp, job::Check};

use crate::{
    certificate::{Certificate, parse_certificate},
    known::Known,
    probe::{Probe, Wrap},
    service::Identity,
    tls::{endpoint::Endpoint, survey::Survey},
};

/// Every audit.
pub(crate) const AUDITS: &[Audit] = &[
    redis_access::AUDIT,
    ssh::AUDIT,
    tls_versions::AUDIT,
    tls_suites::AUDIT,
    tls_groups::AUDIT,
    tls_handshake::AUDIT,
    tls_heartbleed::AUDIT,
    tls_ccs_injection::AUDIT,
    tls_robot::AUDIT,
    tls_renegotiation::AUDIT,
    tls_ticketbleed::AUDIT,
    certificate_dates::AUDIT,
    certificate_issuer::AUDIT,
    certificate_name::AUDIT,
    certificate_strength::AUDIT,
    certificate_chain::AUDIT,
    certificate_wildcard::AUDIT,
    certificate_staple::AUDIT,
    security_headers::AUDIT,
    server_version::AUDIT,
    listing::AUDIT,
    exposed_file::AUDIT,
];

/// One audit.
#[derive(Debug)]
pub(crate) struct Audit {
    /// The kind of check that it belongs to.
    pub(crate) check: Check,
    /// What it wants to be sent, given what is known; it is asked again until nothing is new.
    pub(crate) probes: fn(&Subject<'_>) -> Vec<Probe>,
    /// What it concludes.
    pub(crate) judge: fn(&Subject<'_>, Timestamp) -> Vec<Finding>,
}

/// What an audit looks at.
#[derive(Debug, Clone)]
pub(crate) struct Subject<'a> {
    pub(crate) known: &'a Known,
    /// What answers, if that is known.
    pub(crate) identity: Option<Identity>,
    /// Inside what it answers.
    pub(crate) wrap: Wrap,
    survey: OnceCell<Option<Survey>>,
}

/// For audits that judge what others asked for.
pub(crate) fn no_probes(_: &Subject<'_>) -> Vec<Probe> {
    Vec::new()
}

impl<'a> Subject<'a> {
    /// An endpoint, and what answers inside of what.
    pub(crate) fn new(known: &'a Known, identity: Option<Identity>, wrap: Wrap) -> Self {
        Self {
            known,
            identity,
            wrap,
            survey: OnceCell::new(),
        }
    }

    /// The chains of certificates that were shown, each once.
    pub(crate) fn chains(&self) -> Vec<&[Vec<u8>]> {
        let session = self.known.session().map(|session| session.chain.as_slice());
        let flights = self.survey().into_iter().flat_map(|survey| &survey.flights);
        let mut chains: Vec<&[Vec<u8>]> = Vec::new();
        for chain in session
            .into_iter()
            .chain(flights.map(|flight| flight.chain.as_slice()))
        {
            if !chain.is_empty() && !chains.iter().any(|seen| seen[0] == chain[0]) {
                chains.push(chain);
            }
        }
        chains
    }

    /// The server's own certificates, of which it has one for each kind of key.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        let own = self.chains().into_iter().filter_map(<[Vec<u8>]>::first);
        own.filter_map(|der| parse_certificate(der)).collect()
    }

    /// What is known of its TLS, if it is likely to speak any.
    pub(crate) fn survey(&self) -> Option<&Survey> {
        let survey = || Endpoint::of(self).map(|endpoint| Survey::of(&endpoint));
        self.survey.get_or_init(survey).as_ref()
    }
}
