//! Which versions of TLS a server speaks: 1.2 and 1.3; older ones are not asked for.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::{Probe, Silence, Versions},
    reply::{End, Reply, Session},
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes,
    judge,
};

/// A server that knows both takes 1.3 when it is offered both, so that only 1.2 remains to be asked for.
fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    match version(subject, Versions::Both) {
        Some(TlsVersion::Tls13) => vec![subject.known.handshake(Versions::Only12, Silence::IsAGap)],
        _ => Vec::new(),
    }
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(best) = version(subject, Versions::Both) else {
        return Vec::new();
    };
    let tls13 = best == TlsVersion::Tls13;
    let tls12 = if tls13 { offers_12(subject) } else { Some(true) };
    let mut versions = subject
        .known
        .finding(FindingType::TlsVersions, Confidence::Certain);
    versions.evidence = [(TlsVersion::Tls12, tls12), (TlsVersion::Tls13, Some(tls13))]
        .into_iter()
        .filter_map(|(version, offered)| {
            Some(Evidence::TlsVersion {
                version,
                offered: offered?,
            })
        })
        .collect();
    let mut findings = vec![versions];
    if !tls13 {
        let mut finding = subject
            .known
            .finding(FindingType::TlsNoTls13, Confidence::Certain);
        finding.evidence = vec![Evidence::TlsVersion {
            version: TlsVersion::Tls13,
            offered: false,
        }];
        findings.push(finding);
    }
    findings
}

/// The version agreed on in a handshake that offered these.
fn version(subject: &Subject<'_>, versions: Versions) -> Option<TlsVersion> {
    let reply = subject
        .known
        .reply(&subject.known.handshake(versions, Silence::Answers))?;
    reply.session.as_ref()?.version
}

/// Whether TLS 1.2 alone was accepted; none when that is not known.
fn offers_12(subject: &Subject<'_>) -> Option<bool> {
    let reply = subject
        .known
        .reply(&subject.known.handshake(Versions::Only12, Silence::IsAGap))?;
    match reply {
        Reply {
            session: Some(Session { version: Some(_), .. }),
            ..
        } => Some(true),
        Reply {
            end: End::NoTls(_), ..
        } => Some(false),
        _ => None,
    }
}
