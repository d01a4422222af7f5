//! Redis that does what strangers tell it.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject, no_probes};
use crate::service::redis::{ASK_INFO, Access, parse_reply};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Services,
    probes: no_probes,
    judge,
};

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let asked = subject
        .known
        .exchanges()
        .iter()
        .filter(|(probe, _)| probe.say == ASK_INFO);
    let told = asked.filter_map(|(_, reply)| parse_reply(&reply.heard));
    if !told.into_iter().any(|told| told.access == Access::Open) {
        return Vec::new();
    }
    let mut finding = subject
        .known
        .finding(FindingType::RedisNoAuthentication, Confidence::Certain);
    if let Some(identity) = &subject.identity {
        finding.product.clone_from(&identity.product);
        finding.version.clone_from(&identity.version);
    }
    finding.evidence = Label::cut("redis")
        .map(|protocol| Evidence::NoAuthentication { protocol })
        .into_iter()
        .collect();
    vec![finding]
}
