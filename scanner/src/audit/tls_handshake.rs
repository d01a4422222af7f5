//! What a server agrees to in a handshake beside version, suite and group.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label, TlsVersion},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::{
    certificate::parse_certificate,
    tls::{
        flight::{Flight, ServerHello},
        survey::{Fallback, Order, Survey},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = subject.survey() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let features = features(survey);
    if !features.is_empty() {
        let mut finding = subject
            .known
            .finding(FindingType::TlsFeatures, Confidence::Certain);
        finding.evidence = features
            .into_iter()
            .filter_map(|(name, value)| {
                let (name, value) = (Label::cut(name)?, Label::cut(&value)?);
                Some(Evidence::Feature { name, value })
            })
            .collect();
        findings.push(finding);
    }
    if let Some(hello) = hello(survey) {
        for (type_, is_so) in [
            (FindingType::TlsCompression, hello.compressed),
            (
                FindingType::TlsInsecureRenegotiation,
                hello.extension(RENEGOTIATION_INFO).is_none(),
            ),
        ] {
            if is_so {
                let mut finding = subject.known.finding(type_, Confidence::Certain);
                finding.evidence = vec![Evidence::TlsVersion {
                    version: hello.version,
                    offered: true,
                }];
                findings.push(finding);
            }
        }
    }
    findings
}

/// The answer to the hello that offered everything. Before TLS 1.3 alone: there it is encrypted.
fn hello(survey: &Survey) -> Option<&ServerHello> {
    survey.flights.first()?.hello.as_ref()
}

fn features(survey: &Survey) -> Vec<(&'static str, String)> {
    let yes = |so: bool| if so { "yes" } else { "no" }.to_owned();
    let mut features = Vec::new();
    if survey.version(TlsVersion::Tls13).is_some() {
        let post_quantum = survey.groups.iter().any(|group| group.is_post_quantum());
        features.push(("post-quantum key exchange", yes(post_quantum)));
    }
    for spoken in &survey.spoken {
        if let Some(order) = spoken.order {
            let whose = match order {
                Order::Server => "server",
                Order::Client => "client",
            };
            features.push(("order of suites", format!("{whose} ({})", spoken.version)));
        }
    }
    match survey.fallback {
        Some(Fallback::Refused) => features.push(("fallback protection", yes(true))),
        Some(Fallback::Accepted(_)) => features.push(("fallback protection", yes(false))),
        None => {}
    }
    let own = survey.flights.iter().find_map(|flight| flight.chain.first());
    if let Some(certificate) = own.and_then(|der| parse_certificate(der)) {
        features.push((
            "certificate timestamps in the certificate",
            certificate.timestamps.to_string(),
        ));
    }
    let Some(hello) = hello(survey) else {
        return features;
    };
    for (name, number) in EXTENSIONS {
        features.push((name, yes(hello.extension(*number).is_some())));
    }
    features.push(("session ids", yes(!hello.session.is_empty())));
    let stapled = survey
        .flights
        .iter()
        .any(|flight: &Flight| flight.staple.is_some_and(|length| length > 0));
    features.push(("stapled OCSP response", yes(stapled)));
    if let Some(protocol) = hello.extension(ALPN).and_then(chosen_protocol) {
        features.push(("application protocol", protocol));
    }
    features
}

/// RFC 7301, section 3.1: a list of one name.
fn chosen_protocol(body: &[u8]) -> Option<String> {
    let [_, _, length, name @ ..] = body else {
        return None;
    };
    let name = name.get(..usize::from(*length))?;
    std::str::from_utf8(name).ok().map(str::to_owned)
}

const RENEGOTIATION_INFO: u16 = 0xff01;
const ALPN: u16 = 16;
const EXTENSIONS: &[(&str, u16)] = &[
    ("secure renegotiation", RENEGOTIATION_INFO),
    ("session tickets", 35),
    ("extended master secret", 23),
    ("encrypt-then-MAC", 22),
    ("certificate timestamps", 18),
    ("heartbeats", 15),
];
