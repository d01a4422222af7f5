//! Heartbleed (CVE-2014-0160), without reading a byte of anybody's memory: a heartbeat of no payload and no
//! padding. RFC 6520, section 4, has it dropped in silence; who answers does not check what lengths claim.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::Probe,
    tls::{
        endpoint::{Answer, Endpoint},
        flight::Stage,
        hello::{ALERT, ClientHello, HEARTBEAT, Offer, record},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: |subject| beat(subject).into_iter().map(|(_, _, probe)| probe).collect(),
    judge,
};

/// RFC 6520, section 7.
const HEARTBEAT_EXTENSION: u16 = 15;

/// For servers that said that they do heartbeats; the close that follows ends the wait for an answer.
fn beat<'a>(subject: &Subject<'a>) -> Option<(Endpoint<'a>, TlsVersion, Probe)> {
    const EMPTY_REQUEST: [u8; 3] = [1, 0, 0];
    const CLOSE_NOTIFY: [u8; 2] = [1, 0];
    let survey = subject.survey().filter(|survey| survey.next.is_empty())?;
    let spoken = survey.best_before_13()?;
    let hello = survey.flights.first()?.hello.as_ref()?;
    hello.extension(HEARTBEAT_EXTENSION)?;
    let endpoint = Endpoint::of(subject)?;
    let version = spoken.version;
    let hello = ClientHello {
        suites: spoken.suites.clone(),
        offers: vec![Offer::Heartbeat],
        ..endpoint.hello(version)
    };
    let say = [
        hello.record(),
        record(HEARTBEAT, version, &EMPTY_REQUEST),
        record(ALERT, version, &CLOSE_NOTIFY),
    ];
    let probe = endpoint.raw(say.concat(), Stage::Alert);
    Some((endpoint, version, probe))
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some((endpoint, version, probe)) = beat(subject) else {
        return Vec::new();
    };
    match endpoint.answer_to(&probe) {
        Answer::Flight(flight) if flight.heartbeat => {
            let type_ = FindingType::TlsHeartbleed;
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = vec![Evidence::TlsVersion {
                version,
                offered: true,
            }];
            vec![finding]
        }
        Answer::Flight(_) | Answer::NotAsked | Answer::Refused | Answer::Gap => Vec::new(),
    }
}
