//! CCS injection (CVE-2014-0224): whether a ChangeCipherSpec is taken before there are keys. Who takes the
//! first one cannot decrypt the second, and says so; who does not says that it was unexpected.

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
        hello::{CHANGE_CIPHER_SPEC, ClientHello, record},
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: |subject| inject(subject).into_iter().map(|(_, _, probe)| probe).collect(),
    judge,
};

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
    let probe = endpoint.raw(say, Stage::Alert);
    Some((endpoint, version, probe))
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some((endpoint, version, probe)) = inject(subject) else {
        return Vec::new();
    };
    match endpoint.answer_to(&probe) {
        Answer::Flight(flight) if flight.alert.is_some_and(|alert| UNDECIPHERABLE.contains(&alert)) => {
            let type_ = FindingType::TlsCcsInjection;
            let mut finding = subject.known.finding(type_, Confidence::Firm);
            finding.evidence = vec![Evidence::TlsVersion {
                version,
                offered: true,
            }];
            vec![finding]
        }
        Answer::Flight(_) | Answer::NotAsked | Answer::Refused | Answer::Gap => Vec::new(),
    }
}

/// bad_record_mac and decryption_failed.
const UNDECIPHERABLE: [u8; 2] = [20, 21];
