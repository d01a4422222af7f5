//! Open redirects: by where a browser would go, read as a browser reads it.
//!
//! Tried where the input's name or value speaks of a place to go, or where a word put there comes back in a
//! redirect. The host must be one of ours, twice under different names.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, canary, nothing_afterwards};
use crate::web::{
    html,
    page::refresh_target,
    response::Response,
    script::{self, Kind},
    trial::{Proof, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "redirect",
    of: Of::Input,
    budget: 24,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    if !speaks_of_a_place(trial) && !goes(trial.reply(&canary(trial))?, |to| to.contains(&trial.token(0))) {
        return Ok(None);
    }
    for (number, (form, spell)) in (40..).step_by(2).zip(FORMS) {
        let leads = |number| {
            let host = format!("{}.example", trial.token(number));
            let reply = trial.reply(&spell(&host, &trial.subject.facts.origin))?;
            Ok(goes(reply, |to| leads_to(&trial.subject.facts.origin, to, &host)))
        };
        if leads(number)? && leads(number + 1)? {
            return Ok(Some(Proof {
                type_: FindingType::WebOpenRedirect,
                confidence: Confidence::Certain,
                shown_by: ShownBy::Redirect,
                detail: form,
            }));
        }
    }
    Ok(None)
}

fn speaks_of_a_place(trial: &Trial<'_>) -> bool {
    let name = trial.subject.input.name.to_ascii_lowercase();
    let value = trial.value();
    let named = [
        "url", "uri", "next", "return", "redir", "dest", "goto", "continue", "target", "forward", "back",
        "callback",
    ]
    .iter()
    .any(|part| name.contains(part))
        || ["to", "u", "r", "ref", "link", "out", "go"].contains(&name.as_str());
    named
        || value.starts_with('/')
        || value.starts_with("http")
        || trial.subject.base.iter().any(|base| base.location().is_some())
}

/// Whether one of the places that a reply sends a browser to is as wanted.
fn goes(reply: &Response, wanted: impl Fn(&str) -> bool) -> bool {
    if reply.location().is_some_and(&wanted) {
        return true;
    }
    if reply
        .header("refresh")
        .and_then(refresh_target)
        .is_some_and(&wanted)
    {
        return true;
    }
    if !reply.is_page() {
        return false;
    }
    let document = html::parse(&reply.body);
    document.elements().any(|element| match element.name() {
        "meta" => {
            let refreshes = element
                .attribute("http-equiv")
                .is_some_and(|name| name.eq_ignore_ascii_case("refresh"));
            let target = element.attribute("content").and_then(refresh_target);
            refreshes && target.is_some_and(&wanted)
        }
        "script" => script_goes(&element.text(), &wanted),
        _ => false,
    })
}

/// `location = '…'` and its kin, at the beginning of what is assigned.
fn script_goes(source: &str, wanted: &impl Fn(&str) -> bool) -> bool {
    let pieces = script::pieces(source);
    pieces.windows(2).any(|pair| {
        let code = source
            .get(pair[0].start..pair[0].end)
            .unwrap_or_default()
            .trim_end();
        let text = source.get(pair[1].start..pair[1].end).unwrap_or_default();
        let assigned = [
            "location=",
            "location =",
            ".href=",
            ".href =",
            "location.replace(",
            "location.assign(",
        ]
        .iter()
        .any(|end| code.ends_with(end));
        pair[0].kind == Kind::Code && matches!(pair[1].kind, Kind::Text(_)) && assigned && wanted(text)
    })
}

/// Whether a browser on the site would end up at the host.
pub(super) fn leads_to(origin: &str, reference: &str, host: &str) -> bool {
    let joined = url::Url::parse(origin).and_then(|origin| origin.join(reference));
    joined.is_ok_and(|url| {
        url.host_str()
            .is_some_and(|found| found == host || found.ends_with(&format!(".{host}")))
    })
}

/// How another host is named: plainly, and as what a careless judge takes for a path or for this site.
type Spell = fn(&str, &str) -> String;

const FORMS: &[(&str, Spell)] = &[
    ("URL", |host, _| format!("https://{host}/")),
    ("without a scheme", |host, _| format!("//{host}/")),
    ("with a backslash", |host, _| format!("/\\{host}/")),
    ("behind this site as a user", |host, origin| {
        format!("{origin}@{host}/")
    }),
    ("with this site in the query", |host, origin| {
        format!("https://{host}/?{origin}")
    }),
    ("with this site as a name in it", |host, origin| {
        let name = origin
            .split(['/', ':'])
            .rfind(|part| part.contains('.'))
            .unwrap_or("www");
        format!("https://{name}.{host}/")
    }),
    ("with a tab", |host, _| format!("/\t/{host}/")),
    ("without slashes", |host, _| format!("https:{host}/")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_browsers_read_it() {
        let origin = "http://192.0.2.7:8080";
        for away in [
            "https://h.example/",
            "//h.example",
            "/\\h.example",
            "/\t/h.example",
            "http://192.0.2.7:8080@h.example/",
            "https://a.h.example/",
        ] {
            assert!(leads_to(origin, away, "h.example"), "{away}");
        }
        for here in [
            "/h.example",
            "h.example",
            "?u=//h.example",
            "https://x.example/h.example",
            "https://h.example.x.example/",
            "/x//h.example",
        ] {
            assert!(!leads_to(origin, here, "h.example"), "{here}");
        }
    }

    #[test]
    fn an_assignment_of_the_location_goes_there() {
        let there = |text: &str| text == "/x";
        assert!(script_goes("if (a) { window.location.href = '/x' }", &there));
        assert!(!script_goes("a = '/x'; location = b", &there));
    }
}
