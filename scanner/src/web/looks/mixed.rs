//! Pages inside TLS that load or send something outside of it (Mixed Content, W3C): what browsers do not mend.
//!
//! Browsers fetch images, sounds and films over TLS by themselves; scripts, styles and frames they refuse, and a form's
//! action they follow. A policy that has requests upgraded mends all of it.

use vedette_protocol::finding::{Confidence, FindingType};

use super::{Fault, Look, PageSight, Sight, Transport, csp::policies, feature};
use crate::web::html::Element;

pub(crate) const LOOK: Look = Look { name: "mixed", see };

fn see(sight: &Sight<'_>) -> Vec<Fault> {
    let Sight::Page(page) = sight else {
        return Vec::new();
    };
    if page.transport != Transport::Tls || is_upgraded(page) {
        return Vec::new();
    }
    let mut kinds: Vec<&'static str> = page.document.elements().filter_map(in_the_clear).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let fault = |kind: &'static str| Fault {
        type_: FindingType::WebMixedContent,
        confidence: Confidence::Certain,
        part: format!("element:{kind}"),
        evidence: feature(kind, "over HTTP without TLS").into_iter().collect(),
        once: None,
    };
    kinds.into_iter().map(fault).collect()
}

fn is_upgraded(page: &PageSight<'_>) -> bool {
    policies(page)
        .iter()
        .any(|policy| policy.sources("upgrade-insecure-requests").is_some())
}

/// The name of an element that loads or sends something without TLS.
fn in_the_clear(element: Element<'_>) -> Option<&'static str> {
    let (name, attribute) = match element.name() {
        "script" => ("script", "src"),
        "iframe" => ("iframe", "src"),
        "frame" => ("frame", "src"),
        "embed" => ("embed", "src"),
        "object" => ("object", "data"),
        "form" => ("form", "action"),
        "link" => ("link", "href"),
        _ => return None,
    };
    let is_style = || {
        let relation = element.attribute("rel").unwrap_or_default().to_ascii_lowercase();
        relation.split_ascii_whitespace().any(|word| word == "stylesheet")
    };
    if name == "link" && !is_style() {
        return None;
    }
    let reference = element.attribute(attribute)?.trim_start();
    let clear = reference
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("http://"));
    (clear && element.within("template").is_none()).then_some(name)
}
