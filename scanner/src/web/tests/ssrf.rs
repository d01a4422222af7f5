//! Server-side request forgery: by a page of the site itself that the site fetched, by ports that answer
//! apart.
//!
//! Only the site's own host is named, and an address of ours where nothing else shows it, so that nothing outside of the grant
//! is touched. The page must not be
//! there when a path that does not exist is asked for. Ports are compared where the name or value speaks of a
//! URL, under a spelling of the address that no list of the site's own names would hold.

use vedette_protocol::finding::{Confidence, FindingType, ShownBy};

use super::{Of, Test, nothing_afterwards};
use crate::web::{
    call::{Call, Place},
    input::Payload,
    response::Response,
    trial::{Beacon, Proof, Stop, Subject, Trial, Verdict},
};

pub(crate) const TEST: Test = Test {
    name: "ssrf",
    of: Of::Input,
    budget: 20,
    judge,
    afterwards: nothing_afterwards,
};

fn judge(trial: &Trial<'_>) -> Verdict {
    let facts = &trial.subject.facts;
    let hinted = speaks_of_a_url(trial.subject);
    if let Some(beacon) = facts.beacons.iter().find(|beacon| is_apart(trial, beacon)) {
        let spellings = SPELLINGS.iter().take(if hinted { SPELLINGS.len() } else { 1 });
        for (name, host) in spellings {
            let at = |path: &str| format!("http://{host}:{}{path}", facts.port);
            if shows(trial.reply(&at(&beacon.path))?, beacon) {
                let elsewhere = at(&format!("/{}", trial.token(60)));
                let sound = !shows(trial.reply(&elsewhere)?, beacon)
                    && shows(trial.again(&at(&beacon.path), 1)?, beacon);
                return Ok(sound.then(|| proof(Confidence::Certain, ShownBy::FetchedPage, name)));
            }
        }
    }
    if hinted && ports_differ(trial)? {
        return Ok(Some(proof(
            Confidence::Firm,
            ShownBy::OpenAndClosedPort,
            "address as a number",
        )));
    }
    Ok(None)
}

/// For what is fetched and never shown.
pub(super) fn calls(subject: &Subject) -> Vec<Call> {
    if !speaks_of_a_url(subject) {
        return Vec::new();
    }
    let ending = ending(&subject.value);
    let url = move |place: Place| format!("http://{}:{}/vedette{ending}", place.host(), place.port());
    // Where no scheme is given the site has one of its own.
    let host = |place: Place| format!("{}:{}", place.host(), place.port());
    let words = |place: Place| Payload::Value(format!("{} and {}", place.address(), place.sum()));
    let proof = |detail| proof(Confidence::Certain, ShownBy::Callback, detail);
    vec![
        Call::new(proof("URL"), move |place| Payload::Value(url(place)), words),
        Call::new(proof("host"), move |place| Payload::Value(host(place)), words),
    ]
}

/// The ending of a file's name, which a site may ask for.
fn ending(value: &str) -> String {
    let path = value.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().filter(|_| path.contains("://"));
    let ending = name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending);
    match ending {
        Some(ending) if ending.len() <= 5 && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!(".{ending}")
        }
        _ => String::new(),
    }
}

fn proof(confidence: Confidence, shown_by: ShownBy, detail: &'static str) -> Proof {
    Proof {
        type_: FindingType::WebSsrf,
        confidence,
        shown_by,
        detail,
    }
}

/// Whether the site's port and ports where nothing listens are answered apart.
fn ports_differ(trial: &Trial<'_>) -> Result<bool, Stop> {
    if !trial.is_stable() {
        return Ok(false);
    }
    let at = |port: u16, path: &str| format!("http://2130706433:{port}/{path}");
    let open = trial.subject.facts.port;
    // Of the same length as the open one, so that a bound on length parts nothing.
    let closed = [
        if open == 61_003 { 61_005 } else { 61_003 },
        if open == 61_007 { 61_009 } else { 61_007 },
    ];
    let word = trial.token(61);
    let (yes, also_yes) = (at(open, ""), at(open, &format!("?{word}")));
    let (no, also_no) = (at(closed[0], ""), at(closed[1], &format!("?{word}")));
    // What the site says when it cannot fetch must not be what it says of any text.
    trial.parts([&yes, &also_yes], [&no, &also_no])
}

fn is_apart(trial: &Trial<'_>, beacon: &Beacon) -> bool {
    trial.subject.request.path != beacon.path
        && !trial.subject.base.iter().any(|base| shows_some(base, beacon))
}

fn shows_some(response: &Response, beacon: &Beacon) -> bool {
    let text = response.text();
    beacon.texts.iter().any(|part| text.contains(part.as_str()))
}

fn shows(response: &Response, beacon: &Beacon) -> bool {
    let text = response.text();
    response.location().is_none() && beacon.texts.iter().all(|part| text.contains(part.as_str()))
}

fn speaks_of_a_url(subject: &Subject) -> bool {
    let (name, value) = (subject.input.name.to_ascii_lowercase(), &subject.value);
    let named = [
        "url", "uri", "src", "source", "image", "img", "fetch", "proxy", "callback", "webhook", "hook",
        "feed", "host", "domain", "site", "link", "dest", "target", "path", "file", "page", "load",
        "download", "import", "preview",
    ]
    .iter()
    .any(|part| name.contains(part));
    named || value.contains("://") || value.starts_with("//")
}

/// This very host, as the site sees it; from the second on, as what a careless judge takes for another.
const SPELLINGS: &[(&str, &str)] = &[
    ("loopback", "127.0.0.1"),
    ("address as a number", "2130706433"),
    ("name", "localhost"),
    ("short address", "127.1"),
    ("address in hexadecimal", "0x7f000001"),
];
