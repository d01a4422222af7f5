//! Cross-site scripting that arises in the browser alone: what a page reads from where strangers write (its address,
//! messages, its name, where a visitor came from, what is stored) and hands to what runs it.
//!
//! Nothing is concluded from a script's text: it only says which sources are worth a try. A word of ours stands in the
//! payload as code; a page is accused when the word runs in a real browser, twice, under different words. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::Url;

pub(crate) const NAME: &str = "dom";

/// Where a page may take what a stranger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The part of its address that servers are not told.
    Fragment,
    /// The query of its address.
    Query,
    /// `postMessage`, from another origin.
    Message,
    /// The address of the page before it.
    Referrer,
    /// The name of its window.
    Name,
    /// What it has stored.
    Storage,
}

/// Loading a page with a payload in one of its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Load {
    /// The page's address, with the payload where the source is in it.
    pub(crate) url: Url,
    pub(crate) referrer: Option<String>,
    /// A script that runs before those of the page.
    pub(crate) before: String,
    /// A script that runs when the page is loaded.
    pub(crate) after: String,
    /// The words in the payloads, and where each was put.
    pub(crate) words: Vec<(String, String)>,
}

/// What is read of a page before anything is put into it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Its scripts.
    pub(crate) code: String,
    /// Fields that it looked for in an address.
    pub(crate) fields: BTreeSet<String>,
    /// Keys that it looked for in its stores.
    pub(crate) keys: BTreeSet<String>,
}

impl Source {
    /// Every source.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Fragment,
        Self::Query,
        Self::Message,
        Self::Referrer,
        Self::Name,
        Self::Storage,
    ];

    /// What a script that reads it has in it.
    fn signs(self) -> &'static [&'static str] {
        match self {
            Self::Fragment => &["hash", "location.href", "document.URL", "documentURI"],
            Self::Query => &["search", "location.href", "document.URL", "documentURI"],
            Self::Message => &["message"],
            Self::Referrer => &["referrer"],
            Self::Name => &["window.name", "self.name", "top.name", "parent.name"],
            Self::Storage => &["Storage"],
        }
    }

    /// Our words for findings.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Fragment => "location.hash",
            Self::Query => "location.search",
            Self::Message => "postMessage",
            Self::Referrer => "document.referrer",
            Self::Name => "window.name",
            Self::Storage => "web storage",
        }
    }
}

impl Survey {
    /// The sources that the page may read.
    pub(crate) fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        Source::ALL
            .iter()
            .copied()
            .filter(|source| source.signs().iter().any(|sign| self.code.contains(sign)))
    }

    /// The names of fields in addresses: asked for, or standing in front of a `=` in a script.
    fn names(&self) -> Vec<String> {
        let mut names: BTreeSet<String> = self.fields.clone();
        for (at, _) in self.code.match_indices('=').take(SCANNED) {
            let before = &self.code[..at];
            let start = before
                .trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-')
                .len();
            let name = &before[start..];
            let quoted = before[..start].ends_with(['\'', '"', '`', '?', '&', '#', '/', ']', ')']);
            if quoted && (1..=NAME_LENGTH).contains(&name.len()) {
                names.insert(name.to_owned());
            }
        }
        names.into_iter().take(NAMES).collect()
    }

    /// The names of what messages are made of, and keys of stores: what stands behind a dot.
    fn members(&self) -> Vec<String> {
        let mut members = BTreeSet::new();
        for (at, _) in self.code.match_indices('.').take(SCANNED) {
            let rest = &self.code[at + 1..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            if (1..=NAME_LENGTH).contains(&end) {
                members.insert(rest[..end].to_owned());
            }
        }
        members.into_iter().take(MEMBERS).collect()
    }

    /// The page with one shape of payload in one source; `word` gives a new word each time.
    pub(crate) fn load(
        &self,
        url: &Url,
        source: Source,
        shape: Shape,
        mut word: impl FnMut() -> String,
    ) -> Load {
        let mut load = Load {
            url: url.clone(),
            referrer: None,
            before: String::new(),
            after: String::new(),
            words: Vec::new(),
        };
        let mut put = |load: &mut Load, place: String| {
            let word = word();
            let payload = shape(&word);
            load.words.push((word, place));
            payload
        };
        match source {
            Source::Fragment => {
                let names = self.names();
                let whole = put(&mut load, "dom:hash".to_owned());
                // What takes all of it takes the rest for part of a comment.
                let mut fragment = whole;
                for name in names {
                    let payload = put(&mut load, "dom:hash".to_owned());
                    fragment = format!("{fragment}&{name}={payload}");
                }
                load.url.set_fragment(Some(&fragment));
            }
            Source::Query => {
                let given: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                let mut names = self.names();
                names.extend(given.iter().map(|(name, _)| name.clone()));
                names.sort_unstable();
                names.dedup();
                let whole = put(&mut load, "query:search".to_owned());
                let mut query = Vec::new();
                for name in names {
                    let payload = put(&mut load, format!("query:{name}"));
                    query.push(format!("{name}={payload}"));
                }
                query.push(whole);
                load.url.set_query(Some(&query.join("&")));
            }
            Source::Message => {
                let payload = put(&mut load, "dom:message".to_owned());
                let members = self.members().into_iter();
                let object: serde_json::Map<String, Value> =
                    members.map(|name| (name, payload.as_str().into())).collect();
                let text = Value::Object(object.clone()).to_string();
                load.after = format!(
                    "for (const data of {}) dispatchEvent(new MessageEvent('message', \
                     {{data, origin: 'http://vedette.example', source: window}}))",
                    json!([payload, object, text])
                );
            }
            Source::Referrer => {
                let payload = put(&mut load, "dom:referrer".to_owned());
                let mut from = Url::parse("http://vedette.example/").expect("a URL");
                from.set_query(Some(&payload));
                load.referrer = Some(from.into());
            }
            Source::Name => {
                let payload = put(&mut load, "dom:name".to_owned());
                load.before = format!("window.name = {}", json!(payload));
            }
            Source::Storage => {
                let mut keys = self.keys.clone();
                if keys.is_empty() {
                    keys.extend(self.members());
                }
                for key in keys.into_iter().take(MEMBERS) {
                    let payload = put(&mut load, format!("storage:{key}"));
                    load.before += &format!(
                        "try {{ localStorage.setItem({0}, {1}); sessionStorage.setItem({0}, {1}) }} catch {{}}\n",
                        json!(key),
                        json!(payload)
                    );
                }
            }
        }
        load
    }
}

