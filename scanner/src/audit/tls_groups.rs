//! Which groups keys are agreed on in: curves, finite fields, and whether one of them outlasts quantum computers.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::tls::survey::Survey;

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes: no_probes,
    judge,
};

/// The size below which a field can be broken (LOGJAM's authors: by states; RFC 9325, section 4.1: 2048).
const BREAKABLE: usize = 1024;
const SOUND: usize = 2048;

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = subject.survey() else {
        return Vec::new();
    };
    let fields = |range: std::ops::Range<usize>| fields(survey, range);
    [
        (FindingType::TlsGroups, groups(survey, false)),
        (FindingType::TlsWeakGroup, groups(survey, true)),
        (FindingType::TlsLogjam, fields(0..BREAKABLE)),
        (FindingType::TlsWeakDh, fields(BREAKABLE..SOUND)),
    ]
    .into_iter()
    .filter(|(_, evidence)| !evidence.is_empty())
    .map(|(type_, evidence)| {
        let mut finding = subject.known.finding(type_, Confidence::Certain);
        finding.evidence = evidence;
        finding
    })
    .collect()
}

fn groups(survey: &Survey, weak_alone: bool) -> Vec<Evidence> {
    let groups = survey.groups.iter();
    groups
        .filter(|group| !weak_alone || group.is_weak())
        .filter_map(|group| group.label().map(|group| Evidence::TlsGroup { group }))
        .collect()
}

/// The fields with so many bits.
fn fields(survey: &Survey, range: std::ops::Range<usize>) -> Vec<Evidence> {
    let sizes = survey.primes.iter().map(|prime| bits(prime));
    sizes
        .filter(|bits| range.contains(bits))
        .filter_map(|bits| {
            Some(Evidence::KeySize {
                algorithm: Label::cut("DH")?,
                bits: u32::try_from(bits).ok()?,
            })
        })
        .collect()
}

/// Of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    let first = number.first().map_or(0, |first| first.leading_zeros() as usize);
    8 * number.len() - first
}
