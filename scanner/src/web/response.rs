//! A response as the tests see it: decoded, bounded, with the time that it took.

use std::{borrow::Cow, time::Duration};

/// One response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields in their order.
    pub headers: Vec<(String, String)>,
    /// The body without its codings, as far as it is kept.
    pub body: Vec<u8>,
    /// Whether the body is all of it.
    pub whole: Whole,
    /// From the last byte sent to the last byte read.
    pub took: Duration,
}

#[cfg(test)]
impl Response {
    /// A whole one, at once.
    pub(crate) fn answering(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            status,
            headers: headers.iter().map(owned).collect(),
            body: body.as_bytes().to_vec(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        }
    }
}

/// Whether a body is all that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// It is.
    Yes,
    /// They sent more than is kept, coded or decoded.
    CutAtBound,
    /// They broke off, or took too long.
    BrokenOff,
}

/// Why there is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// They did not take the connection.
    Refused,
    /// Nothing is there, or the network says so.
    Unreachable,
    /// TLS did not come about.
    NoTls,
    /// Time was up before they had answered.
    TooSlow,
    /// They hung up without an answer.
    HungUp,
    /// What they said is not HTTP.
    NotHttp,
    /// This machine did not ask: not in scope, or short of something.
    NotAsked,
}

impl Response {
    /// The first value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All values of a header, whose name is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The media type without parameters, in lower case.
    pub fn media(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Whether a browser shows it as a page: by its type, or by guessing where none is given.
    pub fn is_page(&self) -> bool {
        match self.media().as_str() {
            "text/html" | "application/xhtml+xml" | "image/svg+xml" => true,
            "" => self.header("x-content-type-options").is_none(),
            _ => false,
        }
    }

    /// Where it leads on, if it does.
    pub fn location(&self) -> Option<&str> {
        (300..400)
            .contains(&self.status)
            .then(|| self.header("location"))
            .flatten()
    }
}
