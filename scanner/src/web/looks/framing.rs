//! Pages with a form that changes something, which any other site may show in a frame of its own (clickjacking).
//!
//! Judged as browsers do: `frame-ancestors` counts alone where there is one, and `X-Frame-Options` as the HTML Standard
//! reads it, which ignores what it does not know. Where both are missing from the site's first page, the audits say so.

use vedette_protocol::finding::{Confidence, FindingType};

use super::{Fault, Look, PageSight, Sight, csp::Policy, feature};

pub(crate) const LOOK: Look = Look { name: "framing", see };

fn see(sight: &Sight<'_>) -> Vec<Fault> {
    let Sight::Page(page) = sight else {
        return Vec::new();
    };
    let Some((part, why)) = framed(page).filter(|_| has_a_form(page)) else {
        return Vec::new();
    };
    vec![Fault {
        type_: FindingType::WebFraming,
        confidence: Confidence::Firm,
        part: part.to_owned(),
        evidence: feature(part.trim_start_matches("header:"), why)
            .into_iter()
            .collect(),
        once: None,
    }]
}

/// Whether a page has a form that is posted.
fn has_a_form(page: &PageSight<'_>) -> bool {
    page.response.status == 200
        && page.document.elements().any(|element| {
            element.name() == "form"
                && element
                    .attribute("method")
                    .is_some_and(|method| method.eq_ignore_ascii_case("post"))
        })
}

/// By what a page may be shown in another site's frame, if it may.
fn framed(page: &PageSight<'_>) -> Option<(&'static str, &'static str)> {
    let policies = Policy::of_header(page);
    let ancestors: Vec<&[String]> = policies
        .iter()
        .filter_map(|policy| policy.sources("frame-ancestors"))
        .collect();
    if !ancestors.is_empty() {
        let open = |sources: &&[String]| {
            sources
                .iter()
                .any(|source| matches!(source.as_str(), "*" | "http:" | "https:"))
        };
        let all = ancestors.iter().all(open);
        return all.then_some((
            "header:Content-Security-Policy",
            "frame-ancestors allows every site",
        ));
    }
    let values: Vec<String> = page
        .response
        .all("x-frame-options")
        .flat_map(|field| field.split(','))
        .map(|value| value.trim().to_ascii_lowercase())
        .filter(|value| !value.is_empty())
        .collect();
    let part = "header:X-Frame-Options";
    match values.as_slice() {
        [] => (!page.is_landing).then_some((part, "missing, and frame-ancestors too")),
        [value] if matches!(value.as_str(), "deny" | "sameorigin") => None,
        [_] => Some((part, "a value that browsers ignore")),
        // Values that contradict one another forbid, where one of them is known.
        many => {
            let known = many
                .iter()
                .any(|value| matches!(value.as_str(), "deny" | "sameorigin" | "allowall"));
            (!known).then_some((part, "values that browsers ignore"))
        }
    }
}
