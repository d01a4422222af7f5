//! The classes of test: one file each, one line here. All of it is pure.
//!
//! A class says what it accuses of, how many requests an input may cost it, and judges a
//! [`Trial`](super::trial::Trial). The order counts: what an earlier class has asked for, a later one has
//! for nothing.

pub(crate) mod cache;
mod code;
mod command;
mod cors;
pub(crate) mod deserialisation;
pub(crate) mod dom;
mod header;
pub(crate) mod host;
mod jwt;
mod ldap;
mod nosql;
mod prototype;
mod redirect;
mod sql;
mod ssrf;
mod template;
mod traversal;
mod xpath;
mod xss;
mod xxe;

use std::str::FromStr;

use super::{
    access, assignment,
    call::Call,
    default_login, exposed, identifier,
    looks::{LOOKS, Look},
    request::Request,
    response::Response,
    smuggling,
    trial::{Facts, Proof, Stop, Subject, Trial, Verdict},
    upload,
};

/// Every class.
pub(crate) const TESTS: &[Test] = &[
    sql::TEST,
    xss::TEST,
    command::TEST,
    template::TEST,
    code::TEST,
    traversal::TEST,
    redirect::TEST,
    header::TEST,
    ldap::TEST,
    xpath::TEST,
    xxe::TEST,
    ssrf::TEST,
    nosql::TEST,
    deserialisation::TEST,
    prototype::TEST,
    host::TEST,
    cache::TEST,
    cors::TEST,
    jwt::TEST,
];

/// How a class has the target come to us, where no answer shows anything.
type Calls = fn(&Subject) -> Vec<Call>;

/// The classes that can.
const CALLS: &[(&str, Calls)] = &[
    (command::TEST.name, command::calls),
    (template::TEST.name, template::calls),
    (code::TEST.name, code::calls),
    (xxe::TEST.name, xxe::calls),
    (ssrf::TEST.name, ssrf::calls),
    (deserialisation::TEST.name, deserialisation::calls),
];

/// One class of test.
#[derive(Debug)]
pub(crate) struct Test {
    /// Its name on command lines.
    pub(crate) name: &'static str,
    /// What it is put to.
    pub(crate) of: Of,
    /// The most requests for one input.
    pub(crate) budget: usize,
    /// What it concludes, or what it must ask first.
    pub(crate) judge: fn(&Trial<'_>) -> Verdict,
    /// What it sees on a page that is fetched again when all inputs were tested: which input has left
    /// something there, and what that shows.
    pub(crate) afterwards: fn(&Facts, &Response) -> Vec<(usize, Proof)>,
}

impl Test {
    /// How the target is had to come to us, if it can be.
    pub(crate) fn calls(&self, subject: &Subject) -> Vec<Call> {
        let calls = CALLS.iter().find(|(name, _)| *name == self.name);
        calls.map(|(_, calls)| calls(subject)).unwrap_or_default()
    }

    /// Whether it can be.
    pub(crate) fn can_call(&self) -> bool {
        CALLS.iter().any(|(name, _)| *name == self.name)
    }
}

/// What a class is put to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Each input of a request.
    Input,
    /// The field in which browsers say which site asks.
    Origin,
    /// The fields in which a request names its host.
    Host,
    /// The fields that a cache may not tell requests apart by.
    Cache,
    /// Each JSON object that is a request's body, as a whole.
    Document,
    /// Each signed token (RFC 7519) among the inputs, and that which the session has.
    Token,
}

/// For classes that see nothing afterwards.
pub(crate) fn nothing_afterwards(_: &Facts, _: &Response) -> Vec<(usize, Proof)> {
    Vec::new()
}

/// A text that no interpreter takes for sound: what it says about it is an error about syntax. One request
/// that several classes look at.
pub(crate) fn poison(trial: &Trial<'_>) -> String {
    format!("{}'\")(", trial.value())
}

/// The value with a word behind it that means nothing: what it changes, every other value changes too.
pub(crate) fn canary(trial: &Trial<'_>) -> String {
    format!("{}{}", trial.value(), trial.token(0))
}

/// A reply's text with the usual character references read.
pub(crate) fn plain(response: &Response) -> String {
    let mut text = response.text().into_owned();
    for (reference, character) in [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#039;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        if text.contains(reference) {
            text = text.replace(reference, character);
        }
    }
    text
}

/// Whether a reply holds the first line of the file of users that every Unix has.
pub(crate) fn shows_passwd(response: &Response) -> bool {
    let text = response.text();
    text.match_indices("root:").any(|(at, mark)| {
        let rest = &text[at + mark.len()..];
        rest.split(':').next().is_some_and(|password| password.len() <= 2)
            && rest
                .split_once(':')
                .is_some_and(|(_, rest)| rest.starts_with("0:0:"))
    })
}

