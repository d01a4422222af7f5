//! The course of a scan: log in, crawl, test every input of what was found, look afterwards, report.
//!
//! It only carries: what to fetch is decided by [`crawl`](super::crawl), what to send to an input and what
//! it means by the classes in [`tests`](super::tests).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::{sync::Semaphore, sync::mpsc, task::JoinSet};
use url::Url;
use vedette_protocol::{
    Digest, Finding, Scope,
    finding::{Evidence, FindingPlace, Label, UrlPath},
    worker::Progress,
};

use super::{
    api::{ApiSource, Operations},
    budget::Budget,
    client::{Client, Unanswered},
    crawl::{Crawl, Visited, targets},
    credential::Credential,
    http::Http,
    input::{Input, Payload, Place, inputs},
    page::{Lead, Page},
    report::{WebBooks, WebReport, What, Why},
    request::{Pair, Request},
    response::{Response, Whole},
    session::Session,
    site::Site,
    tests::{Classes, Test},
    trial::{Company, Exchanges, Facts, Proof, Stop, Subject, Trial},
    view::{View, Volatile},
};
use crate::wire::Wire;

/// What a scan says while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum WebEvent {
    /// Something was found.
    Found(Finding),
    /// How far the tests are.
    Progress(Progress),
}

/// A scan of one site.
#[derive(Debug)]
pub struct WebScan {
    /// The site, at its addresses.
    pub site: Site,
    /// What may be connected to.
    pub scope: Scope,
    /// Header fields that the operator adds to each request.
    pub headers: Vec<Pair>,
    /// Who to log in as.
    pub credential: Option<Credential>,
    /// Where its interface is described, beside what the crawl finds.
    pub api: Option<ApiSource>,
    /// What to test for.
    pub classes: Classes,
    /// How much of it.
    pub budget: Budget,
    /// Makes tokens that stand nowhere else.
    pub seed: u64,
}

/// Runs a scan to its end. Who no longer listens to events ends it early.
pub async fn scan(scan: WebScan, events: mpsc::Sender<WebEvent>) -> WebReport {
    let http = Http::new(Wire::new(Arc::new(scan.scope)), scan.site.clone());
    let mut headers = scan.headers;
    headers.extend(scan.credential.as_ref().and_then(Credential::header));
    let client = Client::new(
        http,
        scan.site,
        scan.budget,
        Session::new(headers),
        scan.credential,
    );
    let mut course = Course {
        client: Arc::new(client),
        classes: scan.classes,
        books: WebBooks::default(),
        facts: Facts::default(),
        found: HashSet::new(),
        subjects: Vec::new(),
        events,
    };
    if let Err(why) = course.client.log_in().await {
        course.books.not_done(What::Login, why, 1);
    }
    let operations = course.describe(scan.api).await;
    let visited = course.crawl(operations).await;
    course.learn_facts(&visited, scan.seed);
    course.test(targets(&visited)).await;
    course.look_afterwards(&visited).await;
    if course.client.lost_its_session() {
        course.books.not_done(What::Login, Why::SessionLost, 1);
    }
    let (sent, took) = (course.client.sent(), course.client.elapsed());
    course.books.close(sent, took)
}

struct Course {
    client: Arc<Client>,
    classes: Classes,
    books: WebBooks,
    facts: Facts,
    found: HashSet<Digest>,
    /// Where the inputs are, by their number.
    subjects: Vec<(Request, Input)>,
    events: mpsc::Sender<WebEvent>,
}

impl Course {
    /// What the description of the API leads to, if there is one.
    async fn describe(&mut self, source: Option<ApiSource>) -> Operations {
        let description = match source {
            None => return Operations::default(),
            Some(ApiSource::Given(description)) => Ok(description),
            Some(ApiSource::At(reference)) => self.client.describe(&reference).await,
        };
        match description {
            Ok(description) => description.operations(&self.client.site),
            Err(why) => {
                self.books.not_done(What::Description, why, 1);
                Operations::default()
            }
        }
    }

