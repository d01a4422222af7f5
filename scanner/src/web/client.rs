//! The scan's way to the site: session, pace and budget around the wire. Every request of the web engine
//! passes here and is counted.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex as AsyncMutex, RwLock, Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};
use url::Url;

use super::{
    api::{Description, LENGTH_LIMIT},
    budget::Budget,
    credential::{Credential, FormLogin},
    html,
    http::{BODY_LIMIT, Http},
    pace::{Health, Pace},
    page::{Lead, Page, Token},
    report::Why,
    request::{Body, Request},
    response::{Failure, Response, Whole},
    session::{Cookie, Pass, Session},
    site::{Reference, Site},
    state::Pause,
    trial::Company,
};

/// One visitor of the site, with everything that a request needs on its way.
#[derive(Debug)]
pub(crate) struct Client {
    road: Arc<Road>,
    pub(crate) site: Site,
    authority: String,
    pub(crate) budget: Budget,
    session: Mutex<Session>,
    tokens: Mutex<HashMap<(Url, String), String>>,
    login: Option<Login>,
}

/// What all visitors share: the site sees one scan, whoever asks.
#[derive(Debug)]
struct Road {
    http: Http,
    begun: Instant,
    sent: AtomicU64,
    dead: AtomicBool,
    pace: Mutex<Pace>,
    places: Semaphore,
    /// Held for reading by each exchange, for writing by one that must be alone.
    quiet: RwLock<()>,
    /// Who may stop it.
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Login {
    credential: Credential,
    /// How often the session was made anew; whoever saw an older one die need not do it again.
    generation: AsyncMutex<u32>,
    lost: AtomicBool,
}

/// A request was not answered: it failed, or it was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unanswered {
    Failed(Failure),
    NotSent(Why),
}

impl Unanswered {
    /// As the report says it.
    pub(crate) fn why(self) -> Why {
        match self {
            Self::NotSent(why) => why,
            Self::Failed(Failure::TooSlow) => Why::TooSlow,
            Self::Failed(Failure::NotHttp) => Why::NotHttp,
            Self::Failed(
                Failure::Refused
                | Failure::Unreachable
                | Failure::NoTls
                | Failure::HungUp
                | Failure::NotAsked,
            ) => Why::NoAnswer,
        }
    }
}

impl Client {
    pub(crate) fn new(
        http: Http,
        site: Site,
        budget: Budget,
        session: Session,
        login: Option<Credential>,
        pause: Option<Pause>,
    ) -> Self {
        let road = Road {
            http,
            begun: Instant::now(),
            sent: AtomicU64::new(0),
            dead: AtomicBool::new(false),
            pace: Mutex::new(Pace::new(budget.rate)),
            places: Semaphore::new(budget.at_once),
            quiet: RwLock::new(()),
            pause,
        };
        Self::on(Arc::new(road), site, budget, session, login)
    }

    /// Another visitor on the same road.
    pub(crate) fn beside(&self, session: Session, login: Option<Credential>) -> Self {
        Self::on(self.road.clone(), self.site.clone(), self.budget, session, login)
    }

    fn on(road: Arc<Road>, site: Site, budget: Budget, session: Session, login: Option<Credential>) -> Self {
        Self {
            road,
            authority: site.authority(),
            site,
            budget,
            session: Mutex::new(session),
            tokens: Mutex::default(),
            login: login.map(|credential| Login {
                credential,
                generation: AsyncMutex::new(0),
                lost: AtomicBool::new(false),
            }),
        }
    }

