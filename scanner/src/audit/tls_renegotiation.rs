//! Whether a client may have a handshake begun anew inside the first one, before TLS 1.3 (RFC 5246, section 7.4.1.2): each
//! costs the server much more than the client, on one connection (CVE-2011-1473).

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::{Probe, Silence},
    tls::{
        endpoint::{Answer, Endpoint},
        handshake::{Purpose, renegotiates},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: |subject| anew(subject).into_iter().map(|(_, _, probe)| probe).collect(),
    judge,
};

fn anew<'a>(subject: &Subject<'a>) -> Option<(Endpoint<'a>, TlsVersion, Probe)> {
    let survey = subject.survey().filter(|survey| survey.next.is_empty())?;
    let endpoint = Endpoint::of(subject)?;
    let (version, probe) = endpoint.completed(survey, Purpose::Renegotiation)?;
    // Who ignores the wish may do so in silence.
    let silence = Silence::Answers;
    Some((endpoint, version, Probe { silence, ..probe }))
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some((endpoint, version, probe)) = anew(subject) else {
        return Vec::new();
    };
    match endpoint.answer_to(&probe) {
        Answer::Flight(flight) if renegotiates(&flight) == Some(true) => {
            let type_ = FindingType::TlsClientRenegotiation;
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = vec![Evidence::TlsVersion {
                version,
                offered: true,
            }];
            vec![finding]
        }
        Answer::Flight(_) | Answer::NotAsked | Answer::Refused | Answer::Gap => Vec::new(),
    }
}