    /// Fetches whatever is reachable.
    async fn crawl(&mut self, operations: Operations) -> Vec<Visited> {
        let mut crawl = Crawl::new(&self.client.site);
        crawl.begin_with(operations, &self.client.budget);
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < self.client.budget.at_once {
                let Some((lead, depth)) = crawl.next_lead() else {
                    break;
                };
                let client = self.client.clone();
                under_way.spawn(async move {
                    let answer = client.send(&lead, Company::Any).await;
                    let page = answer
                        .as_ref()
                        .ok()
                        .map(|response| read(&client.site, &lead.request, response));
                    (lead, depth, answer, page)
                });
            }
            let Some(Ok((lead, depth, answer, page))) = under_way.join_next().await else {
                break;
            };
            match (answer, page) {
                (Ok(response), Some(page)) => {
                    self.books.pages.done += 1;
                    if response.whole != Whole::Yes {
                        let why = match response.whole {
                            Whole::CutAtBound => Why::TooLarge,
                            Whole::Yes | Whole::BrokenOff => Why::NoAnswer,
                        };
                        self.books.not_done(What::RestOfPage, why, 1);
                    }
                    self.client.learn(&response);
                    crawl.learn(lead, depth, &response, page, &self.client.budget);
                }
                (Err(unanswered), _) => self.books.not_done(What::Page, unanswered.why(), 1),
                (Ok(_), None) => {}
            }
        }
        self.books.pages.planned = crawl.planned();
        for (why, count) in crawl.refused() {
            self.books.not_done(What::Page, why, count);
        }
        crawl.into_visited()
    }

    fn learn_facts(&mut self, visited: &[Visited], seed: u64) {
        let site = &self.client.site;
        self.facts = Facts {
            origin: format!("{}://{}", site.start().scheme(), site.authority()),
            port: site.port(),
            seed: format!("vq{:04x}", seed & 0xffff),
            beacons: visited
                .iter()
                .filter_map(|page| page.beacon.clone())
                .take(BEACONS)
                .collect(),
        };
    }

    /// Tests every input of every target.
    async fn test(&mut self, targets: Vec<Lead>) {
        let facts = Arc::new(self.facts.clone());
        let places = Arc::new(Semaphore::new(self.client.budget.at_once));
        let mut waiting = targets.into_iter();
        let mut under_way = JoinSet::new();
        let mut trials: JoinSet<Tried> = JoinSet::new();
        let mut progress = Progress { done: 0, total: 0 };
        loop {
            // A few targets at a time: their pages are kept while they are tested.
            while under_way.len() + trials.len() < self.client.budget.at_once {
                let Some(lead) = waiting.next() else { break };
                let client = self.client.clone();
                under_way.spawn(async move { prepare(&client, lead).await });
            }
            tokio::select! {
                Some(Ok(prepared)) = under_way.join_next() => {
                    let (lead, prepared) = prepared;
                    let inputs = testable(&lead);
                    self.books.inputs += inputs.len() as u64;
                    let planned = (inputs.len() * self.classes.iter().count()) as u64;
                    self.books.tests.planned += planned;
                    progress.total += planned;
                    let prepared = match prepared {
                        Ok(prepared) => prepared,
                        Err(unanswered) => {
                            self.books.not_done(What::Test, unanswered.why(), planned);
                            continue;
                        }
                    };
                    for input in inputs {
                        let subject = Subject {
                            value: input.value(&lead.request),
                            request: lead.request.clone(),
                            input: input.clone(),
                            base: prepared.base.clone(),
                            volatile: prepared.volatile.clone(),
                            facts: facts.clone(),
                            number: self.subjects.len(),
                        };
                        self.subjects.push((lead.request.clone(), input));
                        let (client, places, classes) = (self.client.clone(), places.clone(), self.classes.clone());
                        let lead = lead.clone();
                        trials.spawn(async move {
                            let _place = places.acquire().await;
                            try_all(&client, &lead, &subject, &classes).await
                        });
                    }
                }
                Some(Ok(tried)) = trials.join_next() => {
                    progress.done += tried.done + tried.not_done.iter().map(|(_, count)| count).sum::<u64>();
                    self.books.tests.done += tried.done;
                    for (why, count) in tried.not_done {
                        self.books.not_done(What::Test, why, count);
                    }
                    for (proof, requests) in tried.proofs {
                        self.tell(tried.number, &proof, requests).await;
                    }
                    // Progress that nobody hears is no reason to stop.
                    let _ = self.events.send(WebEvent::Progress(progress)).await;
                }
                else => break,
            }
        }
    }

    /// Fetches the pages again, to see what the tests have left on them.
    async fn look_afterwards(&mut self, visited: &[Visited]) {
        let pages = visited
            .iter()
            .filter(|page| page.lead.request.method == "GET" && page.status == 200);
        let mut seen = HashSet::new();
        for page in pages {
            if !seen.insert(page.lead.request.target()) {
                continue;
            }
            let Ok(response) = self.client.send(&page.lead, Company::Any).await else {
                continue;
            };
            let proofs: HashMap<usize, Proof> = self
                .classes
                .iter()
                .flat_map(|test| (test.afterwards)(&self.facts, &response))
                .collect();
            for (number, proof) in proofs {
                self.tell(number, &proof, 1).await;
            }
        }
    }

    async fn tell(&mut self, number: usize, proof: &Proof, requests: u32) {
        let Some(finding) = self.finding(number, proof, requests) else {
            return;
        };
        if self.found.insert(finding.id) {
            // Who does not listen any more wants nothing more.
            let _ = self.events.send(WebEvent::Found(finding)).await;
        }
    }

    fn finding(&self, number: usize, proof: &Proof, requests: u32) -> Option<Finding> {
        let (request, input) = self.subjects.get(number)?;
        let site = &self.client.site;
        let path = UrlPath::cut(&request.template())?;
        let mut place = FindingPlace::path(site.host()?, site.port(), Label::cut(&request.method)?, path);
        place.parameter = Label::cut(&input.to_string());
        let mut finding = Finding::new(proof.type_, place, proof.confidence);
        finding.evidence = vec![Evidence::Injected {
            shown_by: proof.shown_by,
            detail: Label::cut(proof.detail),
            requests,
        }];
        Some(finding)
    }
}