    /// Requests sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.road.sent.load(Ordering::Relaxed)
    }

    /// Since the scan began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.road.begun.elapsed()
    }

    /// Why nothing more is sent, if so.
    pub(crate) fn is_over(&self) -> Option<Why> {
        if self.road.dead.load(Ordering::Relaxed) {
            Some(Why::SiteDied)
        } else if self.road.pause.as_ref().is_some_and(Pause::is_stopped) {
            Some(Why::Stopped)
        } else if self.elapsed() >= self.budget.time {
            Some(Why::Time)
        } else if self.sent() >= self.budget.requests {
            Some(Why::Requests)
        } else {
            None
        }
    }

    /// Whether it is somebody whom the site knows.
    pub(crate) fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Whether the session died more often than it was made anew.
    pub(crate) fn lost_its_session(&self) -> bool {
        self.login
            .as_ref()
            .is_some_and(|login| login.lost.load(Ordering::Relaxed))
    }

    /// Sends a request as part of the session, which is made anew once if it turns out to be dead.
    pub(crate) async fn send(&self, lead: &Lead, company: Company) -> Result<Response, Unanswered> {
        let generation = match &self.login {
            Some(login) => *login.generation.lock().await,
            None => 0,
        };
        let response = self.send_with_token(lead, company).await?;
        if let Some(login) = self
            .login
            .as_ref()
            .filter(|_| !locked(&self.session).is_replaced_by(&lead.request))
            .filter(|_| self.looks_logged_out(&lead.request, &response))
            && self.log_in_again(login, generation).await
        {
            return self.send_with_token(lead, company).await;
        }
        Ok(response)
    }

    /// Sends a request whose form may have a token, which is read anew once if it is refused.
    async fn send_with_token(&self, lead: &Lead, company: Company) -> Result<Response, Unanswered> {
        let Some(token) = &lead.token else {
            return self.exchange(&lead.request, company).await;
        };
        let known = locked(&self.tokens)
            .get(&(token.page.clone(), token.field.clone()))
            .cloned();
        let first = match known {
            Some(value) => {
                self.exchange(&with_token(&lead.request, token, &value), company)
                    .await?
            }
            None => self.exchange(&lead.request, company).await?,
        };
        if !matches!(first.status, 400 | 401 | 403 | 409 | 419 | 422) {
            return Ok(first);
        }
        let page = self.exchange(&Request::get(&token.page), Company::Any).await?;
        let Some(fresh) = token_on(&page, &token.field) else {
            return Ok(first);
        };
        locked(&self.tokens).insert((token.page.clone(), token.field.clone()), fresh.clone());
        self.exchange(&with_token(&lead.request, token, &fresh), company)
            .await
    }

    /// One request and its response; a connection that failed is tried once more.
    async fn exchange(&self, request: &Request, company: Company) -> Result<Response, Unanswered> {
        match self.exchange_once(request, company).await {
            Err(Unanswered::Failed(Failure::Refused | Failure::Unreachable | Failure::HungUp)) => {
                self.exchange_once(request, company).await
            }
            ended => ended,
        }
    }

    /// One request and its response, within pace and budget.
    async fn exchange_once(&self, request: &Request, company: Company) -> Result<Response, Unanswered> {
        self.exchange_keeping(request, company, BODY_LIMIT).await
    }

    /// A script or a style sheet, which may be larger than a page.
    pub(crate) async fn fetch_code(&self, request: &Request) -> Result<Response, Unanswered> {
        self.exchange_keeping(request, Company::Any, CODE_LIMIT).await
    }

    /// The description of an API, which may be larger than a page.
    pub(crate) async fn describe(&self, reference: &str) -> Result<Description, Why> {
        let Reference::Here(url) = self.site.resolve(self.site.start(), reference) else {
            return Err(Why::NoDescription);
        };
        let response = self
            .exchange_keeping(&Request::get(&url), Company::Any, LENGTH_LIMIT)
            .await
            .map_err(Unanswered::why)?;
        match response.whole {
            Whole::Yes => Description::parse(&response.body).map_err(|_| Why::NoDescription),
            Whole::CutAtBound => Err(Why::TooLarge),
            Whole::BrokenOff => Err(Why::NoAnswer),
        }
    }

    async fn exchange_keeping(
        &self,
        request: &Request,
        company: Company,
        kept: usize,
    ) -> Result<Response, Unanswered> {
        let _place = self.turn().await?;
        let headers = locked(&self.session).headers(request);
        let bytes = request.bytes(&self.authority, &headers);
        self.deliver(&bytes, company, kept, self.budget.patience).await
    }

    /// Sends bytes as they stand, outside of any session, within pace and budget; a connection that failed is
    /// tried once more.
    pub(crate) async fn send_bytes(&self, bytes: &[u8], patience: Duration) -> Result<Response, Unanswered> {
        let _place = self.turn().await?;
        match self.deliver(bytes, Company::Any, BODY_LIMIT, patience).await {
            Err(Unanswered::Failed(Failure::Refused | Failure::Unreachable | Failure::HungUp)) => {
                self.deliver(bytes, Company::Any, BODY_LIMIT, patience).await
            }
            ended => ended,
        }
    }

    /// Sends bytes once, over a connection of their own. Silence may be what is asked for: it is no sign of the site's
    /// health.
    pub(crate) async fn send_apart(&self, bytes: &[u8], patience: Duration) -> Result<Response, Unanswered> {
        let _place = self.turn().await?;
        let _beside = self.road.quiet.read().await;
        self.road.sent.fetch_add(1, Ordering::Relaxed);
        let answered = timeout(patience, self.road.http.exchange_apart(bytes, BODY_LIMIT)).await;
        answered
            .unwrap_or(Err(Failure::TooSlow))
            .map_err(Unanswered::Failed)
    }

    /// Waits until a request may be sent.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, Unanswered> {
        let Ok(place) = self.road.places.acquire().await else {
            return Err(Unanswered::NotSent(Why::Time));
        };
        let wait = locked(&self.road.pace).place(self.road.begun.elapsed());
        if !wait.is_zero() {
            sleep(wait.min(self.budget.time.saturating_sub(self.elapsed()))).await;
        }
        match self.is_over() {
            Some(why) => Err(Unanswered::NotSent(why)),
            None => Ok(place),
        }
    }

    async fn deliver(
        &self,
        bytes: &[u8],
        company: Company,
        kept: usize,
        patience: Duration,
    ) -> Result<Response, Unanswered> {
        let (_beside, _alone) = match company {
            Company::Any => (Some(self.road.quiet.read().await), None),
            Company::Alone => (None, Some(self.road.quiet.write().await)),
        };
        self.road.sent.fetch_add(1, Ordering::Relaxed);
        let answered = timeout(patience, self.road.http.exchange(bytes, kept)).await;
        match answered.unwrap_or(Err(Failure::TooSlow)) {
            Ok(response) => {
                // What a test delays is no sign of the site's health.
                if company == Company::Any && response.took < DELAYED {
                    locked(&self.road.pace).answered(&response);
                }
                Ok(response)
            }
            Err(failure) => {
                if locked(&self.road.pace).failed(failure) == Health::Dead {
                    self.road.dead.store(true, Ordering::Relaxed);
                }
                Err(Unanswered::Failed(failure))
            }
        }
    }

    /// Takes over cookies: from pages and logins, never from replies to tests.
    pub(crate) fn learn(&self, response: &Response) {
        locked(&self.session).learn(response);
    }

    /// What a request shows that it is of the session by, where that is a signed token.
    pub(crate) fn passes(&self, request: &Request) -> Vec<Pass> {
        locked(&self.session).passes(request)
    }

    /// The cookies that the session has.
    pub(crate) fn cookies(&self) -> Vec<Cookie> {
        locked(&self.session).cookies().to_vec()
    }

    /// Logs in for the first time.
    pub(crate) async fn log_in(&self) -> Result<(), Why> {
        match &self.login {
            Some(login) => self.enter(&login.credential).await,
            None => Ok(()),
        }
    }

    async fn enter(&self, credential: &Credential) -> Result<(), Why> {
        let form = match credential {
            Credential::Form(form) => form,
            Credential::Basic { .. } | Credential::Bearer { .. } => {
                let start = Request::get(self.site.start());
                let response = self
                    .exchange(&start, Company::Any)
                    .await
                    .map_err(Unanswered::why)?;
                return if response.status == 401 {
                    Err(Why::LoginFailed)
                } else {
                    Ok(())
                };
            }
        };
        let (page, request) = self.login_request(form).await?;
        let mut response = self
            .exchange(&request, Company::Any)
            .await
            .map_err(Unanswered::why)?;
        self.learn(&response);
        let mut base = page;
        for _ in 0..REDIRECTS {
            let Some(Reference::Here(next)) = response
                .location()
                .map(|location| self.site.resolve(&base, location))
            else {
                break;
            };
            response = self
                .exchange(&Request::get(&next), Company::Any)
                .await
                .map_err(Unanswered::why)?;
            self.learn(&response);
            base = next;
        }
        let refused = response.status >= 400 || Page::read(&self.site, &base, &response).asks_for_password;
        if refused { Err(Why::LoginFailed) } else { Ok(()) }
    }

    /// The login form of a page, filled in.
    async fn login_request(&self, form: &FormLogin) -> Result<(Url, Request), Why> {
        let Reference::Here(url) = self.site.resolve(self.site.start(), &form.page) else {
            return Err(Why::Elsewhere);
        };
        let page = self
            .exchange(&Request::get(&url), Company::Any)
            .await
            .map_err(Unanswered::why)?;
        self.learn(&page);
        let leads = Page::read(&self.site, &url, &page).leads;
        let wanted = |request: &Request, name: &str| match &request.body {
            Body::Form(pairs) => pairs.iter().any(|(found, _)| found == name),
            _ => false,
        };
        let mut request = leads
            .into_iter()
            .map(|lead| lead.request)
            .find(|request| form.fields.iter().all(|(name, _)| wanted(request, name)))
            .ok_or(Why::LoginFailed)?;
        if let Body::Form(pairs) = &mut request.body {
            for (name, value) in pairs.iter_mut() {
                if let Some((_, secret)) = form.fields.iter().find(|(found, _)| found == name) {
                    secret.with(|secret| secret.clone_into(value));
                }
            }
        }
        Ok((url, request))
    }

    /// Whether a response is what someone sees who is not logged in.
    fn looks_logged_out(&self, request: &Request, response: &Response) -> bool {
        let Some(Credential::Form(form)) = self.login.as_ref().map(|login| &login.credential) else {
            return false;
        };
        let Reference::Here(login) = self.site.resolve(self.site.start(), &form.page) else {
            return false;
        };
        if request.path == login.path() {
            return false;
        }
        let to_login = response
            .location()
            .and_then(|location| self.site.start().join(location).ok())
            .is_some_and(|url| url.path() == login.path());
        response.status == 401 || to_login
    }

    /// Logs in again, unless somebody else has meanwhile. Whether there is a session now.
    async fn log_in_again(&self, login: &Login, seen: u32) -> bool {
        let mut generation = login.generation.lock().await;
        if *generation > seen {
            return true;
        }
        if *generation >= LOGINS {
            login.lost.store(true, Ordering::Relaxed);
            return false;
        }
        *generation += 1;
        locked(&self.session).forget();
        self.enter(&login.credential).await.is_ok()
    }
}

fn with_token(request: &Request, token: &Token, value: &str) -> Request {
    let mut request = request.clone();
    match &mut request.body {
        Body::Form(pairs) => {
            for (_, held) in pairs.iter_mut().filter(|(name, _)| *name == token.field) {
                value.clone_into(held);
            }
        }
        Body::Multipart(parts) => {
            for part in parts.iter_mut().filter(|part| part.name == token.field) {
                value.clone_into(&mut part.value);
            }
        }
        Body::None | Body::Json(_) | Body::Text(..) => {}
    }
    request
}

fn token_on(page: &Response, field: &str) -> Option<String> {
    let document = html::parse(&page.body);
    let found = document
        .elements()
        .find(|element| element.name() == "input" && element.attribute("name") == Some(field))?;
    found.attribute("value").map(ToOwned::to_owned)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So often a dead session is made anew.
const LOGINS: u32 = 20;
const REDIRECTS: usize = 4;
/// Applications are delivered as one script.
const CODE_LIMIT: usize = 8 * 1024 * 1024;
/// What takes longer may have been delayed by a payload.
const DELAYED: Duration = Duration::from_millis(1800);
