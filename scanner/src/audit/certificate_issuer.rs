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
    let Some(certificate) = subject
        .certificate()
        .filter(|certificate| certificate.self_signed)
    else {
        return Vec::new();
    };
    let mut finding = subject
        .known
        .finding(FindingType::TlsCertificateSelfSigned, Confidence::Certain);
    finding.evidence = vec![certificate.evidence()];
    vec![finding]
}
