//! The course of a scan: log in, crawl, test every input of what was found, look afterwards, report.
//!
//! It only carries: what to fetch is decided by [`crawl`](super::crawl), what to send to an input and what
//! it means by the classes in [`tests`](super::tests).

mod access;
mod assignment;
mod attempt;
mod calls;
mod default_login;
mod dom;
mod identifier;
mod look;
mod render;
mod search;
mod smuggling;
mod target;
mod upload;
mod witness;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::JoinSet,
};
use url::Url;
use vedette_protocol::{
    Digest, Finding, Scope,
    finding::{Confidence, Evidence, FindingPlace, FindingType, Label, UrlPath},
    worker::Progress,
};

pub use self::calls::Listening;
use self::{
    attempt::{Tried, try_all},
    calls::{Called, Ear},
    render::Views,
    target::{Suspect, prepare},
    witness::Witness,
};
use super::{
    api::{ApiSource, Operations},
    browser::Browser,
    budget::Budget,
    client::Client,
    crawl::{Crawl, Visited, targets},
    credential::Credential,
    default_login::Product,
    http::Http,
    page::{Lead, Page},
    report::{WebBooks, WebReport, What, Why},
    request::{Pair, Request},
    response::{Response, Whole},
    session::Session,
    site::Site,
    state::{Mark, Pause, Spot},
    tests::{Classes, Of, Test},
    trial::{Company, Facts, Proof, Subject, tokens},
};
use crate::{callback::Callbacks, wire::Wire};

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
    /// Another user, who shares nothing with the first: what is the one's is not to be shown to the other.
    pub other: Option<Credential>,
    /// Where its interface is described, beside what the crawl finds.
    pub api: Option<ApiSource>,
    /// Whether it is heard when the target comes to an address of ours.
    pub listening: Listening,
    /// What to test for.
    pub classes: Classes,
    /// How much of it.
    pub budget: Budget,
    /// Makes tokens that stand nowhere else.
    pub seed: u64,
    /// What lets the scripts of pages run, if there is one.
    pub browser: Option<Browser>,
    /// What earlier runs of it have done, and the word to stop; with it comes the seed.
    pub pause: Option<Pause>,
}

/// How somebody comes to a site who knows more of it than its URL.
#[derive(Debug)]
pub(crate) struct Approach {
    /// The road there.
    pub(crate) http: Http,
    /// References on the site to begin at, beside its URL.
    pub(crate) starts: Vec<String>,
    /// A session that has begun already.
    pub(crate) session: Option<Session>,
}

/// Runs a scan to its end. Who no longer listens to events ends it early.
pub async fn scan(scan: WebScan, events: mpsc::Sender<WebEvent>) -> WebReport {
    let approach = Approach {
        http: Http::new(Wire::new(Arc::new(scan.scope.clone())), scan.site.clone()),
        starts: Vec::new(),
        session: None,
    };
    scan_from(approach, scan, events).await
}

