//! Logging in to a web server: RFC 7617, RFC 6750, a form, a cookie, a client certificate.
//!
//! The host is met first, and the place where it is shut to strangers is looked for; only then is the vault asked for
//! the credential, which is shown there once, over a connection of its own to the host with the same key. What a
//! credential is for is seen from outside alone: a server that shuts nobody out is shown nothing.

mod behind;
mod door;
mod road;

use std::collections::{HashSet, VecDeque};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use url::Url;
use vedette_protocol::{
    Finding, Job, Scope,
    credential::{CredentialKind, Login},
    finding::{Evidence, LoginOutcome, Source},
    job::Check,
};
use zeroize::Zeroizing;

use super::{
    LoginError, Visit,
    certificate::Certificate,
    name_of, not_opened,
    vault::{Line, LineError, Opened, Place},
};
use crate::{
    Event,
    application::{Application, Guest, Leave, site},
    known::Known,
    web::{
        Credential, WebReport,
        http::Http,
        page::Page,
        request::{Pair, Request},
        response::Response,
        session::Session,
        site::{Reference, Site},
    },
    wire::Wire,
};
use door::{Door, Form, judge_certificate, judge_field, judge_form};
use road::{Answer, Road};

/// What somebody saw who was let in.
#[derive(Debug, Default)]
pub(super) struct Inside {
    pub(super) findings: Vec<Finding>,
    /// Questions without an answer.
    pub(super) unanswered: u64,
    /// How far its web application was examined, if it was to be.
    pub(super) application: Option<WebReport>,
}

/// Connects, looks for the door, has the vault judge the host's key, and knocks once.
pub(super) async fn visit(
    job: &Job,
    scope: &Scope,
    place: &Place,
    line: &mut Line,
    leave: Leave,
    tell: &mpsc::Sender<Event>,
) -> Result<Visit, LoginError> {
    let name = name_of(scope, place.endpoint.ip());
    let wire = Wire::new(scope.clone().into());
    let mut road = match Road::new(wire.clone(), place.endpoint, name.clone(), place.trust) {
        Ok(road) => road,
        Err(outcome) => return Ok(Visit::Out(outcome)),
    };
    let shown = match (road.open().await, place.kind, road.met()) {
        (Ok(shown), _, _) => shown,
        // It may be that it shakes no stranger's hand. Nothing is signed but for the key that it has shown.
        (Err(LoginOutcome::NoAnswer), CredentialKind::ClientCertificate, Some(met)) => met,
        (Err(outcome), _, _) => return Ok(Visit::Out(outcome)),
    };
    let scheme = if road.is_in_tls() { "https" } else { "http" };
    let Some(site) = site(scheme, place.endpoint, name.as_ref()) else {
        return Ok(Visit::Out(LoginOutcome::NoAnswer));
    };
    let mut visitor = Visitor {
        road,
        site,
        session: Session::default(),
        again: None,
    };
    let door = match visitor.look_for_door(place.kind).await {
        Ok(door) => door,
        Err(outcome) => return Ok(Visit::Out(outcome)),
    };
    let outcome = match line.open(place, shown).await? {
        Ok(Opened::Secret(login)) => visitor.knock(door, login).await,
        Ok(Opened::Certificate(certificate)) => visitor.present(&door, certificate, line).await?,
        Ok(Opened::SshKey { .. }) => return Err(LineError::Unexpected.into()),
        Err(refusal) => return Ok(Visit::Out(not_opened(refusal))),
    };
    if outcome != LoginOutcome::Accepted {
        return Ok(Visit::Out(outcome));
    }
    let mut inside = Inside::default();
    if job.checks.contains(Check::Http) {
        let known = Known::open(place.endpoint, name);
        let fields = visitor.session.headers(&Request::get(visitor.site.start()));
        let behind = behind::look(&wire, &mut visitor.road, known, &fields).await;
        (inside.findings, inside.unanswered) = (behind.findings, behind.unanswered);
    }
    if job.checks.contains(Check::Web) {
        inside.application = visitor.examine(job, scope, leave, tell).await;
        inside.unanswered += u64::from(inside.application.is_none());
    }
    Ok(Visit::Web(inside))
}

/// Somebody at the door.
struct Visitor {
    road: Road,
    site: Site,
    session: Session,
    /// How it is let in again when the session dies.
    again: Option<Credential>,
}

impl Visitor {
    /// Has the web application examined by somebody who is in, and who meets the same host on each connection.
    async fn examine(
        self,
        job: &Job,
        scope: &Scope,
        leave: Leave,
        tell: &mpsc::Sender<Event>,
    ) -> Option<WebReport> {
        let wire = Wire::new(scope.clone().into());
        let (peer, open) = self.road.onward()?;
        let port = Some(self.site.port());
        let by = Source::Login;
        let guest = Guest {
            http: Http::with(wire, self.site.clone(), peer, open),
            session: Some(self.session.with_own_cookies()),
            credential: self.again,
            sees: vec![Evidence::Seen { by, port }],
        };
        let application = Application {
            site: self.site,
            scope: scope.clone(),
            test: job.web.clone().unwrap_or_default(),
            leave,
        };
        Some(application.examine(guest, tell).await)
    }

