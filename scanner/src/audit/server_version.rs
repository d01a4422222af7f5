//! Headers that tell which version of a product answers.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Evidence, FindingType, Label},
    job::Check,
};

use super::{
    Audit, Subject, no_probes,
    site::{Site, path},
};
use crate::service::http::product;

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Http,
    probes: no_probes,
    judge,
};

/// The headers, and the product whose version stands in them alone.
const HEADERS: &[(&str, Option<&str>)] = &[
    ("Server", None),
    ("X-Powered-By", None),
    ("X-AspNet-Version", Some("ASP.NET")),
    ("X-AspNetMvc-Version", Some("ASP.NET MVC")),
];

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(site) = Site::of(subject) else {
        return Vec::new();
    };
    let root = path("/");
    let Some(response) = site.response(&root) else {
        return Vec::new();
    };
    HEADERS
        .iter()
        .filter_map(|(name, alone)| {
            let value = response.header(name)?;
            let (product, version) = match alone {
                Some(product) => (*product, Some(value)),
                None => product(value),
            };
            let (name, product) = (Label::cut(name)?, Label::cut(product)?);
            let version = version.filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
            let version = version.and_then(Label::cut)?;
            let mut finding = site.finding(FindingType::HttpServerVersion, &root, Some(name.clone()))?;
            finding.product = Some(product.clone());
            finding.version = Some(version.clone());
            finding.evidence = vec![Evidence::HeaderVersion {
                name,
                product,
                version,
            }];
            Some(finding)
        })
        .collect()
}