/// What an answer leads on to.
fn read(site: &Site, request: &Request, response: &Response) -> Page {
    let base: Option<Url> = site.start().join(&request.target()).ok();
    base.map(|base| Page::read(site, &base, response))
        .unwrap_or_default()
}

/// The inputs of a request that are tested: a token against forged requests is none.
fn testable(lead: &Lead) -> Vec<Input> {
    let is_token = |input: &Input| {
        lead.token.as_ref().is_some_and(|token| {
            token.field == input.name && matches!(input.place, Place::Form | Place::Multipart)
        })
    };
    inputs(&lead.request)
        .into_iter()
        .filter(|input| !is_token(input))
        .collect()
}

/// What a target answers when it is left alone.
struct Prepared {
    base: Arc<Vec<Response>>,
    volatile: Arc<Volatile>,
}

/// Asks twice, to see what changes by itself, and whether headers are inputs.
async fn prepare(client: &Client, mut lead: Lead) -> (Lead, Result<Prepared, Unanswered>) {
    let mut base = Vec::new();
    for _ in 0..2 {
        match client.send(&lead, Company::Any).await {
            Ok(response) => base.push(response),
            Err(unanswered) => return (lead, Err(unanswered)),
        }
    }
    let volatile = Volatile::of(&base.iter().collect::<Vec<_>>());
    if let Some(headers) = headers_that_count(client, &lead, &base, &volatile).await {
        lead.request.headers = headers;
    }
    let prepared = Prepared {
        base: Arc::new(base),
        volatile: Arc::new(volatile),
    };
    (lead, Ok(prepared))
}