/// The first row of which every mark stands in the reply, and not in what the site says when the input is
/// left alone.
pub(crate) fn signature(
    trial: &Trial<'_>,
    response: &Response,
    table: &[(&'static str, &[&str])],
) -> Option<&'static str> {
    let text = plain(response);
    let base = trial.subject.base.first().map(plain).unwrap_or_default();
    table
        .iter()
        .find(|(_, marks)| {
            marks.iter().all(|mark| text.contains(mark)) && !marks.iter().all(|mark| base.contains(mark))
        })
        .map(|(name, _)| *name)
}

/// Whether an error about syntax comes and goes with the balance of quotes or brackets.
pub(crate) fn error_follows_balance(
    trial: &Trial<'_>,
    table: &[(&'static str, &[&str])],
    pairs: &[(&str, &str, &str, &str)],
) -> Result<Option<&'static str>, Stop> {
    let poison = poison(trial);
    let Some(name) = signature(trial, trial.reply(&poison)?, table) else {
        return Ok(None);
    };
    if signature(trial, trial.again(&poison, 1)?, table).is_none() {
        return Ok(None);
    }
    let value = trial.value();
    for (before, odd, also_before, even) in pairs {
        let (odd, even) = (
            format!("{before}{value}{odd}"),
            format!("{also_before}{value}{even}"),
        );
        if signature(trial, trial.reply(&odd)?, table).is_some()
            && signature(trial, trial.reply(&even)?, table).is_none()
        {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Whether a condition that lets everything through may be tried: not where it might change everything.
pub(crate) fn may_widen(trial: &Trial<'_>) -> bool {
    let request = &trial.subject.request;
    !speaks_of_change(request) && matches!(request.method.as_str(), "GET" | "POST")
}

/// Whether the names in a request speak of a change to something that there is.
pub(crate) fn speaks_of_change(request: &Request) -> bool {
    let shape = request.shape().to_ascii_lowercase();
    [
        "delete",
        "remove",
        "update",
        "edit",
        "drop",
        "reset",
        "unsubscribe",
        "cancel",
        "transfer",
        "pay",
    ]
    .iter()
    .any(|word| shape.contains(word))
}

/// A choice of classes.
#[derive(Debug, Clone)]
pub struct Classes {
    tests: Vec<&'static Test>,
    looks: Vec<&'static Look>,
    of_site: Vec<OfSite>,
}

/// The classes that are put to the site as a whole, each in its own course.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfSite {
    /// Places that nothing leads to.
    Exposed,
    /// What one user is shown of another's.
    Access,
    /// Fields that are the site's.
    Assignment,
    /// What becomes of files.
    Upload,
    /// Where servers see a request end.
    Smuggling,
    /// What sessions are known by.
    Identifier,
    /// Logins that everybody knows.
    DefaultLogin,
    /// What pages do in the browser with what they are given.
    Dom,
}

const OF_SITE: &[(&str, OfSite)] = &[
    (exposed::NAME, OfSite::Exposed),
    (access::NAME, OfSite::Access),
    (assignment::NAME, OfSite::Assignment),
    (upload::NAME, OfSite::Upload),
    (smuggling::NAME, OfSite::Smuggling),
    (identifier::NAME, OfSite::Identifier),
    (default_login::NAME, OfSite::DefaultLogin),
    (dom::NAME, OfSite::Dom),
];

/// A name that is no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no class named {0:?}; there are {known}", known = Classes::names().collect::<Vec<_>>().join(", "))]
pub struct ParseClassesError(String);

impl Default for Classes {
    fn default() -> Self {
        Self {
            tests: TESTS.iter().collect(),
            looks: LOOKS.iter().collect(),
            of_site: OF_SITE.iter().map(|(_, class)| *class).collect(),
        }
    }
}

impl Classes {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static Test> + '_ {
        self.tests.iter().copied()
    }

    pub(crate) fn looks(&self) -> impl Iterator<Item = &'static Look> + '_ {
        self.looks.iter().copied()
    }

    /// Whether it is one of them.
    pub(crate) fn has(&self, class: OfSite) -> bool {
        self.of_site.contains(&class)
    }

    /// Those of them that are put to this.
    pub(crate) fn put_to(&self, of: Of) -> impl Iterator<Item = &'static Test> + use<> {
        let chosen: Vec<&'static Test> = self.iter().filter(|test| test.of == of).collect();
        chosen.into_iter()
    }

    /// The names of those that were chosen.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = &'static str> + '_ {
        let looks = self.looks.iter().map(|look| look.name);
        let of_site = OF_SITE.iter().filter(|(_, class)| self.has(*class));
        self.tests
            .iter()
            .map(|test| test.name)
            .chain(looks)
            .chain(of_site.map(|(name, _)| *name))
    }

    /// The names of all classes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let looks = LOOKS.iter().map(|look| look.name);
        let tests = TESTS.iter().map(|test| test.name);
        tests.chain(looks).chain(OF_SITE.iter().map(|(name, _)| *name))
    }
}

impl FromStr for Classes {
    type Err = ParseClassesError;

    fn from_str(text: &str) -> Result<Self, ParseClassesError> {
        let mut chosen = Self {
            tests: Vec::new(),
            looks: Vec::new(),
            of_site: Vec::new(),
        };
        for name in text.split(',') {
            let test = TESTS.iter().find(|test| test.name == name);
            let look = LOOKS.iter().find(|look| look.name == name);
            let of_site = OF_SITE.iter().find(|(of_site, _)| *of_site == name);
            if test.is_none() && look.is_none() && of_site.is_none() {
                return Err(ParseClassesError(name.chars().take(64).collect()));
            }
            chosen.tests.extend(test);
            chosen.looks.extend(look);
            chosen.of_site.extend(of_site.map(|(_, class)| *class));
        }
        Ok(chosen)
    }
}