/// As [`scan`], by a road of one's own.
pub(crate) async fn scan_from(
    approach: Approach,
    scan: WebScan,
    events: mpsc::Sender<WebEvent>,
) -> WebReport {
    let Approach {
        http,
        starts,
        session,
    } = approach;
    let has_begun = session.is_some();
    let ear = scan.classes.iter().any(Test::can_call).then(|| {
        let targets = scan.site.endpoints().map(|endpoint| endpoint.ip());
        Ear::open(&scan.listening, targets.collect())
    });
    let callbacks = ear.as_ref().and_then(Ear::callbacks);
    let own_headers = scan.headers.clone();
    let mut headers = scan.headers;
    headers.extend(scan.credential.as_ref().and_then(Credential::header));
    let client = Client::new(
        http,
        scan.site,
        scan.budget,
        session.unwrap_or_else(|| Session::new(headers)),
        scan.credential,
        scan.pause.clone(),
    );
    let seed = scan.pause.as_ref().map_or(scan.seed, Pause::seed);
    let mut course = Course {
        client: Arc::new(client),
        classes: scan.classes,
        books: WebBooks::default(),
        facts: Facts::default(),
        found: HashSet::new(),
        subjects: scan.pause.as_ref().map(Pause::spots).unwrap_or_default(),
        requests: HashMap::new(),
        pause: scan.pause,
        tokens: HashMap::new(),
        landing: HashSet::from(["/".to_owned()]),
        told: HashSet::new(),
        callbacks: callbacks.clone(),
        called: Vec::new(),
        browser: scan.browser.map(|browser| Arc::new(Mutex::new(browser))),
        views: Views::default(),
        servers: HashMap::new(),
        issuers: HashMap::new(),
        products: HashMap::new(),
        events,
    };
    if !has_begun && let Err(why) = course.client.log_in().await {
        course.books.not_done(What::Login, why, 1);
    }
    let operations = course.describe(scan.api).await;
    let visited = course.crawl(operations, &starts).await;
    course.look_at_cookies().await;
    course.learn_facts(&visited, seed);
    course.search(&visited).await;
    // Before payloads have made what belongs to nobody.
    if !course.is_done(&["users compared"]) {
        course.compare_users(&visited, scan.other, own_headers).await;
        course.done_unless_over(&["users compared"]);
    }
    if !course.is_done(&["fields assigned"]) {
        course.assign(&visited).await;
        course.done_unless_over(&["fields assigned"]);
    }
    if !course.is_done(&["files uploaded"]) {
        course.upload(&visited).await;
        course.done_unless_over(&["files uploaded"]);
    }
    if !course.is_done(&["servers set apart"]) {
        course.smuggle().await;
        course.done_unless_over(&["servers set apart"]);
    }
    if !course.is_done(&["identifiers sampled"]) {
        course.sample_identifiers().await;
        course.done_unless_over(&["identifiers sampled"]);
    }
    if !course.is_done(&["default logins tried"]) {
        course.try_default_logins().await;
        course.done_unless_over(&["default logins tried"]);
    }
    if !course.is_done(&["scripts tried"]) {
        course.try_scripts().await;
        course.done_unless_over(&["scripts tried"]);
    }
    course.test(targets(&visited)).await;
    course.look_afterwards(&visited).await;
    if let Some(callbacks) = callbacks {
        course.hear(&callbacks).await;
    }
    course.finish_requests();
    course.books.no_callbacks = ear.as_ref().and_then(Ear::lack).map(ToOwned::to_owned);
    if course.client.lost_its_session() {
        course.books.not_done(What::Login, Why::SessionLost, 1);
    }
    let (sent, took) = (course.client.sent(), course.client.elapsed());
    course.books.close(sent, took)
}

/// A request that is tested.
#[derive(Debug)]
struct Underway {
    /// The numbers of its inputs.
    inputs: Vec<usize>,
    /// Pairs of an input and a class.
    pairs: u64,
    /// Pairs that were not tested.
    gaps: u64,
    /// Inputs that were not tested yet.
    left: usize,
}

