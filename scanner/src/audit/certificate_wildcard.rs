//! A certificate for more names than anybody owns: any name, or all names below a top-level domain.

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
    let wide = subject.certificates().into_iter().filter_map(|certificate| {
        let name = certificate.names.iter().find(|name| is_wide(name))?;
        let mut finding = subject
            .known
            .finding(FindingType::TlsWideWildcard, Confidence::Certain);
        let (what, name) = (Label::cut("name")?, Label::cut(name)?);
        finding.evidence = vec![
            Evidence::Feature {
                name: what,
                value: name,
            },
            certificate.evidence(),
        ];
        Some(finding)
    });
    wide.collect()
}

/// `*` and `*.example`, but not `*.host.example`.
fn is_wide(name: &str) -> bool {
    match name.strip_prefix('*') {
        Some("") => true,
        Some(rest) => rest.strip_prefix('.').is_some_and(|domain| !domain.contains('.')),
        None => false,
    }
}
