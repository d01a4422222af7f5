//! A certificate that is signed with its own key.

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

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let certificates = subject.certificates().into_iter();
    let self_signed = certificates.filter(|certificate| certificate.self_signed);
    self_signed
        .map(|certificate| {
            let type_ = FindingType::TlsCertificateSelfSigned;
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = vec![certificate.evidence()];
            finding
        })
        .collect()
}
