//! Headers by which a page asks the browser for protection, missing from the landing page.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Evidence, FindingType, Label},
    job::Check,
};

use super::{Audit, Subject, site::Site};
use crate::{probe::Probe, service::http::Response};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Http,
    probes,
    judge,
};

/// Whether a header is not missed on a page.
type NotMissed = fn(&Site<'_>, &Response<'_>) -> bool;

const HEADERS: &[(&str, NotMissed)] = &[
    ("Strict-Transport-Security", |site, _| !site.is_in_tls()),
    ("Content-Security-Policy", |_, _| false),
    ("X-Content-Type-Options", |_, _| false),
    ("X-Frame-Options", |_, response| {
        response
            .header("content-security-policy")
            .is_some_and(|policy| policy.contains("frame-ancestors"))
    }),
    ("Referrer-Policy", |_, _| false),
];

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    site.landing()
        .map(|landing| site.fetch(&landing))
        .into_iter()
        .collect()
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    let Some((landing, response)) = site
        .landing()
        .and_then(|path| Some((path.clone(), site.response(&path)?)))
    else {
        return Vec::new();
    };
    // Only a page that a browser shows can be protected by them.
    if !(200..300).contains(&response.status) || !response.is_html() {
        return Vec::new();
    }
    let missing = HEADERS
        .iter()
        .filter(|(name, not_missed)| response.header(name).is_none() && !not_missed(&site, &response));
    missing
        .filter_map(|(name, _)| {
            let name = Label::cut(name)?;
            let mut finding = site.finding(FindingType::HttpHeaderMissing, &landing, Some(name.clone()))?;
            finding.evidence = vec![Evidence::HeaderMissing { name }];
            Some(finding)
        })
        .collect()
}
