//! What replies mean: observations and findings, from values alone.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Host, Label, PortState, Transport},
    job::{Check, Checks},
};

use crate::{
    audit::{AUDITS, Subject},
    fingerprints::inform,
    identify::over_udp,
    known::Known,
    plan::subject,
    probe::Wrap,
    recog::Recog,
    service::snmp,
    tls,
};

/// The observation of a port.
pub fn port(known: &Known, state: PortState) -> Finding {
    let confidence = match (state, known.transport()) {
        // All that a forger of a datagram must guess is a port of ours.
        (PortState::Open, Transport::Udp) => Confidence::Firm,
        (PortState::Open | PortState::Closed, _) => Confidence::Certain,
        (PortState::Filtered | PortState::Unknown | PortState::NoAnswer, _) => Confidence::Firm,
    };
    let mut finding = known.finding(FindingType::OpenPort, confidence);
    finding.state = Some(state);
    finding
}

/// The observation that a host accepts or answers on every port, so that its ports say nothing.
pub(crate) fn accepts_everything(host: &Host, transport: Transport) -> Finding {
    let place = FindingPlace {
        transport,
        ..FindingPlace::host(host.clone())
    };
    Finding::new(FindingType::EveryPortAccepts, place, Confidence::Firm)
}

/// Everything that the replies of an open endpoint show, as far as they came.
pub fn interpret(known: &Known, checks: &Checks, now: Timestamp) -> Vec<Finding> {
    interpret_informed(known, checks, now, &Recog::default())
}

/// The same, with fingerprints that an operator brought.
pub fn interpret_informed(
    known: &Known,
    checks: &Checks,
    now: Timestamp,
    fingerprints: &Recog,
) -> Vec<Finding> {
    let Ok(mut subject) = subject(known, checks) else {
        return Vec::new();
    };
    subject.identity = subject
        .identity
        .map(|identity| inform(identity, known, &subject.wrap, fingerprints));
    let service = service(&subject).filter(|_| checks.contains(Check::Services));
    let audits = AUDITS.iter().filter(|audit| checks.contains(audit.check));
    let mut findings: Vec<Finding> = service
        .into_iter()
        .chain(audits.flat_map(|audit| (audit.judge)(&subject, now)))
        .collect();
    findings.extend(grade(&subject, &findings));
    findings
}

/// The grade of an endpoint that speaks TLS, by what was found there.
fn grade(subject: &Subject<'_>, findings: &[Finding]) -> Option<Finding> {
    let versions = |finding: &&Finding| finding.type_ == FindingType::TlsVersions;
    findings.iter().find(versions)?;
    let mut finding = subject.known.finding(FindingType::TlsGrade, Confidence::Certain);
    finding.evidence = tls::grade::evidence(findings).into_iter().collect();
    Some(finding)
}

/// What an endpoint said over UDP. Of silence there is nothing to tell.
pub(crate) fn datagram(known: &Known, fingerprints: &Recog) -> Vec<Finding> {
    let Some(identity) = over_udp(known) else {
        return Vec::new();
    };
    let identity = inform(identity, known, &Wrap::Datagram, fingerprints);
    let is_agent = identity.protocol == snmp::PROTOCOL;
    let found = service(&Subject::new(known, Some(identity), Wrap::Datagram));
    let told = known
        .exchanges()
        .iter()
        .find_map(|(_, reply)| snmp::told_to_anybody(&reply.heard));
    let weakness = told.filter(|_| is_agent).map(|community| Finding {
        evidence: vec![community],
        ..known.finding(FindingType::SnmpDefaultCommunity, Confidence::Certain)
    });
    found.into_iter().chain(weakness).collect()
}

fn service(subject: &Subject<'_>) -> Option<Finding> {
    let protocol = match (&subject.identity, &subject.wrap) {
        (Some(identity), Wrap::Plain) => identity.protocol.to_owned(),
        (Some(identity), Wrap::Tls(_)) => format!("tls/{}", identity.protocol),
        (Some(identity), Wrap::Datagram) => format!("udp/{}", identity.protocol),
        (None, Wrap::Tls(_)) => "tls".to_owned(),
        (None, Wrap::Plain | Wrap::Datagram) => return None,
    };
    let confidence = subject
        .identity
        .as_ref()
        .map_or(Confidence::Certain, |identity| identity.confidence);
    let mut finding = subject.known.finding(FindingType::Service, confidence);
    if let Some(identity) = &subject.identity {
        finding.product.clone_from(&identity.product);
        finding.version.clone_from(&identity.version);
    }
    let (product, version) = (finding.product.clone(), finding.version.clone());
    finding.evidence = vec![Evidence::Product {
        protocol: Label::cut(&protocol)?,
        product,
        version,
    }];
    let cpe = subject
        .identity
        .as_ref()
        .and_then(|identity| identity.cpe.clone());
    finding.evidence.extend(cpe.map(|cpe| Evidence::Platform { cpe }));
    Some(finding)
}
