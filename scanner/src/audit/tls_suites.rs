//! Which cipher suites a server speaks under which version, and which of them it should not.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label, TlsVersion},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::tls::{
    suite::{Fault, Suite},
    survey::{Spoken, Survey},
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

/// Suites that are a weakness wherever they are accepted.
const FAULTS: &[(Fault, FindingType)] = &[
    (Fault::NoEncryption, FindingType::TlsNoEncryption),
    (Fault::Anonymous, FindingType::TlsAnonymous),
    (Fault::ExportRsa, FindingType::TlsFreak),
    (Fault::ExportDh, FindingType::TlsLogjam),
    (Fault::ShortKey, FindingType::TlsShortKeys),
    (Fault::Rc4, FindingType::TlsRc4),
    (Fault::SmallBlocks, FindingType::TlsSweet32),
];

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = subject.survey() else {
        return Vec::new();
    };
    let weaknesses = FAULTS
        .iter()
        .map(|(fault, type_)| (*type_, suites(survey.with_fault(*fault))))
        .chain([
            (FindingType::TlsBeast, suites(beast(survey))),
            (FindingType::TlsNoForwardSecrecy, without_forward_secrecy(survey)),
        ])
        .filter(|(_, evidence)| !evidence.is_empty())
        .map(|(type_, evidence)| {
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = evidence;
            finding
        });
    let spoken = survey.spoken.iter().filter_map(|spoken| told(subject, spoken));
    spoken.chain(weaknesses).collect()
}

/// The suites of one version, in the order in which the server chose them.
fn told(
    subject: &Subject<'_>,
    Spoken {
        version,
        suites: chosen,
        ..
    }: &Spoken,
) -> Option<Finding> {
    let name = Label::cut(&version.to_string())?;
    let mut finding = subject.known.finding_about(FindingType::TlsSuites, name);
    finding.evidence = suites(chosen.iter().map(|suite| (*version, *suite)));
    Some(finding)
}

fn beast(survey: &Survey) -> impl Iterator<Item = (TlsVersion, Suite)> + '_ {
    let cbc = survey.with_fault(Fault::Cbc);
    cbc.filter(|(version, _)| *version == TlsVersion::Tls10)
}

fn without_forward_secrecy(survey: &Survey) -> Vec<Evidence> {
    let versions = survey.spoken.iter().filter(|spoken| {
        let lacks = |suite: &Suite| suite.has(Fault::NoForwardSecrecy);
        spoken.suites.iter().all(lacks)
    });
    versions
        .map(|spoken| Evidence::TlsVersion {
            version: spoken.version,
            offered: true,
        })
        .collect()
}

fn suites(suites: impl Iterator<Item = (TlsVersion, Suite)>) -> Vec<Evidence> {
    let evidence = |(version, suite): (TlsVersion, Suite)| {
        let suite = suite.label()?;
        Some(Evidence::TlsSuite { version, suite })
    };
    suites.filter_map(evidence).collect()
}
