//! One template against one site: what to send next, from what came back. Pure; the wire stands elsewhere.
//!
//! [`Run::outgoing`] gives the next request or the end, [`Run::heard`] takes its reply. Requests of one run follow each
//! other, because a later one may need what an earlier one brought.

mod callbacks;
mod course;
mod exchanges;
mod judging;
mod known;

use std::sync::Arc;

use self::{
    course::Course,
    known::{Known, View},
};
use super::{
    base::Base,
    cookies::Cookies,
    dsl::{Kit, Scene},
    event::Event,
    exchange::{Exchange, Heard},
    expression::{Filled, fill},
    flow::Next,
    form::{Block, Template},
    http::{HttpRequest, Unsendable},
};
use vedette_protocol::Digest;

use crate::{
    callback::{Callbacks, Contact},
    web::response::Response,
};

/// A run under way.
#[derive(Debug)]
pub struct Run {
    template: Arc<Template>,
    base: Arc<Base>,
    kit: Kit,
    now: i64,
    known: Known,
    cookies: Cookies,
    /// What the blocks that were run came to.
    results: Vec<bool>,
    course: Option<Course>,
    hits: Vec<Hit>,
    tally: Tally,
    over: bool,
}

/// What holds for every run of a scan.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Makes names that stand nowhere else.
    pub seed: u64,
    /// Seconds since 1970, for templates that name the time.
    pub now: i64,
    /// Addresses of ours that the target may be sent to; none: who comes there cannot be seen.
    pub callbacks: Option<Callbacks>,
    /// What the operator gives templates to know, as a name to log in with.
    pub given: Vec<(String, String)>,
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// An HTTP request.
    Http(HttpRequest),
    /// Something outside of HTTP.
    Other(Exchange),
    /// Nothing: it is to be seen who comes to these ports.
    Callbacks(Vec<u16>),
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// A response.
    Http(Arc<Response>),
    /// What was heard outside of HTTP.
    Other(Heard),
    /// Who came to which port.
    Callbacks(Vec<(u16, Contact)>),
    /// None.
    Nothing,
}

/// A template hit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Hit {
    /// By which of its named matchers.
    pub matcher: Option<String>,
    /// The method of the request.
    pub method: String,
    /// The path of the request.
    pub path: String,
}

/// The books of one run: what was planned was sent, or it is said why not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that the template can ask for, redirects included as they come.
    pub planned: u64,
    /// Requests that were handed to the wire.
    pub sent: u64,
    /// Requests that could not be made, and why.
    pub unsendable: Vec<(Unsendable, u64)>,
    /// Requests whose turn never came: a hit was enough, or the flow went elsewhere.
    pub not_needed: u64,
    /// Requests beyond what one template may send.
    pub too_many: u64,
    /// Requests that were made or could not be.
    tried: u64,
}

impl Tally {
    /// Whether this is as much as one template may send.
    fn is_full(&self) -> bool {
        self.sent + self.tried >= REQUESTS_LIMIT
    }

    /// Accounts for what is left.
    fn close(&mut self) {
        let accounted: u64 = self.sent + self.unsendable.iter().map(|(_, count)| count).sum::<u64>();
        let left = self.planned.saturating_sub(accounted);
        if self.is_full() {
            self.too_many = left;
        } else {
            self.not_needed = left;
        }
    }
}

impl Run {
    /// A run of a template.
    pub fn new(template: Arc<Template>, base: Arc<Base>, setting: &Setting) -> Self {
        // Each template draws its own chance, whatever the others do.
        let seed = setting.seed ^ salt(&template.id);
        let mut run = Self {
            known: Known::new(base.clone(), seed, setting.callbacks.clone()),
            kit: Kit::new(seed),
            now: setting.now,
            cookies: Cookies::default(),
            results: Vec::new(),
            course: None,
            hits: Vec::new(),
            tally: Tally::default(),
            over: false,
            template,
            base,
        };
        for (name, value) in &setting.given {
            run.known.set(name, value.as_bytes().into());
        }
        for block in &run.template.blocks {
            let requests = match block {
                Block::Http(block) => block.drafts.len(),
                other => other.exchanges(),
            };
            let requests = block.payloads().count().saturating_mul(requests as u64);
            run.tally.planned = run.tally.planned.saturating_add(requests);
        }
        run.define_variables();
        run
    }

    /// The template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// What is to be sent next; none when it is over.
    pub fn outgoing(&mut self) -> Option<Outgoing> {
        while !self.over {
            if let Some(mut course) = self.course.take() {
                let next = match self.template.blocks.get(course.block) {
                    Some(Block::Http(_)) => self.request(&mut course).map(Outgoing::Http),
                    Some(_) => self.exchange(&mut course).map(Outgoing::Other),
                    None => None,
                };
                if let Some(outgoing) = next {
                    self.course = Some(course);
                    self.tally.sent += 1;
                    return Some(outgoing);
                }
                if let Some(ports) = course.awaits_callbacks() {
                    self.course = Some(course);
                    return Some(Outgoing::Callbacks(ports));
                }
                self.close(course);
                continue;
            }
            match self.upcoming() {
                Next::Block(block) => self.course = Some(Course::new(block)),
                Next::Over(met) => {
                    self.over = true;
                    if !met {
                        self.hits.clear();
                    }
                    self.tally.close();
                }
            }
        }
        None
    }

