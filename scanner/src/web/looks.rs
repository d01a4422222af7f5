//! What is seen without being asked for: one file for each class, one line here. All of it is pure.
//!
//! A class looks at each answer of the crawl and at each cookie of the session, and says what it sees. It costs no
//! request, and what many pages have alike is told of once. What the audits of [`crate::audit`] say of a site's first page
//! is not said again: there a field that is missing, here one that does not protect.

mod cookie;
mod csp;
mod framing;
mod mixed;

use vedette_protocol::finding::{Confidence, Evidence, FindingType, Label};

use super::{html::Document, response::Response, session::Cookie};

/// Every class.
pub(crate) const LOOKS: &[Look] = &[csp::LOOK, framing::LOOK, cookie::LOOK, mixed::LOOK];

/// One class of look.
#[derive(Debug)]
pub(crate) struct Look {
    /// Its name on command lines.
    pub(crate) name: &'static str,
    /// What it sees.
    pub(crate) see: fn(&Sight<'_>) -> Vec<Fault>,
}

/// Something that a class looks at.
#[derive(Debug)]
pub(crate) enum Sight<'a> {
    /// A page, as browsers show it.
    Page(PageSight<'a>),
    /// A cookie of the session, and whether the site is spoken to inside TLS.
    Cookie(&'a Cookie, Transport),
}

/// A page that was shown.
#[derive(Debug)]
pub(crate) struct PageSight<'a> {
    pub(crate) response: &'a Response,
    pub(crate) document: &'a Document,
    pub(crate) transport: Transport,
    /// Whether the audits of the site look at its header fields too.
    pub(crate) is_landing: bool,
}

/// What HTTP is spoken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    Tls,
}

/// Something that should not be as it is.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) type_: FindingType,
    pub(crate) confidence: Confidence,
    /// Which part of the answer, as `header:Content-Security-Policy`.
    pub(crate) part: String,
    /// In our words.
    pub(crate) evidence: Vec<Evidence>,
    /// What is the same wherever it is the same fault; none where each page has its own.
    pub(crate) once: Option<String>,
}

/// A fact in two words of ours: what, and how it is.
pub(crate) fn feature(name: &str, value: &str) -> Option<Evidence> {
    Some(Evidence::Feature {
        name: Label::cut(name)?,
        value: Label::cut(value)?,
    })
}
