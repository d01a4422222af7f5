//! CCS injection (CVE-2014-0224): whether a ChangeCipherSpec is taken before there are keys. Who takes the
//! first one cannot decrypt the second, and says so; who does not says that it was unexpected. Who says nothing is
//! asked for a whole handshake under the keys that it would have made: who ends it, has them.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    probe::{Probe, Silence},
    reply::End,
    tls::{
        endpoint::{Answer, Endpoint},
        flight::{Flight, Stage},
        handshake::Purpose,
        hello::{CHANGE_CIPHER_SPEC, ClientHello, record},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes,
    judge,
};

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let first = inject(subject).map(|(_, _, probe)| probe);
    let second = insist(subject).map(|(_, _, probe)| probe);
    first.into_iter().chain(second).collect()
}

fn inject<'a>(subject: &Subject<'a>) -> Option<(Endpoint<'a>, TlsVersion, Probe)> {
    let survey = subject.survey().filter(|survey| survey.next.is_empty())?;
    let spoken = survey.best_before_13()?;
    let endpoint = Endpoint::of(subject)?;
    let version = spoken.version;
    let hello = ClientHello {
        suites: spoken.suites.clone(),
        ..endpoint.hello(version)
    };
    let change = record(CHANGE_CIPHER_SPEC, version, &[1]);
    let say = [hello.record(), change.clone(), change].concat();
    let probe = Probe {
        // The second question is put to who is silent.
        silence: Silence::Answers,
        ..endpoint.raw(say, Stage::Alert)
    };
    Some((endpoint, version, probe))
}

/// For those who said nothing to the first question.
fn insist<'a>(subject: &Subject<'a>) -> Option<(Endpoint<'a>, TlsVersion, Probe)> {
    let (endpoint, _, asked) = inject(subject)?;
    subject
        .known
        .reply(&asked)
        .filter(|reply| reply.end == End::Quiet)?;
    let (version, probe) = endpoint.completed(subject.survey()?, Purpose::EarlyKeys)?;
    Some((endpoint, version, probe))
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let told = |flight: &Flight| flight.alert.is_some_and(|alert| UNDECIPHERABLE.contains(&alert));
    let ended = |flight: &Flight| flight.changed;
    let said = inject(subject).and_then(|asked| version_of(asked, told));
    let proven = insist(subject).and_then(|asked| version_of(asked, ended));
    let (version, confidence) = match (said, proven) {
        (_, Some(version)) => (version, Confidence::Certain),
        (Some(version), None) => (version, Confidence::Firm),
        (None, None) => return Vec::new(),
    };
    let mut finding = subject.known.finding(FindingType::TlsCcsInjection, confidence);
    finding.evidence = vec![Evidence::TlsVersion {
        version,
        offered: true,
    }];
    vec![finding]
}

/// The version that was asked in, where the answer shows that keys were taken early.
fn version_of(
    (endpoint, version, probe): (Endpoint<'_>, TlsVersion, Probe),
    shows: impl FnOnce(&Flight) -> bool,
) -> Option<TlsVersion> {
    match endpoint.answer_to(&probe) {
        Answer::Flight(flight) => shows(&flight).then_some(version),
        Answer::NotAsked | Answer::Refused | Answer::Gap => None,
    }
}

/// bad_record_mac and decryption_failed.
const UNDECIPHERABLE: [u8; 2] = [20, 21];
