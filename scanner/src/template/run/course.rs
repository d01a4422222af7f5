//! One block under way: its requests in turn, redirects followed.

use std::sync::Arc;

use super::{
    super::{
        dsl::value::Text,
        event::HttpEvent,
        expression::fill,
        http::{Draft, Follow, HttpBlock},
        operators::Operators,
        payload::Payloads,
    },
    Block, Event, Exchange, HttpRequest, Run, View,
    judging::Answered,
    known::Called,
    scene,
};
use crate::web::response::Response;

/// Where a block is.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) block: usize,
    pub(super) combination: u64,
    pub(super) draft: usize,
    /// Which of several extracted values is used, where all are.
    turn: usize,
    pub(super) payloads: Vec<(String, Text)>,
    /// Replies to this combination's requests, by the number of their draft.
    pub(super) history: Vec<Option<Arc<Event>>>,
    /// The address of ours that the request names.
    pub(super) called: Called,
    /// Whether it stands in a payload, and so in each of the combination's requests.
    shares_address: bool,
    /// What may still be judged otherwise, when somebody comes to an address that a request names.
    pub(super) pending: Vec<Answered>,
    /// Drafts that are sent once and have been.
    sent_once: Vec<usize>,
    /// The draft of the request whose reply is awaited.
    pub(super) position: usize,
    /// The request whose reply is awaited.
    awaited: Option<HttpRequest>,
    /// Redirects that may still be followed.
    redirects: u32,
    /// The exchange that is awaited.
    pub(super) held: Option<Exchange>,
    /// Where the reply leads on to.
    onward: Option<HttpRequest>,
    /// Responses of the same request before its redirects.
    pub(super) chain: Vec<Arc<Event>>,
    pub(super) hit: bool,
    pub(super) answered: bool,
    pub(super) done: bool,
}

impl Course {
    pub(super) fn new(block: usize) -> Self {
        Self {
            block,
            combination: 0,
            draft: 0,
            turn: 0,
            payloads: Vec::new(),
            history: Vec::new(),
            called: Called::default(),
            shares_address: false,
            pending: Vec::new(),
            sent_once: Vec::new(),
            position: 0,
            awaited: None,
            redirects: 0,
            held: None,
            onward: None,
            chain: Vec::new(),
            hit: false,
            answered: false,
            done: false,
        }
    }

    /// No reply came: what is known of the request so far is all.
    pub(super) fn give_up(&mut self) {
        self.awaited = None;
        self.held = None;
        self.onward = None;
        self.chain.clear();
    }
}

impl Run {
    /// The next request of a block; none when it is through.
    pub(super) fn request(&mut self, course: &mut Course) -> Option<HttpRequest> {
        let template = self.template.clone();
        let Some(Block::Http(block)) = template.blocks.get(course.block) else {
            return None;
        };
        if let Some(onward) = course.onward.take() {
            self.tally.planned += 1;
            course.awaited = Some(onward.clone());
            return Some(onward);
        }
        while !course.done
            && !course.is_laden()
            && !self.tally.is_full()
            && course.combination < block.payloads.count()
        {
            if course.draft == 0 && course.turn == 0 {
                course.history.clear();
                course.forget_what_is_settled();
                course.called = Called::default();
                course.payloads = self.payloads_of(&block.payloads, course.combination, &course.called);
                course.shares_address = course.called.port().is_some();
            }
            let Some(draft) = block.drafts.get(course.draft) else {
                course.draft = 0;
                course.combination += 1;
                continue;
            };
            let turns = if block.iterates_all { self.turns(draft) } else { 1 };
            let (at, turn) = (course.draft, course.turn);
            course.turn += 1;
            if course.turn >= turns {
                course.turn = 0;
                course.draft += 1;
            }
            if turn > 0 {
                self.tally.planned += 1;
            }
            if matches!(draft, Draft::Raw { once: true, .. }) {
                if course.sent_once.contains(&at) {
                    continue;
                }
                course.sent_once.push(at);
            }
            if !course.shares_address {
                course.called = Called::default();
            }
            match self.draw_up(block, draft, course, turn) {
                Ok(request) => {
                    course.redirects = block.most_redirects;
                    course.chain.clear();
                    course.position = at;
                    course.awaited = Some(request.clone());
                    return Some(request);
                }
                Err(why) => self.unsendable(why),
            }
        }
        None
    }