/// The headers that change the answer when something odd stands in them: asked for all at once first, so
/// that most requests cost one request more.
async fn headers_that_count(
    client: &Client,
    lead: &Lead,
    base: &[Response],
    volatile: &Volatile,
) -> Option<Vec<Pair>> {
    if !lead.request.headers.is_empty() {
        return None;
    }
    if !changes_the_answer(client, lead, HEADERS, base, volatile).await? {
        return None;
    }
    let mut count = Vec::new();
    for name in HEADERS {
        if changes_the_answer(client, lead, &[name], base, volatile).await? {
            count.push(*name);
        }
    }
    // Together they may do what none does alone.
    let count = if count.is_empty() { HEADERS } else { &count };
    let usual = |name: &&str| ((*name).to_owned(), HEADER_WORD.to_owned());
    Some(count.iter().map(usual).collect())
}

async fn changes_the_answer(
    client: &Client,
    lead: &Lead,
    names: &[&str],
    base: &[Response],
    volatile: &Volatile,
) -> Option<bool> {
    let odd = |name: &&str| ((*name).to_owned(), format!("{HEADER_WORD}{ODD}"));
    let mut request = lead.request.clone();
    request.headers = names.iter().map(odd).collect();
    let probe = Lead {
        request,
        token: lead.token.clone(),
    };
    let reply = client.send(&probe, Company::Any).await.ok()?;
    let view = |response: &Response| View::of(response, "", "", volatile);
    Some(view(&reply) != view(&base[0]) || reply.text().contains(HEADER_WORD))
}

/// What came of testing one input.
struct Tried {
    number: usize,
    done: u64,
    not_done: Vec<(Why, u64)>,
    proofs: Vec<(Proof, u32)>,
}

/// Judges an input by all classes, one after the other.
async fn try_all(client: &Client, lead: &Lead, subject: &Subject, classes: &Classes) -> Tried {
    let mut exchanges = Exchanges::new();
    let mut tried = Tried {
        number: subject.number,
        done: 0,
        not_done: Vec::new(),
        proofs: Vec::new(),
    };
    for test in classes.iter() {
        match try_one(client, lead, subject, test, &mut exchanges).await {
            Ok(proof) => {
                tried.done += 1;
                tried.proofs.extend(proof);
            }
            Err(why) => tried.not_done.push((why, 1)),
        }
    }
    tried
}

/// Sends what a class asks for, until it has a verdict.
async fn try_one(
    client: &Client,
    lead: &Lead,
    subject: &Subject,
    test: &Test,
    exchanges: &mut Exchanges,
) -> Result<Option<(Proof, u32)>, Why> {
    let mut spent = 0_u32;
    loop {
        let shot = match (test.judge)(&Trial::new(subject, exchanges)) {
            Ok(proof) => return Ok(proof.map(|proof| (proof, spent))),
            Err(Stop::Gap(failure)) => return Err(Unanswered::Failed(failure).why()),
            Err(Stop::Ask(shot)) => shot,
        };
        if spent as usize >= test.budget {
            return Err(Why::TestBudget);
        }
        spent += 1;
        let request = subject.input.with(&subject.request, &shot.payload);
        let token = match shot.payload {
            Payload::Document(..) => None,
            Payload::Value(_) | Payload::Spelled(_) => lead.token.clone(),
        };
        let reply = match client.send(&Lead { request, token }, shot.company).await {
            Ok(response) => Ok(response),
            Err(Unanswered::Failed(failure)) => Err(failure),
            Err(Unanswered::NotSent(why)) => return Err(why),
        };
        exchanges.insert(shot, reply);
    }
}

const BEACONS: usize = 64;
/// The headers that applications read most.
const HEADERS: &[&str] = &["User-Agent", "Referer", "X-Forwarded-For"];
const HEADER_WORD: &str = "vqheader";
const ODD: &str = "'\"<x>)(";
