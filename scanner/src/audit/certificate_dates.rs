//! A certificate that has expired, or is not valid yet.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, FindingType},
    job::Check,
};

use super::{Audit, Subject, no_probes};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, now: Timestamp) -> Vec<Finding> {
    let certificates = subject.certificates().into_iter();
    let out_of_date = certificates.filter_map(|certificate| {
        let type_ = if now > certificate.not_after {
            FindingType::TlsCertificateExpired
        } else if now < certificate.not_before {
            FindingType::TlsCertificateNotYetValid
        } else {
            return None;
        };
        let mut finding = subject.known.finding(type_, Confidence::Certain);
        finding.evidence = vec![certificate.evidence()];
        Some(finding)
    });
    out_of_date.collect()
}
