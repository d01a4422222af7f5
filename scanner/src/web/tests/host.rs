//! Host header attacks: by links and redirects of the answer that lead to a host of ours.
//!
//! Who makes absolute references of the host that a request names hands out those of an attacker: from a cache, or by
//! mail. Asked only where the usual answer has an absolute reference, since something must be made of the name.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards, redirect::leads_to};
use crate::web::{
    html,
    page::refresh_target,
    response::Response,
    script,
    trial::{Proof, Stop, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "host",
    of: Of::Host,
    budget: 4,
    judge,
    afterwards: nothing_afterwards,
};

/// The field in which a request names its host.
pub(crate) const HOST: &str = "Host";
/// Those in which a server in front says which host it was asked for.
pub(crate) const FORWARDED: &[&str] = &[
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Original-Host",
    "X-Host",
    "X-HTTP-Host-Override",
    "Forwarded",
];

fn judge(trial: &Trial<'_>) -> Verdict {
    let name = &trial.subject.input.name;
    let way = |number| {
        let host = format!("{}.example", trial.token(number));
        let reply = trial.reply(&spelled(name, &host))?;
        Ok::<_, Stop>(way_to(reply, &trial.subject.facts.origin, &host))
    };
    let Some(detail) = way(80)? else {
        return Ok(None);
    };
    // The name of the host itself decides which site it is: a redirect may be the front's own.
    let confidence = match (name.as_str(), detail) {
        (HOST, "redirect") => Confidence::Tentative,
        (HOST, _) => Confidence::Firm,
        _ => Confidence::Certain,
    };
    Ok((way(81)? == Some(detail)).then_some(Proof {
        type_: FindingType::WebHostHeader,
        confidence,
        shown_by: ShownBy::OwnReference,
        detail,
    }))
}

/// A host as a field of that name has it.
pub(crate) fn spelled(field: &str, host: &str) -> String {
    match field {
        // RFC 7239, section 4.
        "Forwarded" => format!("host={host}"),
        _ => host.to_owned(),
    }
}

/// By what an answer leads to a host, if it does.
pub(crate) fn way_to(reply: &Response, origin: &str, host: &str) -> Option<&'static str> {
    // Spares reading most pages.
    if !reply.text().contains(host) && !reply.location().is_some_and(|to| to.contains(host)) {
        return None;
    }
    references(reply)
        .into_iter()
        .find(|(_, reference)| is_absolute(reference) && leads_to(origin, reference, host))
        .map(|(way, _)| way)
}

/// Whether an answer has a reference that names a host.
pub(crate) fn names_a_host(reply: &Response) -> bool {
    references(reply)
        .iter()
        .any(|(_, reference)| is_absolute(reference))
}

fn is_absolute(reference: &str) -> bool {
    let reference = reference.trim_start().to_ascii_lowercase();
    ["http://", "https://", "//"]
        .iter()
        .any(|start| reference.starts_with(start))
}

/// What an answer refers to, and by what.
fn references(reply: &Response) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    found.extend(reply.location().map(|to| ("redirect", to.to_owned())));
    let refresh = reply.header("refresh").and_then(refresh_target);
    found.extend(refresh.map(|to| ("redirect", to.to_owned())));
    if reply.media().ends_with("json") {
        if let Ok(document) = serde_json::from_slice(&reply.body) {
            found.extend(texts(&document).into_iter().map(|text| ("value", text)));
        }
    } else if reply.is_page() {
        let document = html::parse(&reply.body);
        for element in document.elements() {
            let linked = element
                .attributes()
                .iter()
                .filter(|(name, _)| LINKS.contains(&name.as_str()));
            found.extend(linked.map(|(_, value)| ("link", value.clone())));
            match element.name() {
                "meta" => {
                    let content = element.attribute("content").unwrap_or_default();
                    let target = refresh_target(content).unwrap_or(content);
                    found.push(("link", target.to_owned()));
                }
                "script" => {
                    let strings = script::strings(&element.text());
                    found.extend(strings.into_iter().map(|text| ("script", text)));
                }
                _ => {}
            }
        }
    }
    found
}

/// The texts of a document.
fn texts(document: &serde_json::Value) -> Vec<String> {
    let mut texts = Vec::new();
    let mut todo = vec![document];
    while let Some(value) = todo.pop() {
        match value {
            serde_json::Value::Object(fields) => todo.extend(fields.values()),
            serde_json::Value::Array(items) => todo.extend(items),
            serde_json::Value::String(text) => texts.push(text.clone()),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
    texts
}

const LINKS: &[&str] = &["href", "src", "action", "formaction", "data", "poster"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_counts_where_something_leads_to_it() {
        let way = |reply: &Response| way_to(reply, "http://192.0.2.7", "h.example");
        let html = [("Content-Type", "text/html")];
        let json = [("Content-Type", "application/json")];
        for (body, expected) in [
            ("<a href='https://h.example/reset'>", "link"),
            ("<meta property=og:url content='http://h.example/'>", "link"),
            ("<base href=//h.example/>", "link"),
            ("<script>api = 'https:\\/\\/h.example\\/v1'</script>", "script"),
        ] {
            assert_eq!(
                way(&Response::answering(200, &html, body)),
                Some(expected),
                "{body}"
            );
        }
        let moved = Response::answering(302, &[("Location", "http://h.example:8080/x")], "");
        assert_eq!(way(&moved), Some("redirect"));
        let value = Response::answering(200, &json, r#"{"a": [{"next": "https://h.example/2"}]}"#);
        assert_eq!(way(&value), Some("value"));
        for body in [
            "asked for h.example",
            "<a href='/login?from=https://h.example/'>",
            "<a href='h.example'>",
            "<a href='https://a.example/h.example'>",
            "<a href='https://h.example.a.example/'>",
        ] {
            assert_eq!(way(&Response::answering(200, &html, body)), None, "{body}");
        }
        assert_eq!(
            way(&Response::answering(200, &json, r#"{"host": "h.example"}"#)),
            None
        );
    }
}
