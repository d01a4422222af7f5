//! What a server of SSH offers and shows before anybody logs in, and which of it should be gone.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    certificate::is_roca,
    probe::{Probe, Wrap},
    ssh::{
        algorithm::{is_post_quantum, terrapin, weak},
        packet::{HostKey, Lists},
        survey::Survey,
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Services,
    probes,
    judge,
};

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    survey(subject).map(|survey| survey.next).unwrap_or_default()
}

fn survey(subject: &Subject<'_>) -> Option<Survey> {
    let identity = subject.identity.as_ref()?;
    (identity.protocol == "ssh" && subject.wrap == Wrap::Plain).then(|| Survey::of(subject.known))
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(survey) = survey(subject) else {
        return Vec::new();
    };
    let mut found: Vec<(FindingType, Vec<Evidence>)> = Vec::new();
    if let Some(lists) = &survey.lists {
        found.push((FindingType::SshAlgorithms, algorithms(lists, &survey.host_keys)));
        for (type_, names) in weak(lists) {
            found.push((type_, features("offered", &names)));
        }
        found.push((
            FindingType::SshTerrapin,
            features("offered without strict key exchange", &terrapin(lists)),
        ));
    }
    // 1.99 is how a server of version 2 says that it speaks version 1 too (RFC 4253, section 5.1).
    let old = survey
        .protocol
        .as_deref()
        .filter(|protocol| protocol.starts_with("1."));
    found.push((FindingType::SshVersion1, features("protocol", old.as_slice())));
    found.push((
        FindingType::SshWeakHostKey,
        survey.host_keys.iter().filter_map(weak_key).collect(),
    ));
    let group = survey.group.filter(|bits| *bits < SOUND_GROUP);
    found.push((
        FindingType::SshWeakGroup,
        group.into_iter().filter_map(|bits| size("DH", bits)).collect(),
    ));
    let found = found.into_iter().filter(|(_, evidence)| !evidence.is_empty());
    found
        .map(|(type_, evidence)| {
            let mut finding = subject.known.finding(type_, Confidence::Certain);
            finding.evidence = evidence;
            finding
        })
        .collect()
}

fn algorithms(lists: &Lists, keys: &[HostKey]) -> Vec<Evidence> {
    let mut evidence = Vec::new();
    for (what, names) in [
        ("key exchange", &lists.exchanges),
        ("host key", &lists.host_keys),
        ("cipher", &lists.ciphers),
        ("MAC", &lists.macs),
        ("compression", &lists.compressions),
    ] {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        evidence.extend(features(what, &names));
    }
    let lasting = lists.exchanges.iter().any(|name| is_post_quantum(name));
    evidence.extend(features(
        "post-quantum key exchange",
        &[if lasting { "yes" } else { "no" }],
    ));
    evidence.extend(keys.iter().filter_map(|key| size(&key.kind, key.bits)));
    evidence
}

/// NIST SP 800-57 part 1, table 2: 112 bits of strength and more; DSA is gone from SSH altogether.
fn weak_key(key: &HostKey) -> Option<Evidence> {
    let is_short = match key.kind.as_str() {
        "ssh-rsa" => key.bits < 2048,
        "ssh-dss" => true,
        _ => false,
    };
    let is_guessable = key.modulus.as_deref().is_some_and(is_roca);
    if is_guessable {
        return features("made by a broken generator (ROCA)", &[&key.kind]).pop();
    }
    is_short.then(|| size(&key.kind, key.bits))?
}

fn size(algorithm: &str, bits: u32) -> Option<Evidence> {
    Some(Evidence::KeySize {
        algorithm: Label::cut(algorithm)?,
        bits,
    })
}

fn features(what: &str, names: &[&str]) -> Vec<Evidence> {
    let feature = |name: &&str| {
        let (name, value) = (Label::cut(what)?, Label::cut(name)?);
        Some(Evidence::Feature { name, value })
    };
    names.iter().filter_map(feature).collect()
}

/// RFC 9142, section 1.1.1.
const SOUND_GROUP: u32 = 2048;