/// Reads a script as a survey does.
pub fn read_alone(code: &[u8]) {
    let survey = Survey {
        code: String::from_utf8_lossy(code).into_owned(),
        ..Survey::default()
    };
    let url = Url::parse("http://192.0.2.1/?a=b").expect("a URL");
    for source in survey.sources() {
        survey.load(&url, source, SHAPES[0], || "word".to_owned());
    }
}

/// A payload in which a word is code.
pub(crate) type Shape = fn(&str) -> String;

/// Each for several places at once. None has a character in it that an address gives another meaning.
pub(crate) const SHAPES: &[Shape] = &[
    // Code, a link, markup, markup in an attribute, a title or a script.
    |word| format!("javascript:{word}//'\"--></title></textarea></style></script><img src=k onerror={word}>"),
    // In a string, whichever quotes it has.
    |word| format!("'-{word}-'\"-{word}-\""),
    // Markup that filters of tags and handlers do not know.
    |word| format!("<dEtAiLs oPeN oNtOgGlE={word}>"),
    // An attribute, where there are no angle brackets.
    |word| format!("x' onfocus={word} autofocus k='x\" onfocus={word} autofocus k=\""),
    // A link that has to name a server.
    |word| format!("JaVaScRiPt:{word}//https://vedette.example/"),
    // The source of a script.
    |word| format!("data:text/javascript,{word}//"),
    // An expression.
    |word| format!("0-{word}"),
];

const SCANNED: usize = 20_000;
const NAMES: usize = 12;
const NAME_LENGTH: usize = 24;
const MEMBERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(code: &str) -> Survey {
        Survey {
            code: code.to_owned(),
            ..Survey::default()
        }
    }

    #[test]
    fn a_script_says_which_sources_are_worth_a_try() {
        let sources = |code: &str| survey(code).sources().collect::<Vec<_>>();
        assert_eq!(sources("let x = location.hash.slice(1)"), [Source::Fragment]);
        assert_eq!(
            sources("document.URL.split('q=')"),
            [Source::Fragment, Source::Query]
        );
        assert_eq!(sources("console.log(1)"), []);
    }

    #[test]
    fn names_are_read_off_a_script_and_each_gets_a_word() {
        let found = survey("a = location.search.match(/[?&]name=([^&]+)/); b = u.split('q=')[1]; c == d");
        assert_eq!(found.names(), ["name", "q"]);
        let mut number = 0;
        let load = found.load(
            &"http://a/x?id=7".parse().unwrap(),
            Source::Query,
            SHAPES[6],
            || {
                number += 1;
                format!("w{number}")
            },
        );
        assert_eq!(load.url.as_str(), "http://a/x?id=0-w2&name=0-w3&q=0-w4&0-w1");
        assert_eq!(load.words[1], ("w2".to_owned(), "query:id".to_owned()));
    }

    #[test]
    fn no_script_makes_it_panic() {
        for code in ["=", "é=ü.", ".", "a=='b=", "\u{1f600}.\u{1f600}="] {
            let found = survey(code);
            found.names();
            found.members();
        }
    }
}
