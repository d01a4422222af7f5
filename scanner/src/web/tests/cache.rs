//! Cache poisoning: by a word of a header field that stands in the answer to a request without that field.
//!
//! Nobody else is hit: each request has a field in its query that nobody else sends, and nothing is tried where it is not shown
//! that the cache tells requests apart by it. A word must come back twice, each time under a query of its own, and not
//! under a third that had never been asked with it.

use std::hash::{DefaultHasher, Hash, Hasher};

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, host, nothing_afterwards};
use crate::web::{
    input::Payload,
    request::Request,
    response::Response,
    trial::{Company, Facts, Proof, Stop, Trial, Verdict, token},
};

pub(crate) const TEST: Test = Test {
    name: "cache",
    of: Of::Cache,
    budget: 6,
    judge,
    afterwards: nothing_afterwards,
};

/// The fields that a cache rarely tells requests apart by, and that links are made of.
pub(crate) fn fields() -> impl Iterator<Item = &'static str> {
    host::FORWARDED.iter().copied().chain(["X-Forwarded-Prefix"])
}

/// The name of the field in a query by which a request is ours alone.
pub(crate) const APART: &str = "vedette";

/// Words by their numbers for what is asked of a request before it is tested.
pub(crate) fn words(request: &Request, facts: &Facts) -> impl Fn(usize) -> String {
    let mut hasher = DefaultHasher::new();
    request.target().hash(&mut hasher);
    let page = usize::try_from(hasher.finish() % 0x1000).unwrap_or_default();
    let seed = facts.seed.clone();
    // Beyond the numbers that inputs have.
    move |number| token(&seed, 0xf000 + page, u32::try_from(number).unwrap_or_default())
}

/// A value for a field, with a word in it.
pub(crate) fn spelled(field: &str, word: &str) -> String {
    match field {
        "X-Forwarded-Prefix" => format!("/{word}"),
        _ => host::spelled(field, &format!("{word}.example")),
    }
}

/// Whether a word stands in an answer or its header fields.
pub(crate) fn shows(answer: &Response, word: &str) -> bool {
    answer.text().contains(word) || answer.headers.iter().any(|(_, value)| value.contains(word))
}

/// Whether two answers to the same request may be one that was kept.
pub(crate) fn may_be_kept(first: &Response, second: &Response) -> bool {
    first.body == second.body && matches!(first.status, 200..400) || state(second) == Some(State::Kept)
}

/// Whether the answer to a request that nobody has asked before is new, and not that to another query.
pub(crate) fn is_told_apart(new: &Response, usual: &Response) -> bool {
    match state(new) {
        Some(state) => state == State::New,
        None => new.body != usual.body,
    }
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Kept,
    New,
}

/// What a cache says of an answer, in fields of RFC 9111 and 9211 and of usual caches.
fn state(answer: &Response) -> Option<State> {
    for (name, value) in &answer.headers {
        let (name, value) = (name.to_ascii_lowercase(), value.to_ascii_lowercase());
        let says = name.contains("cache") && name != "cache-control";
        if says && value.contains("hit") && !value.contains("miss") {
            return Some(State::Kept);
        }
        if says
            && ["miss", "bypass", "expired", "fwd="]
                .iter()
                .any(|word| value.contains(word))
        {
            return Some(State::New);
        }
        if name == "x-varnish" {
            return Some(match value.split_whitespace().count() {
                1 => State::New,
                _ => State::Kept,
            });
        }
        if name == "age" && value.parse::<u64>().is_ok_and(|age| age > 0) {
            return Some(State::Kept);
        }
    }
    None
}

fn judge(trial: &Trial<'_>) -> Verdict {
    let field = &trial.subject.input.name;
    let ask =
        |query: String, value: Option<String>| trial.shot(Payload::Apart(query, value), 0, Company::Any);
    let poisoned = |number| {
        let word = trial.token(number);
        let query = trial.token(number + 2);
        let shown =
            shows(ask(query.clone(), Some(spelled(field, &word)))?, &word) && shows(ask(query, None)?, &word);
        Ok::<_, Stop>(shown)
    };
    if !poisoned(110)? || !poisoned(111)? {
        return Ok(None);
    }
    let other = ask(trial.token(114), None)?;
    let clean = !shows(other, &trial.token(110)) && !shows(other, &trial.token(111));
    Ok(clean.then_some(Proof {
        type_: FindingType::WebCachePoisoning,
        confidence: Confidence::Certain,
        shown_by: ShownBy::KeptAnswer,
        detail: "header field",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> Response {
        Response::answering(200, headers, body)
    }

    #[test]
    fn a_cache_says_what_it_has_kept_in_many_words() {
        for (name, value, expected) in [
            ("X-Cache", "HIT from a", Some(State::Kept)),
            ("X-Cache-Status", "MISS", Some(State::New)),
            ("CF-Cache-Status", "DYNAMIC", None),
            ("Cache-Status", "a; fwd=uri-miss", Some(State::New)),
            ("Cache-Status", "a; hit; ttl=30", Some(State::Kept)),
            ("X-Varnish", "32770 3", Some(State::Kept)),
            ("X-Varnish", "32770", Some(State::New)),
            ("Age", "7", Some(State::Kept)),
            ("Age", "0", None),
            ("Cache-Control", "public, max-age=60", None),
        ] {
            assert_eq!(state(&answer(&[(name, value)], "")), expected, "{name}: {value}");
        }
    }

    #[test]
    fn nothing_is_tried_where_a_query_may_not_count() {
        let usual = answer(&[], "<p>at 12:01:07");
        assert!(is_told_apart(&answer(&[], "<p>at 12:01:08"), &usual));
        assert!(is_told_apart(
            &answer(&[("X-Cache", "MISS")], "<p>at 12:01:07"),
            &usual
        ));
        assert!(!is_told_apart(&usual.clone(), &usual));
        assert!(!is_told_apart(
            &answer(&[("X-Cache", "HIT")], "<p>at 12:01:08"),
            &usual
        ));
    }
}