    /// Takes the reply to what was given last.
    pub fn heard(&mut self, incoming: Incoming) {
        let Some(mut course) = self.course.take() else {
            return;
        };
        match incoming {
            Incoming::Http(response) => self.take(&mut course, &response),
            Incoming::Other(heard) => self.take_heard(&mut course, &heard),
            Incoming::Callbacks(contacts) => self.take_contacts(&mut course, &contacts),
            Incoming::Nothing => course.give_up(),
        }
        self.course = Some(course);
    }

    /// Ends it, and says what it came to.
    pub fn finish(mut self) -> (Vec<Hit>, Tally) {
        if !self.over {
            // Cut short: what is not certain is not said.
            let flow = self.template.flow.is_some();
            if flow {
                self.hits.clear();
            }
            self.tally.close();
        }
        (self.hits, self.tally)
    }

    /// The hits so far, when they are certain already: a flow's are at its end.
    pub fn certain_hits(&self) -> &[Hit] {
        if self.template.flow.is_some() && !self.over {
            &[]
        } else {
            &self.hits
        }
    }

    /// The block and the draft of the request whose reply is awaited, each from 0.
    pub fn place(&self) -> Option<(usize, usize)> {
        self.course.as_ref().map(|course| (course.block, course.position))
    }

    /// What a text stands for at this moment.
    pub fn read(&self, text: &str) -> Filled {
        let course = self.course.as_ref();
        let view = View {
            payloads: course.map_or(&[][..], |course| course.payloads.as_slice()),
            called: course.map(|course| &course.called),
            ..View::of(&self.known)
        };
        fill(text.as_bytes(), &scene(&view, &self.kit, self.now))
    }

    /// The block that comes next.
    fn upcoming(&self) -> Next {
        match &self.template.flow {
            Some(_) if self.results.len() >= BLOCKS_LIMIT => Next::Over(false),
            Some(flow) => flow.next(&self.results),
            None if self.template.stop_at_first_match && !self.hits.is_empty() => Next::Over(true),
            None if self.results.len() < self.template.blocks.len() => Next::Block(self.results.len()),
            None => Next::Over(true),
        }
    }

    /// What variables stand for; those that name what is not known yet stay open.
    fn define_variables(&mut self) {
        for (name, text) in &self.template.variables {
            let filled = {
                let view = View::of(&self.known);
                fill(text.as_bytes(), &scene(&view, &self.kit, self.now))
            };
            match filled.unknown {
                None => self.known.set(name, filled.text.into()),
                Some(_) => self.known.open(name, text),
            }
        }
    }

    fn unsendable(&mut self, why: Unsendable) {
        self.tally.tried += 1;
        match self.tally.unsendable.iter_mut().find(|(found, _)| *found == why) {
            Some((_, count)) => *count += 1,
            None => self.tally.unsendable.push((why, 1)),
        }
    }
}

/// Fills a text in which nothing but a site's names is known, for those who feed it at random.
pub fn fill_alone(bytes: &[u8]) -> Vec<u8> {
    let Ok(site) = crate::web::Site::parse("http://192.0.2.7/") else {
        return Vec::new();
    };
    let known = Known::new(Arc::new(Base::new(site)), 1, None);
    fill(bytes, &scene(&View::of(&known), &Kit::new(1), 0)).text
}

/// Runs a template of every kind of matcher and extractor against one reply, for those who feed it at random.
pub fn judge_alone(body: &[u8]) -> Vec<Hit> {
    let template = super::form::parse_alone(EVERYTHING.as_bytes());
    let (Some(template), Ok(site)) = (template, crate::web::Site::parse("http://192.0.2.7/")) else {
        return Vec::new();
    };
    let mut run = Run::new(Arc::new(template), Arc::new(Base::new(site)), &Setting::default());
    while run.outgoing().is_some() {
        let text = String::from_utf8_lossy(body).into_owned();
        run.heard(Incoming::Http(Arc::new(Response {
            status: 200,
            headers: vec![
                ("Content-Type".to_owned(), "text/html".to_owned()),
                ("X-Said".to_owned(), text),
            ],
            body: body.to_vec(),
            whole: crate::web::response::Whole::Yes,
            took: std::time::Duration::ZERO,
        })));
    }
    run.finish().0
}

const EVERYTHING: &str = include_str!("run/everything.yaml");

fn salt(id: &str) -> u64 {
    let digest = Digest::of(id.as_bytes());
    u64::from_le_bytes(digest.0.first_chunk().copied().unwrap_or_default())
}

fn scene<'a>(view: &'a View<'a>, kit: &'a Kit, now: i64) -> Scene<'a> {
    Scene {
        names: view,
        kit,
        now,
    }
}

/// One template sends no more, whatever its payloads.
const REQUESTS_LIMIT: u64 = 20_000;
/// A flow runs no more blocks.
const BLOCKS_LIMIT: usize = 256;

#[cfg(test)]
mod tests;
