//! Having pages rendered: those with scripts, once nothing plainer leads on.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use url::Url;

use super::Course;
use crate::web::{
    crawl::Crawl,
    html,
    report::{What, Why},
    request::Request,
    response::Response,
    site::Site,
};

/// What there is to render: pages, and views of them that their fragments name. Pure.
#[derive(Debug, Default)]
pub(super) struct Views {
    waiting: VecDeque<(Url, usize)>,
    known: HashSet<String>,
    scripted: Vec<Scripted>,
}

/// A page with scripts.
#[derive(Debug)]
pub(super) struct Scripted {
    pub(super) url: Url,
    /// A hash over the scripts that it names and that stand in it.
    pub(super) code: u64,
    /// The names in its query.
    pub(super) names: Vec<String>,
}

impl Views {
    /// Takes up a page, if it has scripts.
    pub(super) fn take_up(&mut self, site: &Site, request: &Request, response: &Response, depth: usize) {
        let plain =
            request.method == "GET" && request.headers.is_empty() && (200..300).contains(&response.status);
        if !plain || !response.is_page() || !runs_scripts(&response.body) {
            return;
        }
        if let Ok(url) = site.start().join(&request.target()) {
            self.scripted.push(Scripted {
                url: url.clone(),
                code: code(&response.body),
                names: request.query.iter().map(|(name, _)| name.clone()).collect(),
            });
            self.push(url, depth);
        }
    }

    /// The pages with scripts.
    pub(super) fn take_scripted(&mut self) -> Vec<Scripted> {
        std::mem::take(&mut self.scripted)
    }

    /// Takes up a page or view; what differs in the numbers of its fragment alone is one.
    fn push(&mut self, url: Url, depth: usize) {
        let fragment = url.fragment().unwrap_or_default();
        let fragment = match fragment.starts_with(['/', '!']) {
            true => fragment.replace(|c: char| c.is_ascii_digit(), "0"),
            false => String::new(),
        };
        if self
            .known
            .insert(format!("{}#{fragment}", Request::get(&url).target()))
        {
            self.waiting.push_back((url, depth));
        }
    }
}

impl Course {
    /// Has the next page rendered and takes up what it leads to; whether there was one, and a browser for it.
    pub(super) async fn render_next(&mut self, crawl: &mut Crawl) -> bool {
        let Some(browser) = self.browser.clone() else {
            return false;
        };
        let budget = self.client.budget;
        if self.books.rendered.planned >= budget.rendered as u64 {
            return false;
        }
        let Some((url, depth)) = self.views.waiting.pop_front() else {
            return false;
        };
        self.books.rendered.planned += 1;
        let rendered = browser.lock().await.render(&self.client, &url).await;
        match rendered.partial {
            None => self.books.rendered.done += 1,
            Some(why) => self.books.not_done(What::Rendering, why, 1),
        }
        let seen = rendered.seen;
        for (why, count) in [
            (Why::Elsewhere, seen.elsewhere),
            (Why::EndsSession, seen.logouts),
            (Why::Destructive, seen.destructive),
            (Why::Requests, seen.excess),
        ] {
            self.books.not_done(What::Call, why, count);
        }
        for view in rendered
            .views
            .into_iter()
            .filter(|view| view.fragment().is_some())
        {
            if depth < budget.depth {
                self.views.push(view, depth + 1);
            }
        }
        crawl.learn_rendered(rendered.leads, depth, &budget);
        true
    }

    /// Says what was not rendered.
    pub(super) fn leave_unrendered(&mut self) {
        let left = self.views.waiting.len() as u64;
        self.books.rendered.planned += left;
        let why = match self.browser {
            Some(_) => Why::Pages,
            None => Why::NoBrowser,
        };
        self.books.not_done(What::Rendering, why, left);
    }
}

/// What scripts a page has.
fn code(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for element in html::parse(body).elements() {
        if element.name() == "script" {
            (element.text(), element.attribute("src")).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Whether scripts may make something else of a page.
fn runs_scripts(body: &[u8]) -> bool {
    let begins = |at: usize| {
        body[at..]
            .get(..7)
            .is_some_and(|tag| tag.eq_ignore_ascii_case(b"<script"))
    };
    memchr::memchr_iter(b'<', body).any(begins)
}
