//! Which versions of SSL and TLS a server speaks, and what follows from those alone.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::Probe,
    tls::{
        suite::Fault,
        survey::{Fallback, Survey},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes,
    judge,
};

/// What the whole survey wants to know: the other audits of suites and groups judge what came of it.
fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    subject
        .survey()
        .map(|survey| survey.next.clone())
        .unwrap_or_default()
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = subject.survey().filter(|survey| survey.speaks()) else {
        return Vec::new();
    };
    let version = |version| {
        let offered = survey.speaks_version(version)?;
        Some(Evidence::TlsVersion { version, offered })
    };
    let mut findings = vec![
        subject
            .known
            .finding(FindingType::TlsVersions, Confidence::Certain),
    ];
    findings[0].evidence = TlsVersion::ALL.into_iter().filter_map(version).collect();
    for (type_, evidence) in [
        (FindingType::TlsNoTls13, no_tls13(survey)),
        (FindingType::TlsDrown, ssl2(survey)),
        (FindingType::TlsPoodle, poodle(survey)),
        (FindingType::TlsOldVersions, old(survey)),
        (FindingType::TlsNoFallbackProtection, fallback(survey)),
    ] {
        if !evidence.is_empty() {
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = evidence;
            findings.push(finding);
        }
    }
    findings
}

fn no_tls13(survey: &Survey) -> Vec<Evidence> {
    match survey.speaks_version(TlsVersion::Tls13) {
        Some(false) => vec![Evidence::TlsVersion {
            version: TlsVersion::Tls13,
            offered: false,
        }],
        Some(true) | None => Vec::new(),
    }
}

fn ssl2(survey: &Survey) -> Vec<Evidence> {
    let Some(ciphers) = &survey.ssl2 else {
        return Vec::new();
    };
    let version = TlsVersion::Ssl2;
    let known = ciphers.iter().filter_map(|cipher| cipher.label());
    let suites = known.map(|suite| Evidence::TlsSuite { version, suite });
    [Evidence::TlsVersion {
        version,
        offered: true,
    }]
    .into_iter()
    .chain(suites)
    .collect()
}

/// The padding of SSLv3 is not authenticated; its RC4 suites have none, and faults of their own.
fn poodle(survey: &Survey) -> Vec<Evidence> {
    let suites = survey.with_fault(Fault::Cbc);
    let of_ssl3 = suites.filter(|(version, _)| *version == TlsVersion::Ssl3);
    of_ssl3
        .filter_map(|(version, suite)| {
            let suite = suite.label()?;
            Some(Evidence::TlsSuite { version, suite })
        })
        .collect()
}

fn old(survey: &Survey) -> Vec<Evidence> {
    let old = survey.spoken.iter().map(|spoken| spoken.version);
    old.filter(|version| (TlsVersion::Ssl3..TlsVersion::Tls12).contains(version))
        .map(|version| Evidence::TlsVersion {
            version,
            offered: true,
        })
        .collect()
}

fn fallback(survey: &Survey) -> Vec<Evidence> {
    match survey.fallback {
        Some(Fallback::Accepted(version)) => vec![Evidence::TlsVersion {
            version,
            offered: true,
        }],
        Some(Fallback::Refused) | None => Vec::new(),
    }
}
