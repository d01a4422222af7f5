//! Content security policies that let an attacker's script run after all.
//!
//! Judged as Content Security Policy Level 3 reads them: every policy of an answer must hold, so that a fault counts
//! when each of them has it; `'unsafe-inline'` counts for nothing beside a nonce or a hash, hosts and schemes for nothing
//! beside `'strict-dynamic'`.

use vedette_protocol::finding::{Confidence, FindingType};

use super::{Fault, Look, PageSight, Sight, feature};

pub(crate) const LOOK: Look = Look { name: "csp", see };

fn see(sight: &Sight<'_>) -> Vec<Fault> {
    let Sight::Page(page) = sight else {
        return Vec::new();
    };
    let policies = policies(page);
    let faults: Vec<Vec<&'static str>> = policies.iter().map(|policy| policy.faults()).collect();
    let Some((first, others)) = faults.split_first() else {
        return Vec::new();
    };
    // Where one policy has none, it holds alone.
    let shared = first
        .iter()
        .filter(|_| others.iter().all(|other| !other.is_empty()));
    let evidence: Vec<_> = shared.filter_map(|fault| feature("script-src", fault)).collect();
    if evidence.is_empty() {
        return Vec::new();
    }
    vec![Fault {
        type_: FindingType::WebCspWeak,
        confidence: Confidence::Certain,
        part: "header:Content-Security-Policy".to_owned(),
        evidence,
        once: Some(policies.iter().map(|policy| policy.text.clone()).collect()),
    }]
}

/// The policies of a page: of its header fields, and of its `meta` elements.
pub(super) fn policies(page: &PageSight<'_>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Policy::of_header(page);
    let metas = page.document.elements().filter(|element| {
        element.name() == "meta"
            && element
                .attribute("http-equiv")
                .is_some_and(|name| name.eq_ignore_ascii_case("content-security-policy"))
    });
    let texts = metas.filter_map(|meta| meta.attribute("content"));
    policies.extend(texts.filter_map(Policy::read));
    policies
}

/// One policy.
#[derive(Debug)]
pub(super) struct Policy {
    text: String,
    directives: Vec<(String, Vec<String>)>,
}

impl Policy {
    /// Those that stand in header fields, which hold several between commas.
    pub(super) fn of_header(page: &PageSight<'_>) -> Vec<Self> {
        let fields = page.response.all("content-security-policy");
        fields
            .flat_map(|field| field.split(','))
            .filter_map(Self::read)
            .collect()
    }

    /// Section 2.2.1: the first directive of a name counts, and a policy without any is none. Nonces are left out of
    /// the text: they change.
    fn read(text: &str) -> Option<Self> {
        let mut directives: Vec<(String, Vec<String>)> = Vec::new();
        for part in text.split(';').take(DIRECTIVES_LIMIT) {
            let mut words = part.split_ascii_whitespace().map(str::to_ascii_lowercase);
            let Some(name) = words.next() else { continue };
            if !directives.iter().any(|(known, _)| *known == name) {
                directives.push((name, words.collect()));
            }
        }
        let plain = |word: &&str| !word.starts_with("'nonce-");
        (!directives.is_empty()).then(|| Self {
            text: text.split_ascii_whitespace().filter(plain).collect(),
            directives,
        })
    }

    /// The sources of a directive.
    pub(super) fn sources(&self, name: &str) -> Option<&[String]> {
        let found = self.directives.iter().find(|(known, _)| known == name);
        found.map(|(_, sources)| sources.as_slice())
    }

    /// By what it lets a script run that somebody has put into the page.
    fn faults(&self) -> Vec<&'static str> {
        let Some(scripts) = self.sources("script-src").or_else(|| self.sources("default-src")) else {
            // What says nothing of loading is about frames or forms alone, and was never meant for scripts.
            let of_loading = self.directives.iter().any(|(name, _)| name.ends_with("-src"));
            return match of_loading {
                true => vec!["missing, and default-src too"],
                false => Vec::new(),
            };
        };
        let has = |word: &str| scripts.iter().any(|source| source == word);
        let begins = |start: &str| scripts.iter().any(|source| source.starts_with(start));
        let nonce = begins("'nonce-");
        let hash = begins("'sha256-") || begins("'sha384-") || begins("'sha512-");
        let strict = has("'strict-dynamic'");
        let mut faults = Vec::new();
        if has("'unsafe-inline'") && !nonce && !hash && !strict {
            faults.push("unsafe-inline");
        }
        if !strict {
            let anywhere = [
                ("*", "any host"),
                ("https:", "any host over https"),
                ("http:", "any host over http"),
                ("data:", "data URLs"),
            ];
            faults.extend(
                anywhere
                    .iter()
                    .filter(|(source, _)| has(source))
                    .map(|(_, fault)| *fault),
            );
        }
        if (nonce || strict) && self.sources("base-uri").is_none() {
            faults.push("base-uri missing beside a nonce");
        }
        faults
    }
}

const DIRECTIVES_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_judged_by_what_it_lets_run() {
        let faults = |text: &str| Policy::read(text).unwrap().faults();
        for sound in [
            "default-src 'self'",
            "script-src 'none'",
            "default-src *; script-src 'self'",
            "script-src 'nonce-a' 'unsafe-inline'; base-uri 'none'",
            "script-src 'sha256-a' 'unsafe-inline'",
            "script-src 'nonce-a' 'strict-dynamic' https: 'unsafe-inline'; base-uri 'self'",
            "script-src 'self'; script-src *",
            "SCRIPT-SRC https://cdn.example",
            "frame-ancestors 'none'; upgrade-insecure-requests",
        ] {
            assert!(faults(sound).is_empty(), "{sound}: {:?}", faults(sound));
        }
        for weak in [
            "frame-ancestors 'none'; img-src 'self'",
            "default-src 'self' 'unsafe-inline'",
            "script-src 'self' https:",
            "script-src *",
            "script-src 'self' data:",
            "script-src 'nonce-a'",
        ] {
            assert!(!faults(weak).is_empty(), "{weak}");
        }
        assert!(Policy::read(" ; ").is_none());
    }
}
