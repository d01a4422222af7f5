//! What to look at next, and what was seen: the frontier of a crawl. Pure; the engine fetches.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    api::{Operations, graphql},
    budget::Budget,
    html,
    input::inputs,
    jwt::public_keys,
    page::{Lead, Page},
    report::Why,
    request::{Body, Pair, Request},
    response::Response,
    session::plain_cookies,
    site::{Reference, Site},
    state::Mark,
    trial::Beacon,
};

/// A crawl under way.
#[derive(Debug, Default)]
pub struct Crawl {
    waiting: VecDeque<(Lead, usize)>,
    /// Requests of one shape, by what their words are.
    seen: HashMap<String, HashSet<u64>>,
    /// How many requests were let in.
    admitted: usize,
    /// What is remembered, in bytes.
    held: usize,
    visited: Vec<Visited>,
    refused: HashMap<Why, u64>,
    cookies: HashSet<String>,
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Visited {
    /// The request.
    pub lead: Lead,
    /// The status of the answer.
    pub status: u16,
    /// A hash over what kind of page it is.
    pub kind: u64,
    /// Cookies that were set there first, and that are inputs.
    pub cookies: Vec<Pair>,
    /// What it can be recognised by.
    pub beacon: Option<Beacon>,
    /// The public keys that it tells, in PEM.
    pub keys: Vec<String>,
}

impl Crawl {
    /// Begins where the site does, and with what sites tell of themselves.
    pub fn new(site: &Site) -> Self {
        let mut crawl = Self::default();
        let start = site.start();
        let files = FILES.iter().filter_map(|file| start.join(file).ok());
        let pages = std::iter::once(start.clone())
            .chain(files)
            .map(|url| Request::get(&url));
        let schemas = GRAPHQL.iter().map(|path| graphql::introspection(path));
        for request in pages.chain(schemas) {
            let variants = crawl.seen.entry(request.shape()).or_default();
            variants.insert(words(&request));
            crawl.waiting.push_back((Lead { request, token: None }, 0));
            crawl.admitted += 1;
        }
        crawl
    }

    /// Begins at these places too.
    pub fn begin_at(&mut self, site: &Site, references: &[String], budget: &Budget) {
        for reference in references {
            match site.resolve(site.start(), reference) {
                Reference::Here(url) => {
                    let request = Request::get(&url);
                    self.take_up(Lead { request, token: None }, 0, budget);
                }
                Reference::Elsewhere => *self.refused.entry(Why::Elsewhere).or_default() += 1,
                Reference::Nothing => {}
            }
        }
    }

    /// Takes up what the description of an API leads to.
    pub fn begin_with(&mut self, operations: Operations, budget: &Budget) {
        *self.refused.entry(Why::EndsSession).or_default() += operations.logouts;
        *self.refused.entry(Why::Undescribed).or_default() += operations.unread;
        for lead in operations.leads {
            self.take_up(lead, 0, budget);
        }
    }

    /// Takes up what the scripts of a page lead to.
    pub fn learn_rendered(&mut self, leads: Vec<Lead>, depth: usize, budget: &Budget) {
        for lead in leads {
            self.take_up(lead, depth + 1, budget);
        }
    }

    /// The next request, and how deep it lies.
    pub fn next_lead(&mut self) -> Option<(Lead, usize)> {
        self.waiting.pop_front()
    }

    /// How many requests were planned.
    pub fn planned(&self) -> u64 {
        self.admitted as u64 + self.refused.values().sum::<u64>()
    }

    /// What was not taken up, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Why, u64)> + '_ {
        self.refused.iter().map(|(why, count)| (*why, *count))
    }

    /// What was seen, in order.
    pub fn into_visited(self) -> Vec<Visited> {
        self.visited
    }

    /// Takes in the answer to a request of that depth.
    pub fn learn(&mut self, lead: Lead, depth: usize, response: &Response, page: Page, budget: &Budget) {
        *self.refused.entry(Why::Elsewhere).or_default() += page.elsewhere;
        *self.refused.entry(Why::EndsSession).or_default() += page.logouts;
        for next in page.leads {
            self.take_up(next, depth + 1, budget);
        }
        // Who has seen one operation asks for all that there are.
        if let Body::Json(body) = &lead.request.body
            && graphql::operation(body).is_some()
        {
            let request = graphql::introspection(&lead.request.path);
            self.take_up(Lead { request, token: None }, depth, budget);
        }
        let mut cookies = Vec::new();
        for (name, value) in plain_cookies(response) {
            if self.cookies.contains(&name) {
                continue;
            }
            if self.holds(2 * name.len() + value.len() + NOTE, budget) {
                self.cookies.insert(name.clone());
                cookies.push((name, value));
            } else {
                *self.refused.entry(Why::Memory).or_default() += 1;
            }
        }
        let mut keys = match response.status {
            200 => public_keys(&response.body),
            _ => Vec::new(),
        };
        keys.retain(|key| self.holds(key.len() + NOTE, budget));
        self.visited.push(Visited {
            status: response.status,
            kind: kind(&lead.request, response),
            cookies,
            beacon: beacon(&lead.request, response),
            keys,
            lead,
        });
    }