struct Course {
    client: Arc<Client>,
    classes: Classes,
    books: WebBooks,
    facts: Facts,
    found: HashSet<Digest>,
    /// Where the inputs are, by their number.
    subjects: Vec<Spot>,
    /// Requests that are tested, and what of them is still to be done.
    requests: HashMap<Mark, Underway>,
    pause: Option<Pause>,
    /// On how many pages each signed token was tested.
    tokens: HashMap<String, usize>,
    /// Where the audits of the site look at header fields: its first page, and where that leads on to.
    landing: HashSet<String>,
    /// What is told of once although many pages have it.
    told: HashSet<(FindingType, String)>,
    /// Hears targets that come to us.
    callbacks: Option<Callbacks>,
    /// What is to be listened for when everything was tested.
    called: Vec<Called>,
    browser: Option<Arc<Mutex<Browser>>>,
    /// What there is to render.
    views: Views,
    /// A page of each server, by what it says of itself.
    servers: HashMap<[String; 3], Request>,
    /// Where each cookie of the session is set, by its name and path.
    issuers: HashMap<(String, String), Request>,
    /// A page of each product with a login that everybody knows, by its name and where it lies.
    products: HashMap<(&'static str, String), (&'static Product, Request)>,
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
    async fn crawl(&mut self, operations: Operations, starts: &[String]) -> Vec<Visited> {
        let mut crawl = Crawl::new(&self.client.site);
        crawl.begin_at(&self.client.site, starts, &self.client.budget);
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
                // What links and forms lead to first; what scripts do is slow to see.
                if self.render_next(&mut crawl).await {
                    continue;
                }
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
                    self.look_at(&lead.request, &response).await;
                    self.views
                        .take_up(&self.client.site, &lead.request, &response, depth);
                    crawl.learn(lead, depth, &response, page, &self.client.budget);
                }
                (Err(unanswered), _) => self.books.not_done(What::Page, unanswered.why(), 1),
                (Ok(_), None) => {}
            }
        }
        self.leave_unrendered();
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
            keys: visited
                .iter()
                .flat_map(|page| page.keys.iter().cloned())
                .collect(),
            beacons: visited
                .iter()
                .filter_map(|page| page.beacon.clone())
                .take(BEACONS)
                .collect(),
        };
    }

    /// Tests every input of every target.
    async fn test(&mut self, targets: Vec<(Lead, Mark)>) {
        let facts = Arc::new(self.facts.clone());
        let places = Arc::new(Semaphore::new(self.client.budget.at_once));
        let mut waiting = targets.into_iter();
        let mut under_way = JoinSet::new();
        let mut trials: JoinSet<(Mark, Tried)> = JoinSet::new();
        let mut progress = Progress { done: 0, total: 0 };
        loop {
            // A few targets at a time: their pages are kept while they are tested.
            while under_way.len() + trials.len() < self.client.budget.at_once {
                let Some((lead, mark)) = waiting.next() else { break };
                if let Some(pairs) = self.pause.as_ref().and_then(|pause| pause.pairs(mark)) {
                    self.books.earlier += pairs;
                    continue;
                }
                let (client, classes, facts) = (self.client.clone(), self.classes.clone(), facts.clone());
                under_way.spawn(async move { (mark, prepare(&client, lead, &classes, &facts).await) });
            }
            tokio::select! {
                Some(Ok((mark, target))) = under_way.join_next() => {
                    let suspects: Vec<Suspect> = target
                        .suspects
                        .into_iter()
                        .filter(|suspect| self.is_due(suspect))
                        .collect();
                    let inputs = suspects.iter().filter(|suspect| suspect.of == Of::Input);
                    self.books.inputs += inputs.count() as u64;
                    let planned: usize = suspects
                        .iter()
                        .map(|suspect| self.classes.put_to(suspect.of).count())
                        .sum();
                    let planned = planned as u64;
                    self.books.tests.planned += planned;
                    progress.total += planned;
                    let answers = match target.answers {
                        Ok(answers) => answers,
                        Err(unanswered) => {
                            self.books.not_done(What::Test, unanswered.why(), planned);
                            continue;
                        }
                    };
                    let mut request = Underway {
                        pairs: planned,
                        left: suspects.len(),
                        // What was stopped in the middle may not have seen all that there is to test.
                        gaps: self.client.is_over().map_or(0, |_| 1),
                        inputs: Vec::new(),
                    };
                    for suspect in suspects {
                        let subject = Subject {
                            value: suspect.input.value(&suspect.request),
                            request: suspect.request.clone(),
                            input: suspect.input.clone(),
                            base: answers.base.clone(),
                            volatile: answers.volatile.clone(),
                            facts: facts.clone(),
                            number: self.subjects.len(),
                        };
                        request.inputs.push(subject.number);
                        self.number(Spot {
                            method: suspect.request.method.clone(),
                            path: suspect.request.template(),
                            parameter: suspect.input.to_string(),
                        });
                        let witness = self.witness();
                        let (client, places, classes) = (self.client.clone(), places.clone(), self.classes.clone());
                        let (token, callbacks) = (target.token.clone(), self.callbacks.clone());
                        trials.spawn(async move {
                            let _place = places.acquire().await;
                            let classes = classes.put_to(suspect.of);
                            let aids = (callbacks.as_ref(), witness.as_ref());
                            let tried = try_all(&client, aids, token.as_ref(), &subject, classes).await;
                            (mark, tried)
                        });
                    }
                    self.requests.insert(mark, request);
                }
                Some(Ok((mark, tried))) = trials.join_next() => {
                    if let Some(request) = self.requests.get_mut(&mark) {
                        request.left -= 1;
                        request.gaps += tried.gaps();
                    }
                    progress.done += tried.done + tried.not_done.iter().map(|(_, count)| count).sum::<u64>();
                    self.books.tests.done += tried.done;
                    for (why, count) in tried.not_done {
                        self.books.not_done(What::Test, why, count);
                    }
                    let called = tried.calling.called.len();
                    self.note(tried.calling);
                    if called == 0 {
                        self.finish(mark);
                    }
                    for (proof, requests) in tried.proofs {
                        self.accuse(tried.number, &proof, requests).await;
                    }
                    // Progress that nobody hears is no reason to stop.
                    let _ = self.events.send(WebEvent::Progress(progress)).await;
                }
                else => break,
            }
        }
    }

    /// Whether it is to be tested: a token is the same on every page.
    fn is_due(&mut self, suspect: &Suspect) -> bool {
        if suspect.of != Of::Token {
            return true;
        }
        let pages = self
            .tokens
            .entry(suspect.input.value(&suspect.request))
            .or_default();
        *pages += 1;
        *pages <= TOKEN_PAGES
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
            for (number, mut proof) in proofs {
                if let Some(witness) = self.witness() {
                    let text = response.text();
                    let words = tokens(&self.facts.seed, &text).into_iter();
                    let words = words.filter(|(of, _)| *of == number);
                    let words: Vec<String> = words.map(|(_, word)| word.to_owned()).collect();
                    witness
                        .see(&mut proof, &page.lead.request, &response, &words)
                        .await;
                }
                self.accuse(number, &proof, 1).await;
            }
        }
    }

    fn witness(&self) -> Option<Witness> {
        self.browser.clone().map(|browser| Witness {
            browser,
            client: self.client.clone(),
        })
    }

    /// Tells of what a test has shown at an input.
    async fn accuse(&mut self, number: usize, proof: &Proof, requests: u32) {
        let Some(spot) = self.subjects.get(number) else {
            return;
        };
        let parameter = Label::cut(&spot.parameter);
        if let Some(finding) =
            self.finding(proof.type_, proof.confidence, &spot.method, &spot.path, parameter)
        {
            let evidence = vec![Evidence::Injected {
                shown_by: proof.shown_by,
                detail: Label::cut(proof.detail),
                requests,
            }];
            self.tell(Finding { evidence, ..finding }).await;
        }
    }

    /// Gives an input the next number.
    fn number(&mut self, spot: Spot) {
        if let Some(pause) = &self.pause {
            pause.numbered(&spot);
        }
        self.subjects.push(spot);
    }

    /// Whether an earlier run has done it.
    fn is_done(&self, parts: &[&str]) -> bool {
        let mark = Mark::of(parts);
        self.pause.as_ref().is_some_and(|pause| pause.is_done(mark))
    }

    fn done(&self, parts: &[&str]) {
        if let Some(pause) = &self.pause {
            pause.done(Mark::of(parts));
        }
    }

    fn done_unless_over(&self, parts: &[&str]) {
        if self.client.is_over().is_none() {
            self.done(parts);
        }
    }

    /// A request is done when each of its inputs is, and nobody is waited for that was called by one.
    fn finish(&mut self, mark: Mark) {
        let Some(pause) = &self.pause else { return };
        let waits = |number: &usize| self.called.iter().any(|called| called.number() == *number);
        if let Some(request) = self.requests.get(&mark)
            && request.left == 0
            && request.gaps == 0
            && !request.inputs.iter().any(waits)
        {
            pause.request_done(mark, request.pairs);
        }
    }

    /// An input came to no end after all.
    fn unfinished(&mut self, number: usize) {
        for request in self
            .requests
            .values_mut()
            .filter(|request| request.inputs.contains(&number))
        {
            request.gaps += 1;
        }
    }

    fn finish_requests(&mut self) {
        let marks: Vec<Mark> = self.requests.keys().copied().collect();
        for mark in marks {
            self.finish(mark);
        }
    }

    async fn tell(&mut self, finding: Finding) {
        let of_this_run = self.found.insert(finding.id);
        if of_this_run && self.pause.as_ref().is_none_or(|pause| pause.is_new(finding.id)) {
            // Who does not listen any more wants nothing more.
            let _ = self.events.send(WebEvent::Found(finding)).await;
        }
    }

    fn finding(
        &self,
        type_: FindingType,
        confidence: Confidence,
        method: &str,
        path: &str,
        parameter: Option<Label>,
    ) -> Option<Finding> {
        let site = &self.client.site;
        let path = UrlPath::cut(path)?;
        let mut place = FindingPlace::path(site.host()?, site.port(), Label::cut(method)?, path);
        place.parameter = parameter;
        Some(Finding::new(type_, place, confidence))
    }
}

/// What an answer leads on to.
fn read(site: &Site, request: &Request, response: &Response) -> Page {
    let base: Option<Url> = site.start().join(&request.target()).ok();
    base.map(|base| Page::read(site, &base, response))
        .unwrap_or_default()
}

const BEACONS: usize = 64;
/// So many pages are asked whether they want a token: it counts on some alone.
const TOKEN_PAGES: usize = 8;
