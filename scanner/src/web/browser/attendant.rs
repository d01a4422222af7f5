//! Attends to a page while it is looked at: each request of it is sent through the scan's client, or refused and
//! counted; dialogs are declined, windows that it opens are closed.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
    time::timeout,
};
use url::Url;

use super::{
    asked::{Asked, WhatFor},
    line::{Event, Line},
};
use crate::web::{
    client::Client,
    page::{Lead, is_logout},
    report::Why,
    request::Request,
    response::{Response, Whole},
    site::Reference,
    trial::Company,
};

/// Who attends to one page.
#[derive(Debug)]
pub(super) struct Attendant {
    pub(super) client: Arc<Client>,
    page: Mutex<Attended>,
    changed: Notify,
}

/// The tab that is attended to.
#[derive(Debug, Clone)]
pub(super) struct Tab {
    pub(super) line: Arc<Line>,
    pub(super) session: String,
    /// Its number, which is that of its main frame as well.
    pub(super) target: String,
}

/// What became of a page's requests, and what else was seen of it.
#[derive(Debug, Default)]
pub(in crate::web) struct Seen {
    /// Requests to other servers, not sent.
    pub(in crate::web) elsewhere: u64,
    /// Requests that would end the session, not sent.
    pub(in crate::web) logouts: u64,
    /// Requests and buttons that would take something away, neither sent nor pressed.
    pub(in crate::web) destructive: u64,
    /// Requests beyond what is answered to one page.
    pub(in crate::web) excess: u64,
    /// What scripts have said through the word that is bound for them.
    pub(in crate::web) marks: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Attended {
    /// What is shown when the page is loaded: nothing until it was asked for.
    first: Option<Response>,
    /// The page's document as it was fetched first.
    surveyed: Option<Response>,
    /// Whether the page's own document is under way: what else would replace it is not loaded.
    loading: bool,
    /// The documents that were loaded, by the numbers of their loaders.
    loaded: HashSet<String>,
    under_way: usize,
    /// How often something was asked or answered.
    turns: usize,
    requests: usize,
    dialogs: usize,
    leads: Vec<Lead>,
    code: HashMap<String, Arc<Response>>,
    seen: Seen,
}

impl Attendant {
    /// Whoever attends to a page, which is shown as it is given, or else fetched.
    pub(super) fn new(client: Arc<Client>, first: Option<Response>) -> Self {
        let page = Attended {
            first,
            ..Attended::default()
        };
        Self {
            client,
            page: Mutex::new(page),
            changed: Notify::new(),
        }
    }

    /// From here on the page is loaded: the next document is its own.
    pub(super) fn begin_loading(&self) {
        self.page().loading = true;
    }

    /// Waits until the document of this loader is loaded.
    pub(super) async fn until_loaded(&self, loader: &str) {
        self.until(|page| page.loaded.contains(loader)).await;
    }

    /// Waits until nothing that it asked for is under way, but not for what is held open on purpose.
    pub(super) async fn until_quiet(&self) {
        let quiet = self.until(|page| page.under_way == 0);
        // What streams never ends.
        let _ = timeout(LONGEST_ANSWER, quiet).await;
    }

    /// How often something was asked or answered so far.
    pub(super) fn turns(&self) -> usize {
        self.page().turns
    }

    async fn until(&self, holds: impl Fn(&Attended) -> bool) {
        loop {
            let changed = self.changed.notified();
            if holds(&self.page()) {
                return;
            }
            changed.await;
        }
    }

    /// What its scripts asked for, and where it wanted to go.
    pub(super) fn take_leads(&self) -> Vec<Lead> {
        std::mem::take(&mut self.page().leads)
    }

    /// What was refused, and the like.
    pub(super) fn take_seen(&self) -> Seen {
        std::mem::take(&mut self.page().seen)
    }

    /// What the page is from now on, whatever is asked; nothing: what the site says.
    pub(super) fn show(&self, first: Option<Response>) {
        self.page().first = first;
    }

    /// The page is from now on what it was at first, unless that led elsewhere.
    pub(super) fn show_as_surveyed(&self) {
        let mut page = self.page();
        page.first = page
            .surveyed
            .clone()
            .filter(|response| response.location().is_none());
    }

    /// What scripts have said.
    pub(super) fn take_marks(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.page().seen.marks)
    }

    /// The scripts that the page has loaded.
    pub(super) fn code_text(&self) -> String {
        let page = self.page();
        let texts = page.code.values().map(|response| response.text().into_owned());
        let mut text = texts.collect::<Vec<_>>().join("\n");
        text.truncate(text.floor_char_boundary(CODE_TEXT));
        text
    }