    fn draw_up(
        &self,
        block: &HttpBlock,
        draft: &Draft,
        course: &Course,
        turn: usize,
    ) -> Result<HttpRequest, super::Unsendable> {
        let mut payloads = course.payloads.clone();
        if block.iterates_all {
            for name in names_in(draft) {
                if let Some(value) = self.known.all(name).get(turn) {
                    payloads.push((name.to_owned(), value.clone()));
                }
            }
        }
        // Variables that name payloads or what was extracted.
        for (name, text) in self.known.still_open() {
            let view = View {
                payloads: &payloads,
                history: &course.history,
                called: Some(&course.called),
                ..View::of(&self.known)
            };
            let filled = fill(text.as_bytes(), &scene(&view, &self.kit, self.now));
            if filled.unknown.is_none() {
                payloads.push((name.clone(), filled.text.into()));
            }
        }
        let view = View {
            payloads: &payloads,
            history: &course.history,
            called: Some(&course.called),
            ..View::of(&self.known)
        };
        let no_cookies = super::Cookies::default();
        let cookies = if block.keeps_cookies {
            &self.cookies
        } else {
            &no_cookies
        };
        draft.request(block, &scene(&view, &self.kit, self.now), &self.base, cookies)
    }

    /// How often a draft is sent: once for each value of a name in it that has several.
    fn turns(&self, draft: &Draft) -> usize {
        let most = names_in(draft)
            .into_iter()
            .map(|name| self.known.all(name).len())
            .max();
        most.unwrap_or(1).clamp(1, TURNS_LIMIT)
    }

    pub(super) fn payloads_of(
        &self,
        lists: &Payloads,
        combination: u64,
        called: &Called,
    ) -> Vec<(String, Text)> {
        let mut payloads: Vec<(String, Text)> = Vec::new();
        for (name, value) in lists.combination(combination) {
            let filled = {
                let view = View {
                    payloads: &payloads,
                    called: Some(called),
                    ..View::of(&self.known)
                };
                fill(value.as_bytes(), &scene(&view, &self.kit, self.now))
            };
            payloads.push((name.to_owned(), filled.text.into()));
        }
        payloads
    }

    /// Takes a response: follows it, or judges it and those that led to it.
    pub(super) fn take(&mut self, course: &mut Course, response: &Arc<Response>) {
        let template = self.template.clone();
        let Some(Block::Http(block)) = template.blocks.get(course.block) else {
            return;
        };
        let Some(request) = course.awaited.take() else {
            return;
        };
        course.answered = true;
        if block.keeps_cookies {
            self.cookies.learn(response);
        }
        let event = HttpEvent::new(
            response.clone(),
            request.bytes.clone().into(),
            self.base.root().to_owned(),
            block.size_limit,
        );
        course.chain.push(Arc::new(Event::Http(event)));
        if block.follow != Follow::Nothing
            && course.redirects > 0
            && let Some(location) = response.location()
            && let Some(onward) =
                request.followed(block, location, response.status, &self.base, &self.cookies)
        {
            course.redirects -= 1;
            course.onward = Some(onward);
            return;
        }
        self.judge(course, block, &request);
    }

    /// Ends a block: what it came to is what the flow goes by.
    pub(super) fn close(&mut self, course: Course) {
        let operators = self.template.blocks.get(course.block).map(Block::operators);
        let nothing_to_judge = operators.is_some_and(Operators::is_empty);
        self.results
            .push(course.hit || (nothing_to_judge && course.answered) || course.extracted_alone(self));
    }
}

impl Course {
    /// A block of extractors alone is content when it extracted something.
    fn extracted_alone(&self, run: &Run) -> bool {
        let Some(Block::Http(block)) = run.template.blocks.get(self.block) else {
            return false;
        };
        block.operators.matchers.is_empty()
            && block.operators.extractors.iter().any(|extractor| {
                extractor
                    .name
                    .as_deref()
                    .is_some_and(|name| !run.known.all(name).is_empty())
            })
    }
}

fn names_in(draft: &Draft) -> Vec<&str> {
    draft
        .texts()
        .into_iter()
        .flat_map(super::super::expression::inner)
        .map(str::trim)
        .collect()
}

const TURNS_LIMIT: usize = 64;