    /// Makes room for so much more to be remembered, if there is any.
    fn holds(&mut self, bytes: usize, budget: &Budget) -> bool {
        let held = self.held.saturating_add(bytes);
        let holds = held <= budget.held;
        if holds {
            self.held = held;
        }
        holds
    }

    fn take_up(&mut self, lead: Lead, depth: usize, budget: &Budget) {
        let (shape, words) = (lead.request.shape(), words(&lead.request));
        let known = self.seen.get(&shape);
        if known.is_some_and(|variants| variants.contains(&words) || variants.len() >= VARIANTS) {
            return;
        }
        let weight = lead.request.weight();
        if weight > HEAVIEST || !self.holds(shape.len() + weight + NOTE, budget) {
            *self.refused.entry(Why::Memory).or_default() += 1;
            return;
        }
        let refusal = if depth > budget.depth {
            Some(Why::Depth)
        } else if self.admitted >= budget.pages {
            Some(Why::Pages)
        } else {
            None
        };
        self.seen.entry(shape).or_default().insert(words);
        match refusal {
            Some(why) => *self.refused.entry(why).or_default() += 1,
            None => {
                self.admitted += 1;
                self.waiting.push_back((lead, depth));
            }
        }
    }
}

/// What is to be tested of what was seen: one of each kind, with its cookies and a mark that is the same in every scan.
pub(crate) fn targets(visited: &[Visited]) -> Vec<(Lead, Mark)> {
    let mut known = HashSet::new();
    let mut targets = Vec::new();
    for page in visited {
        let gone = matches!(page.status, 404 | 410 | 501);
        let file = page.lead.request.path.ends_with(".map") || page.lead.request.path.ends_with(".js");
        if ((gone || file) && page.cookies.is_empty()) || is_asked_by_ourselves(&page.lead.request) {
            continue;
        }
        let mut lead = page.lead.clone();
        let own = lead.request.cookies.clone();
        let new = page
            .cookies
            .iter()
            .filter(|(name, _)| !own.iter().any(|(known, _)| known == name));
        lead.request.cookies.extend(new.cloned());
        let shape = lead.request.shape();
        let mark = Mark::of(&[&shape, &page.kind.to_string()]);
        if known.insert((shape, page.kind)) {
            targets.push((lead, mark));
        }
    }
    targets
}

/// Whether nothing but our own list leads there: what it answers describes the site, or is the same everywhere.
pub(super) fn is_asked_by_ourselves(request: &Request) -> bool {
    let file = request.query.is_empty() && FILES.contains(&request.path.as_str());
    file || *request == graphql::introspection(&request.path)
}

