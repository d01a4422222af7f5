//! A web server as audits see it: paths to fetch, and the responses that came.

use vedette_protocol::finding::{Confidence, Finding, FindingPlace, FindingType, Label, UrlPath};

use super::Subject;
use crate::{
    known::Known,
    probe::{Probe, Silence, Turn, Until, Wrap},
    service::{
        Question,
        http::{Response, parse_response, request},
    },
};

/// A web server.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    known: &'a Known,
    wrap: Wrap,
    authority: String,
}

impl<'a> Site<'a> {
    /// The site that answers, if it is one.
    pub(crate) fn of(subject: &Subject<'a>) -> Option<Self> {
        let identity = subject.identity.as_ref()?;
        (identity.protocol == "http").then(|| Self {
            known: subject.known,
            wrap: subject.wrap.clone(),
            authority: subject.known.authority(&subject.wrap),
        })
    }

    /// Whether it is spoken to inside TLS.
    pub(crate) fn is_in_tls(&self) -> bool {
        matches!(self.wrap, Wrap::Tls(_))
    }

    /// The probe that fetches a path.
    pub(crate) fn fetch(&self, path: &UrlPath) -> Probe {
        let say = request(&self.authority, path.as_str());
        let question = Question {
            turn: Turn::Ours,
            say,
            until: Until::Response,
        };
        self.known.probe(&self.wrap, question, Silence::IsAGap)
    }

    /// The response to a path, if it was fetched.
    pub(crate) fn response(&self, path: &UrlPath) -> Option<Response<'a>> {
        parse_response(&self.known.reply(&self.fetch(path))?.heard)
    }

    /// Where a visitor of `/` ends up: there, or one redirect on if that stays on this site.
    pub(crate) fn landing(&self) -> Option<UrlPath> {
        let root = UrlPath::cut("/")?;
        let response = self.response(&root)?;
        match response.status {
            300..400 => self.local(response.header("location")?, &root),
            _ => Some(root),
        }
    }

    /// The path on this very site that a reference on the page `base` leads to, without query.
    pub(crate) fn local(&self, reference: &str, base: &UrlPath) -> Option<UrlPath> {
        let reference = reference.split(['?', '#']).next()?;
        let scheme = if self.is_in_tls() { "https://" } else { "http://" };
        let path = match reference.strip_prefix(scheme) {
            Some(rest) => match rest.strip_prefix(self.authority.as_str())? {
                "" => "/".to_owned(),
                path => path.to_owned(),
            },
            None if reference.contains(':') || reference.starts_with("//") => return None,
            None if reference.starts_with('/') => reference.to_owned(),
            None => {
                let folder = base.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{folder}/{}", reference.trim_start_matches("./"))
            }
        };
        // Paths that climb are left alone: what they mean is the server's secret.
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return None;
        }
        path.parse().ok()
    }

    /// A finding about a path.
    pub(crate) fn finding(
        &self,
        type_: FindingType,
        path: &UrlPath,
        parameter: Option<Label>,
    ) -> Option<Finding> {
        let place = FindingPlace::path(
            self.known.host(),
            self.known.endpoint().port(),
            Label::cut("GET")?,
            path.clone(),
        );
        Some(Finding::new(
            type_,
            FindingPlace { parameter, ..place },
            Confidence::Certain,
        ))
    }
}

/// A path of ours, known to be well-formed.
pub(crate) fn path(text: &'static str) -> UrlPath {
    text.parse().expect("a literal within the alphabet of paths")
}

/// The references of a page: the values of its `href` and `src` attributes.
pub fn references(page: &str) -> impl Iterator<Item = &str> {
    ["href=", "src="].into_iter().flat_map(move |attribute| {
        page.match_indices(attribute).filter_map(move |(at, _)| {
            let value = &page[at + attribute.len()..];
            let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            value[1..].split(quote).next()
        })
    })
}
