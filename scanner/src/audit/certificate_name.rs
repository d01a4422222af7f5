//! A certificate for another name than the one that the host was asked for by. A host that is scanned by
//! its address is not judged: nobody said by which name its clients know it.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject, no_probes};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(name) = subject.known.name() else {
        return Vec::new();
    };
    let certificates = subject.certificates().into_iter();
    let for_others = certificates.filter(|certificate| !certificate.covers(name.as_str()));
    for_others
        .map(|certificate| {
            let type_ = FindingType::TlsCertificateWrongName;
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            let mismatch = Label::cut(name.as_str()).map(|asked| Evidence::NameMismatch { asked });
            finding.evidence = mismatch.into_iter().chain([certificate.evidence()]).collect();
            finding
        })
        .collect()
}
