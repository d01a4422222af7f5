//! What a response leads on to: links, forms, the requests of scripts, robots, sitemaps, source maps. Pure.

mod file;
mod form;
mod reference;
mod tests;

use std::time::Duration;

use url::Url;

pub use self::reference::refresh_target;
pub(super) use self::{form::guess, reference::is_logout};
use self::{
    form::{Form, forms},
    reference::is_static,
};
use super::{
    api::Description,
    html::{self, Document, Element},
    request::Request,
    response::{Response, Whole},
    site::{Reference, Site},
};

/// Reads a page by itself, as if it were the first of a site.
pub fn read_alone(page: &[u8]) -> Page {
    let Ok(site) = Site::parse("http://192.0.2.1/") else {
        return Page::default();
    };
    let response = Response {
        status: 200,
        headers: Vec::new(),
        body: page.to_vec(),
        whole: Whole::Yes,
        took: Duration::ZERO,
    };
    Page::read(&site, site.start(), &response)
}

/// What was found in one response.
#[derive(Debug, Default)]
pub struct Page {
    /// Requests that it leads to.
    pub leads: Vec<Lead>,
    /// References to other servers.
    pub elsewhere: u64,
    /// References that would end the session.
    pub logouts: u64,
    /// Whether it asks for a password.
    pub asks_for_password: bool,
    /// A hash over the names of its elements.
    pub skeleton: u64,
}

/// A request to make, and what it takes to make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lead {
    /// The request.
    pub request: Request,
    /// The token against forged requests that its form has.
    pub token: Option<Token>,
}

/// A form's token: it is read anew from the page when the old one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The page that the form stands on.
    pub page: Url,
    /// The field's name.
    pub field: String,
}

impl Page {
    /// Reads a response to a request for `base`.
    pub fn read(site: &Site, base: &Url, response: &Response) -> Self {
        let mut reader = PageReader {
            site,
            base: base.clone(),
            page: Self::default(),
        };
        if let Some(location) = response.location() {
            reader.link(location);
        }
        for link in response.all("link") {
            let target = link.split('>').next().unwrap_or_default();
            if let Some(target) = target.strip_prefix('<') {
                reader.link(target);
            }
        }
        if let Some(target) = response.header("refresh").and_then(refresh_target) {
            reader.link(target);
        }
        let media = response.media();
        let path = base.path();
        if path.ends_with("/robots.txt") {
            reader.robots(&response.text());
        } else if media.contains("javascript") || path.ends_with(".js") {
            reader.script(&response.text());
            reader.source_map(&response.text());
        } else if path.ends_with(".map") {
            reader.sources(&response.body);
        } else if media.ends_with("json") {
            reader.json(&response.body);
        } else if media.ends_with("yaml") || path.ends_with(".yaml") || path.ends_with(".yml") {
            reader.description(Description::parse(&response.body).ok());
        } else if media.contains("xml") && !response.is_page() {
            reader.sitemap(&response.text());
        } else if response.is_page() {
            reader.html(&html::parse(&response.body));
        }
        reader.page
    }
}

struct PageReader<'a> {
    site: &'a Site,
    base: Url,
    page: Page,
}

impl PageReader<'_> {
    fn html(&mut self, document: &Document) {
        let base = document.elements().find(|element| element.name() == "base");
        if let Some(Reference::Here(base)) = base
            .and_then(|base| base.attribute("href"))
            .map(|href| self.site.resolve(&self.base, href))
        {
            self.base = base;
        }
        self.page.skeleton = hash(document.skeleton());
        for element in document.elements() {
            self.element(element);
        }
        for form in forms(document) {
            self.form(&form);
        }
    }

    fn element(&mut self, element: Element<'_>) {
        let reference = match element.name() {
            "a" | "area" => element.attribute("href"),
            "iframe" | "frame" | "embed" => element.attribute("src"),
            "object" => element.attribute("data"),
            "link" => element.attribute("href").filter(|_| {
                let relation = element.attribute("rel").unwrap_or_default();
                ["alternate", "next", "prev", "canonical", "search"].contains(&relation)
            }),
            "script" => {
                self.script(&element.text());
                element.attribute("src")
            }
            "meta" => element
                .attribute("content")
                .filter(|_| {
                    element
                        .attribute("http-equiv")
                        .is_some_and(|name| name.eq_ignore_ascii_case("refresh"))
                })
                .and_then(refresh_target),
            "input" => {
                self.page.asks_for_password |= element
                    .attribute("type")
                    .is_some_and(|kind| kind.eq_ignore_ascii_case("password"));
                None
            }
            _ => None,
        };
        if let Some(reference) = reference {
            if is_logout(reference, &element.text()) {
                self.page.logouts += 1;
            } else {
                self.link(reference);
            }
        }
        for (name, value) in element.attributes() {
            match name.as_str() {
                "data-url" | "data-href" | "data-src" | "data-action" => self.link(value),
                name if name.starts_with("on") => self.script(value),
                _ => {}
            }
        }
    }

    fn link(&mut self, reference: &str) {
        if reference.trim_start().starts_with('#') || is_static(reference) {
            return;
        }
        match self.site.resolve(&self.base, reference) {
            Reference::Here(url) if is_logout(url.path(), url.query().unwrap_or_default()) => {
                self.page.logouts += 1;
            }
            Reference::Here(url) => self.lead(Request::get(&url), None),
            Reference::Elsewhere => self.page.elsewhere += 1,
            Reference::Nothing => {}
        }
    }

    fn lead(&mut self, request: Request, token: Option<Token>) {
        if self.page.leads.len() < LEADS_LIMIT {
            self.page.leads.push(Lead { request, token });
        }
    }

    fn form(&mut self, form: &Form<'_>) {
        for action in form.actions() {
            if is_logout(action, "") {
                self.page.logouts += 1;
                continue;
            }
            match self.site.resolve(&self.base, action) {
                Reference::Here(url) => self.lead(form.request(&url), form.token(&self.base)),
                Reference::Elsewhere | Reference::Nothing => self.page.elsewhere += 1,
            }
        }
    }
}

fn hash(names: Vec<&str>) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    hasher.finish()
}

/// More leads of one page belong to a trap.
const LEADS_LIMIT: usize = 2000;