    /// How many buttons would take something away.
    pub(super) fn spare(&self, destructive: u64, logouts: u64) {
        let mut page = self.page();
        page.seen.destructive += destructive;
        page.seen.logouts += logouts;
    }

    /// Attends to the tab's events; says why that has an end.
    pub(super) async fn attend(self: &Arc<Self>, tab: &Tab, events: &mut mpsc::Receiver<Event>) -> Why {
        let mut answers = JoinSet::new();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                Some(_) = answers.join_next() => continue,
            };
            let Some(Event { session, name, what }) = event else {
                return Why::Restless;
            };
            if name == "Target.targetCreated" {
                self.close_window(tab, &what["targetInfo"]);
                continue;
            }
            if session != tab.session {
                continue;
            }
            match name.as_str() {
                "Fetch.requestPaused" => {
                    self.turn(|page| page.under_way += 1);
                    let (attendant, tab) = (self.clone(), tab.clone());
                    answers.spawn(async move {
                        attendant.answer(&tab, &what).await;
                        attendant.turn(|page| page.under_way -= 1);
                    });
                }
                // A page that leads on while it is loaded is never all loaded, nor all parsed.
                "Page.lifecycleEvent"
                    if (what["name"] == "DOMContentLoaded" || what["name"] == "networkIdle")
                        && what["frameId"] == *tab.target =>
                {
                    let loader = what["loaderId"].as_str().unwrap_or_default().to_owned();
                    self.page().loaded.insert(loader);
                    self.changed.notify_waiters();
                }
                "Page.javascriptDialogOpening" => {
                    let leaves = what["type"] == "beforeunload";
                    let parameters = json!({"accept": leaves});
                    tab.line
                        .tell(Some(&tab.session), "Page.handleJavaScriptDialog", parameters);
                    let mut page = self.page();
                    page.dialogs += 1;
                    if page.dialogs > DIALOGS {
                        return Why::Restless;
                    }
                }
                "Page.windowOpen" => {
                    let url = what["url"].as_str().unwrap_or_default();
                    match self.client.site.resolve(self.client.site.start(), url) {
                        Reference::Here(url) => self.learn(Request::get(&url)),
                        Reference::Elsewhere => self.page().seen.elsewhere += 1,
                        Reference::Nothing => {}
                    }
                }
                "Runtime.bindingCalled" => {
                    let mark = what["payload"].as_str().unwrap_or_default();
                    let mut page = self.page();
                    if page.seen.marks.len() < MARKS && mark.len() <= MARK_LENGTH {
                        page.seen.marks.insert(mark.to_owned());
                    }
                    drop(page);
                    self.changed.notify_waiters();
                }
                "Inspector.targetCrashed" | "Inspector.detached" => return Why::Restless,
                _ => {}
            }
        }
    }

    /// A page's window is ours; others it has opened.
    fn close_window(&self, tab: &Tab, info: &Value) {
        let id = info["targetId"].as_str().unwrap_or_default();
        if info["type"] == "page" && id != tab.target && info.get("openerId").is_some() {
            tab.line.tell(None, "Target.closeTarget", json!({"targetId": id}));
        }
    }

    async fn answer(&self, tab: &Tab, paused: &Value) {
        let Some(asked) = Asked::read(paused) else {
            return;
        };
        let session = Some(tab.session.as_str());
        let refuse = |asked: &Asked| {
            let refusal = json!({"requestId": asked.id, "errorReason": "BlockedByClient"});
            tab.line.tell(session, "Fetch.failRequest", refusal);
        };
        // A page that is sent nowhere stays.
        let stay = |asked: &Asked| {
            let nothing = json!({"requestId": asked.id, "responseCode": 204});
            tab.line.tell(session, "Fetch.fulfillRequest", nothing);
        };
        let own_document = asked.what_for == WhatFor::Document && asked.frame == tab.target;
        if asked.url.starts_with("data:") || asked.url.starts_with("blob:") {
            // It has them itself.
            tab.line
                .tell(session, "Fetch.continueRequest", json!({"requestId": asked.id}));
            return;
        }
        let Some(url) = self.admit(&asked) else {
            return if own_document {
                stay(&asked)
            } else {
                refuse(&asked)
            };
        };
        let request = asked.request(&url);
        let response = if own_document {
            if !self.page().loading {
                self.learn(request);
                return stay(&asked);
            }
            let first = self.page().first.clone();
            match first {
                Some(first) => Some(first),
                None => self.document(&asked, request).await,
            }
        } else {
            match asked.what_for {
                WhatFor::Picture => None,
                WhatFor::Code => self.code(&asked, request).await,
                WhatFor::Document | WhatFor::Script => {
                    self.learn(request.clone());
                    self.fetch(&asked, request).await
                }
            }
        };
        match response {
            Some(response) => {
                if own_document && response.location().is_none() {
                    self.page().loading = false;
                }
                let answer = fulfilled(&asked, &response);
                tab.line.tell(session, "Fetch.fulfillRequest", answer);
            }
            None => refuse(&asked),
        }
    }

    /// Whether a request may be sent: where to, if so.
    fn admit(&self, asked: &Asked) -> Option<Url> {
        let url = match self.client.site.resolve(self.client.site.start(), &asked.url) {
            Reference::Here(url) => url,
            Reference::Elsewhere => {
                self.page().seen.elsewhere += 1;
                return None;
            }
            Reference::Nothing => return None,
        };
        let mut page = self.page();
        if is_logout(url.path(), url.query().unwrap_or_default()) {
            page.seen.logouts += 1;
            return None;
        }
        if asked.method().eq_ignore_ascii_case("DELETE") {
            page.seen.destructive += 1;
            return None;
        }
        page.requests += 1;
        if page.requests > REQUESTS {
            page.seen.excess += 1;
            return None;
        }
        Some(url)
    }

    /// A script or a style sheet, which is the same as often as it is asked for.
    async fn code(&self, asked: &Asked, request: Request) -> Option<Response> {
        let known = self.page().code.get(&asked.url).cloned();
        if let Some(known) = known {
            return Some(Response::clone(&known));
        }
        let response = self.client.fetch_code(&request).await.ok()?;
        let mut page = self.page();
        if page.code.len() < CODE {
            page.code.insert(asked.url.clone(), Arc::new(response.clone()));
        }
        Some(response)
    }

    async fn document(&self, asked: &Asked, request: Request) -> Option<Response> {
        let response = self.fetch(asked, request).await?;
        self.page().surveyed.get_or_insert_with(|| response.clone());
        Some(response)
    }

    async fn fetch(&self, asked: &Asked, mut request: Request) -> Option<Response> {
        let session = self.client.cookies();
        let is_known = |(name, value): &(String, String)| {
            session
                .iter()
                .any(|cookie| cookie.name == *name && cookie.value() == value)
        };
        request.cookies = asked.cookies();
        request.cookies.retain(|pair| !is_known(pair));
        // What scripts have set belongs to the session from now on.
        let made = request
            .cookies
            .iter()
            .filter(|(name, _)| !session.iter().any(|cookie| cookie.name == *name))
            .map(|(name, value)| ("Set-Cookie".to_owned(), format!("{name}={value}; Path=/")));
        let made = Response {
            status: 200,
            headers: made.collect(),
            body: Vec::new(),
            whole: Whole::Yes,
            took: Duration::ZERO,
        };
        self.client.learn(&made);
        let lead = Lead { request, token: None };
        let response = self.client.send(&lead, Company::Any).await.ok()?;
        self.client.learn(&response);
        Some(response)
    }

    fn learn(&self, request: Request) {
        let mut page = self.page();
        if page.leads.len() < LEADS {
            page.leads.push(Lead { request, token: None });
        }
    }

    fn turn(&self, change: impl FnOnce(&mut Attended)) {
        let mut page = self.page();
        change(&mut page);
        page.turns += 1;
        drop(page);
        self.changed.notify_waiters();
    }

    fn page(&self) -> MutexGuard<'_, Attended> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response as it is handed to the browser: decoded, hence without what says how it was coded.
fn fulfilled(asked: &Asked, response: &Response) -> Value {
    let fields: Vec<Value> = response
        .headers
        .iter()
        .filter(|(name, _)| !CODING.contains(&name.to_ascii_lowercase().as_str()))
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "requestId": asked.id,
        "responseCode": response.status.clamp(200, 599),
        "responseHeaders": fields,
        "body": STANDARD.encode(&response.body),
    })
}

const CODING: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "strict-transport-security",
    "transfer-encoding",
];
/// So many requests of one page are answered.
const REQUESTS: usize = 400;
const LEADS: usize = 400;
const CODE: usize = 64;
const CODE_TEXT: usize = 4 * 1024 * 1024;
/// More belong to a loop.
const DIALOGS: usize = 40;
const MARKS: usize = 256;
const MARK_LENGTH: usize = 256;
/// What takes longer is held open on purpose.
const LONGEST_ANSWER: Duration = Duration::from_secs(8);
