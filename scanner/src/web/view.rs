//! What a response shows, apart from what changes by itself and from the payload that it repeats: so that
//! two responses can be compared for being the same answer. Pure.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use super::response::Response;

/// What a response shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    status: u16,
    location: String,
    segments: Vec<u64>,
}

/// Parts of a page that change from one request to the next, whatever is asked.
#[derive(Debug, Clone, Default)]
pub struct Volatile(HashSet<String>);

impl Volatile {
    /// What differs between responses to one and the same request.
    pub fn of(responses: &[&Response]) -> Self {
        let all: Vec<HashSet<String>> = responses
            .iter()
            .map(|response| segments(&response.text()).map(ToOwned::to_owned).collect())
            .collect();
        let mut changing = HashSet::new();
        for one in &all {
            for other in &all {
                changing.extend(one.difference(other).map(|segment| template(segment)));
            }
        }
        Self(changing)
    }
}

impl View {
    /// The view of a response to a request with `payload` where `value` was before.
    pub fn of(response: &Response, payload: &str, value: &str, volatile: &Volatile) -> Self {
        let plain = |text: &str| echoes_replaced(text, payload, value);
        let text = plain(&response.text());
        let segments = segments(&text)
            .filter(|segment| volatile.0.is_empty() || !volatile.0.contains(&template(segment)))
            .map(|segment| {
                let mut hasher = DefaultHasher::new();
                segment.hash(&mut hasher);
                hasher.finish()
            })
            .collect();
        Self {
            status: response.status,
            location: plain(response.location().unwrap_or_default()),
            segments,
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }
}

/// The text with the payload taken back wherever it is repeated, in the spellings that pages use.
fn echoes_replaced(text: &str, payload: &str, value: &str) -> String {
    let mut text = text.to_owned();
    if payload.is_empty() || payload == value {
        return text;
    }
    let mut spellings: Vec<String> = Vec::new();
    let html = payload
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    spellings.push(payload.to_owned());
    for quote in ["&quot;", "&#34;", "\""] {
        for apostrophe in ["&#39;", "&#x27;", "&#039;", "&apos;", "'"] {
            spellings.push(html.replace('"', quote).replace('\'', apostrophe));
        }
    }
    spellings.push(html);
    spellings.push(
        payload
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('"', "\\\""),
    );
    spellings.push(payload.replace('\\', "\\\\").replace('"', "\\\""));
    spellings.push(payload.replace('\'', "''"));
    spellings.push(super::input::percent(payload));
    spellings.push(super::input::percent(payload).replace("%20", "+"));
    spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
    spellings.dedup();
    for spelling in spellings {
        if text.contains(&spelling) {
            text = text.replace(&spelling, value);
        }
    }
    text
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split(['<', '>', '\n'])
        .map(str::trim)
        .filter(|segment| !segment.is_empty())
}

/// A segment with what a counter, a clock or a token would change taken out.
fn template(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let random = word.chars().any(|c| c.is_ascii_digit()) || word.len() > 24;
        out.push_str(if random { "#" } else { word });
        word.clear();
    };
    for c in segment.chars() {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Response {
        Response::answering(200, &[], body)
    }

    #[test]
    fn what_changes_by_itself_does_not_count() {
        let (one, other) = (
            page("<p>at 12:01:07</p><b>7 rows</b>"),
            page("<p>at 12:01:08</p><b>7 rows</b>"),
        );
        let volatile = Volatile::of(&[&one, &other]);
        let later = page("<p>at 13:44:59</p><b>7 rows</b>");
        let fewer = page("<p>at 13:44:59</p><b>0 rows</b>");
        let view = |page: &Response| View::of(page, "", "", &volatile);
        assert_eq!(view(&one), view(&later));
        assert_ne!(view(&one), view(&fewer));
    }

    #[test]
    fn a_repeated_payload_does_not_count() {
        let payload = "a' and \"1\"<2";
        for echo in [
            "a' and \"1\"<2",
            "a&#39; and &quot;1&quot;&lt;2",
            "a&#x27; and &#34;1&#34;&lt;2",
            "a\\' and \\\"1\\\"<2",
            "a%27%20and%20%221%22%3C2",
        ] {
            let view = View::of(
                &page(&format!("<p>for {echo}: none")),
                payload,
                "x",
                &Volatile::default(),
            );
            let base = View::of(&page("<p>for x: none"), "x", "x", &Volatile::default());
            assert_eq!(view, base, "{echo}");
        }
    }
}