/// The values that are words: where they choose what is shown, `page=news` is another page than `page=help`.
fn words(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    for input in inputs(request) {
        let value = input.value(request);
        let is_word = value.len() <= 32
            && value.starts_with(|c: char| c.is_ascii_alphabetic())
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
            && value.chars().filter(char::is_ascii_digit).count() < 3;
        if is_word {
            (input.name, value).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Which kind of page it is: what it is built of and what its fields are called, whatever values it shows.
fn kind(request: &Request, response: &Response) -> u64 {
    let mut hasher = DefaultHasher::new();
    response.status.hash(&mut hasher);
    if response.is_page() {
        let document = html::parse(&response.body);
        let mut parts: Vec<String> = Vec::new();
        for element in document.elements() {
            parts.push(element.name().to_owned());
            match element.name() {
                "input" | "select" | "textarea" => {
                    parts.extend(element.attribute("name").map(ToOwned::to_owned))
                }
                "title" | "h1" => {
                    let mut text = element.text();
                    for input in inputs(request) {
                        let value = input.value(request);
                        if !value.is_empty() {
                            text = text.replace(&value, "");
                        }
                    }
                    parts.push(text.chars().filter(|c| !c.is_ascii_digit()).collect());
                }
                _ => {}
            }
        }
        parts.sort_unstable();
        parts.dedup();
        parts.hash(&mut hasher);
    }
    hasher.finish()
}

/// Texts that a page can be recognised by: the longest, of what no number changes.
fn beacon(request: &Request, response: &Response) -> Option<Beacon> {
    let plain = request.method == "GET" && request.query.is_empty() && response.status == 200;
    if !plain || !response.is_page() {
        return None;
    }
    let document = html::parse(&response.body);
    let mut texts: Vec<String> = document
        .texts()
        .map(str::trim)
        .filter(|text| (BEACON_SHORTEST..200).contains(&text.len()))
        .filter(|text| text.chars().all(|c| c.is_ascii_alphabetic() || " ,.".contains(c)))
        .map(ToOwned::to_owned)
        .collect();
    texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
    texts.dedup();
    texts.truncate(3);
    (!texts.is_empty()).then(|| Beacon {
        path: request.path.clone(),
        texts,
    })
}

/// What sites tell of themselves (for keys: RFC 8615 and OpenID Connect Discovery 1.0), and where frameworks put the
/// description of an API.
const FILES: &[&str] = &[
    "/robots.txt",
    "/sitemap.xml",
    "/openapi.json",
    "/openapi.yaml",
    "/swagger.json",
    "/swagger/v1/swagger.json",
    "/v2/api-docs",
    "/v3/api-docs",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
];
/// Where servers of GraphQL answer.
const GRAPHQL: &[&str] = &["/graphql", "/api/graphql"];
/// More pages of one shape show the same with other words.
const VARIANTS: usize = 12;
/// Of one request, in bytes: each of its inputs is tested in a copy of its own.
const HEAVIEST: usize = 64 * 1024;
/// What it takes to remember something beside its text, in bytes.
const NOTE: usize = 128;
const BEACON_SHORTEST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Response {
        Response::answering(200, &[("Content-Type", "text/html")], body)
    }

    fn crawled(pages: impl Fn(&str) -> String, budget: Budget) -> (Crawl, Vec<String>) {
        let site = Site::parse("http://192.0.2.7/").unwrap();
        let mut crawl = Crawl::new(&site);
        let mut order = Vec::new();
        while let Some((lead, depth)) = crawl.next_lead() {
            let target = lead.request.target();
            let response = answer(&pages(&target));
            let base = site.start().join(&target).unwrap();
            let page = Page::read(&site, &base, &response);
            order.push(target);
            crawl.learn(lead, depth, &response, page, &budget);
        }
        (crawl, order)
    }

    #[test]
    fn numbers_are_one_page_and_words_are_several() {
        let (crawl, order) = crawled(
            |target| match target {
                "/" => {
                    "<a href=/i?id=1>1</a><a href=/i?id=2>2</a><a href=/p?v=news>n</a><a href=/p?v=help>h</a>"
                        .to_owned()
                }
                "/p?v=news" => "<h1>News</h1><ul></ul>".to_owned(),
                "/p?v=help" => "<h1>Help</h1><ol></ol>".to_owned(),
                _ => String::new(),
            },
            Budget::default(),
        );
        let known = 1 + FILES.len() + GRAPHQL.len();
        assert_eq!(order[0], "/");
        assert_eq!(order[known..], ["/i?id=1", "/p?v=news", "/p?v=help"]);
        let targets = targets(&crawl.into_visited());
        let tested: Vec<String> = targets.iter().map(|(lead, _)| lead.request.target()).collect();
        assert_eq!(tested, ["/", "/i?id=1", "/p?v=news", "/p?v=help"]);
    }

    #[test]
    fn endless_links_end_at_the_budget_and_are_said_to() {
        let endless = |target: &str| {
            format!(
                "<a href='{}/x{}'>on</a><a href=/q{}>",
                target.trim_end_matches('/'),
                target.len(),
                target.len()
            )
        };
        let budget = Budget {
            pages: 50,
            depth: 6,
            ..Budget::default()
        };
        let (crawl, order) = crawled(endless, budget);
        let refused: u64 = crawl
            .refused()
            .filter(|(why, _)| matches!(why, Why::Depth | Why::Pages))
            .map(|(_, count)| count)
            .sum();
        assert!(order.len() <= 50 && refused > 0, "{} {refused}", order.len());
        assert_eq!(crawl.planned(), order.len() as u64 + refused);
    }
}
