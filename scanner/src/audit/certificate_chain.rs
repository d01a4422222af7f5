//! Certificates that are shown in the wrong order, or do not belong together (RFC 5246, section 7.4.2).

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, FindingType},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::certificate::{names_as_issuer, parse_certificate};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let broken = subject.chains().into_iter().filter_map(|chain| {
        let mut links = chain.windows(2);
        let link = links.find(|link| names_as_issuer(&link[0], &link[1]) == Some(false))?;
        let mut finding = subject
            .known
            .finding(FindingType::TlsBrokenChain, Confidence::Certain);
        let both = link.iter().filter_map(|der| parse_certificate(der));
        finding.evidence = both.map(|certificate| certificate.evidence()).collect();
        Some(finding)
    });
    broken.collect()
}