    /// Walks about as a stranger until something is shut.
    async fn look_for_door(&mut self, kind: CredentialKind) -> Result<Door, LoginOutcome> {
        let deadline = Instant::now() + SEARCH;
        let start = self.site.start().clone();
        let mut waiting = VecDeque::from([(start.clone(), None)]);
        waiting.extend(
            USUAL
                .iter()
                .filter_map(|path| Some((start.join(path).ok()?, None))),
        );
        let (mut seen, mut heard) = (HashSet::new(), false);
        while let Some((url, from)) = waiting.pop_front() {
            if seen.len() >= PAGES || Instant::now() >= deadline {
                break;
            }
            if !seen.insert(url.clone()) {
                continue;
            }
            let asked = timeout_at(deadline, self.fetch(&url)).await;
            let Some(response) = asked.ok().flatten() else {
                continue;
            };
            heard = true;
            if let Some(door) = Door::of(kind, &self.site, &url, from.as_ref(), &response) {
                return Ok(door);
            }
            if let Some(next) = self.led_on(&url, &response) {
                // Before all else: a place that leads elsewhere is one with the place that it leads to.
                waiting.push_front((next, Some(from.unwrap_or_else(|| url.clone()))));
                continue;
            }
            let leads = Page::read(&self.site, &url, &response).leads;
            let pages = leads.iter().filter(|lead| lead.request.method == "GET");
            waiting.extend(pages.filter_map(|lead| Some((url.join(&lead.request.target()).ok()?, None))));
        }
        match (heard, kind) {
            (true, _) => Err(LoginOutcome::MethodNotOffered),
            // Hands are not even shaken with a stranger.
            (false, CredentialKind::ClientCertificate) if self.road.met().is_some() => Ok(Door::Field(start)),
            (false, _) => Err(LoginOutcome::NoAnswer),
        }
    }

    async fn fetch(&mut self, url: &Url) -> Option<Response> {
        let bytes = self.bytes(&Request::get(url));
        let answer = self.road.exchange(&bytes).await?;
        self.session.learn(&answer.response);
        Some(answer.response)
    }

    fn bytes(&self, request: &Request) -> Zeroizing<Vec<u8>> {
        let fields = self.session.headers(request);
        Zeroizing::new(request.bytes(&self.site.authority(), &fields))
    }

    fn led_on(&self, url: &Url, response: &Response) -> Option<Url> {
        match self.site.resolve(url, response.location()?) {
            Reference::Here(next) => Some(next),
            Reference::Elsewhere | Reference::Nothing => None,
        }
    }

    /// Shows the credential, once.
    async fn knock(&mut self, door: Door, login: Login) -> LoginOutcome {
        let kind = login.kind();
        match (door, login) {
            (Door::Field(url), login) => {
                let Some(field) = field(&login) else {
                    return LoginOutcome::MethodNotOffered;
                };
                drop(login);
                // What a stranger was given along with the refusal is not brought back.
                self.session = Session::new(vec![field]);
                let bytes = self.bytes(&Request::get(&url));
                match self.road.once(&bytes).await {
                    Some(Answer { response, .. }) => judge_field(kind, &self.site, &url, &response),
                    None => LoginOutcome::NoAnswer,
                }
            }
            (Door::Form(form), Login::Form { user, password }) => {
                let request = password.with(|password| form.filled_in(&user, password));
                self.again = Some(Credential::Form(form.login(user, &password)));
                self.send_form(&form, &request)
                    .await
                    .unwrap_or(LoginOutcome::NoAnswer)
            }
            (Door::Form(_), _) => LoginOutcome::MethodNotOffered,
        }
    }

    /// Presents a certificate, once.
    async fn present(
        &mut self,
        door: &Door,
        certificate: Certificate,
        line: &mut Line,
    ) -> Result<LoginOutcome, LoginError> {
        let Door::Field(url) = door else {
            return Ok(LoginOutcome::MethodNotOffered);
        };
        if let Err(outcome) = self.road.open_as(certificate, line).await? {
            return Ok(outcome);
        }
        let bytes = self.bytes(&Request::get(url));
        Ok(match self.road.here(&bytes).await {
            Some(Answer { response, .. }) => judge_certificate(&response),
            // In TLS 1.3 a client has shaken hands before it hears that its certificate is refused.
            None => LoginOutcome::WrongCredential,
        })
    }

    async fn send_form(&mut self, form: &Form, request: &Request) -> Option<LoginOutcome> {
        let cookies = |visitor: &Self| visitor.session.headers(&Request::get(&form.page));
        let before = cookies(self);
        let bytes = self.bytes(request);
        let answer = self.road.once(&bytes).await?.response;
        self.session.learn(&answer);
        let (mut last, mut end) = (form.page.clone(), answer.clone());
        for _ in 0..REDIRECTS {
            let Some(next) = self.led_on(&last, &end) else {
                break;
            };
            end = self.fetch(&next).await?;
            last = next;
        }
        let session = if cookies(self) == before {
            door::Session::Same
        } else {
            door::Session::Changed
        };
        Some(judge_form(&self.site, &answer, session, &last, &end))
    }
}

/// The header field in which a credential is shown; the allocator wipes each copy.
fn field(login: &Login) -> Option<Pair> {
    let authorization = |value: String| Some(("Authorization".to_owned(), value));
    match login {
        Login::HttpBasic { user, password } => {
            let both = password.with(|password| Zeroizing::new(format!("{user}:{password}")));
            authorization(format!("Basic {}", STANDARD.encode(both.as_bytes())))
        }
        Login::Bearer { token } => authorization(token.with(|token| format!("Bearer {token}"))),
        Login::Cookie { cookie } => Some(("Cookie".to_owned(), cookie.with(str::to_owned))),
        Login::SshPassword { .. }
        | Login::SshKey { .. }
        | Login::Form { .. }
        | Login::ClientCertificate { .. }
        | Login::SnmpCommunity { .. }
        | Login::Database { .. } => None,
    }
}

/// Where doors are that no page leads to.
const USUAL: [&str; 3] = ["/login", "/admin/", "/api/"];
/// Pages that are looked at, and how long, until a door is found.
const PAGES: usize = 24;
const SEARCH: std::time::Duration = std::time::Duration::from_secs(120);
const REDIRECTS: usize = 5;
