//! A certificate whose key is short, or whose signature rests on a broken hash.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::certificate::Certificate;

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

/// NIST SP 800-57 part 1, table 2: 112 bits of strength and more.
const SHORTEST: &[(&str, u32)] = &[("RSA", 2048), ("DSA", 2048), ("EC", 224)];

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let certificates = subject.certificates();
    let faults = certificates
        .iter()
        .map(|certificate| faults(subject, certificate));
    faults.flatten().collect()
}

fn faults(subject: &Subject<'_>, certificate: &Certificate) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some((algorithm, bits)) = certificate.key.clone()
        && SHORTEST
            .iter()
            .any(|(name, least)| *name == algorithm.as_str() && bits < *least)
    {
        let mut finding = subject
            .known
            .finding(FindingType::TlsWeakKey, Confidence::Certain);
        finding.evidence = vec![Evidence::KeySize { algorithm, bits }, certificate.evidence()];
        findings.push(finding);
    }
    if certificate.is_guessable
        && let (Some(name), Some(value)) =
            (Label::cut("key"), Label::cut("made by a broken generator (ROCA)"))
    {
        let type_ = FindingType::TlsWeakKey;
        let mut finding = subject.known.finding(type_, Confidence::Certain);
        finding.evidence = vec![Evidence::Feature { name, value }, certificate.evidence()];
        findings.push(finding);
    }
    // Nobody checks the signature of a root: a self-signed one protects nothing.
    if let Some(algorithm) = certificate.broken_signature.clone()
        && !certificate.self_signed
    {
        let mut finding = subject
            .known
            .finding(FindingType::TlsWeakSignature, Confidence::Certain);
        finding.evidence = vec![Evidence::WeakSignature { algorithm }, certificate.evidence()];
        findings.push(finding);
    }
    findings
}
