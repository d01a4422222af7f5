//! A certificate that demands a stapled OCSP response (RFC 7633), from a server that sends none.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, FindingType},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::{certificate::parse_certificate, tls::flight::Flight};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = subject.survey() else {
        return Vec::new();
    };
    let bare = survey
        .flights
        .iter()
        .filter(|flight: &&Flight| flight.done && flight.staple.is_none());
    bare.filter_map(|flight| {
        let certificate = parse_certificate(flight.chain.first()?)?;
        certificate.must_be_stapled.then(|| {
            let type_ = FindingType::TlsStapleMissing;
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = vec![certificate.evidence()];
            finding
        })
    })
    .collect()
}
