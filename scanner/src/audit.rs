//! Audits of what was recognised: one file each, one line here. All of it is pure.
//!
//! An audit says what it wants to know (probes, as many rounds of them as it needs) and judges what is
//! known then. Probes that several want are sent once. What must stay true: text of the target's choosing
//! reaches a finding only as a bounded [`Label`](vedette_protocol::finding::Label) or path.

mod certificate_dates;
mod certificate_issuer;
mod certificate_name;
mod certificate_strength;
pub(crate) mod exposed_file;
pub(crate) mod listing;
mod redis_access;
mod security_headers;
mod server_version;
pub(crate) mod site;
mod tls_versions;

use vedette_protocol::{Finding, Timestamp, job::Check};

use crate::{
    certificate::{Certificate, parse_certificate},
    known::Known,
    probe::{Probe, Wrap},
    service::Identity,
};

/// Every audit.
pub(crate) const AUDITS: &[Audit] = &[
    redis_access::AUDIT,
    tls_versions::AUDIT,
    certificate_dates::AUDIT,
    certificate_issuer::AUDIT,
    certificate_name::AUDIT,
    certificate_strength::AUDIT,
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
}

/// For audits that judge what others asked for.
pub(crate) fn no_probes(_: &Subject<'_>) -> Vec<Probe> {
    Vec::new()
}

impl Subject<'_> {
    /// The server's own certificate.
    pub(crate) fn certificate(&self) -> Option<Certificate> {
        self.known
            .session()?
            .chain
            .first()
            .and_then(|der| parse_certificate(der))
    }
}
