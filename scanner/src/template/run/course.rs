//! One block under way: its requests in turn, each reply judged, redirects followed.

use std::sync::Arc;

use super::{
    super::{
        dsl::value::Text,
        event::{Contact, HttpEvent},
        expression::fill,
        http::{Draft, Follow, HttpBlock},
        network::NetworkBlock,
        operators::{Judgement, Operators},
        payload::Payloads,
    },
    Block, Conversation, Event, Hit, HttpRequest, Run, View, scene,
};
use crate::web::response::Response;

/// Where a block is.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) block: usize,
    combination: u64,
    draft: usize,
    /// Which of several extracted values is used, where all are.
    turn: usize,
    pub(super) payloads: Vec<(String, Text)>,
    /// Replies to this combination's requests, by the number of their draft.
    history: Vec<Option<Arc<Event>>>,
    /// Drafts that are sent once and have been.
    sent_once: Vec<usize>,
    /// The draft of the request whose reply is awaited.
    pub(super) position: usize,
    /// The request whose reply is awaited.
    awaited: Option<HttpRequest>,
    /// Redirects that may still be followed.
    redirects: u32,
    /// The conversation that is awaited.
    held: Option<Conversation>,
    /// Where the reply leads on to.
    onward: Option<HttpRequest>,
    /// Responses of the same request before its redirects.
    chain: Vec<Arc<Event>>,
    hit: bool,
    answered: bool,
    done: bool,
}

/// Which earlier replies a reply is judged with.
#[derive(Debug, Clone, Copy)]
enum Memory {
    None,
    /// Those to a block of so many requests.
    Of(usize),
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
        while !course.done && !self.tally.is_full() && course.combination < block.payloads.count() {
            if course.draft == 0 && course.turn == 0 {
                course.history.clear();
                course.payloads = self.payloads_of(&block.payloads, course.combination);
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

    fn payloads_of(&self, lists: &Payloads, combination: u64) -> Vec<(String, Text)> {
        let mut payloads: Vec<(String, Text)> = Vec::new();
        for (name, value) in lists.combination(combination) {
            let filled = {
                let view = View {
                    payloads: &payloads,
                    ..View::of(&self.known)
                };
                fill(value.as_bytes(), &scene(&view, &self.kit, self.now))
            };
            payloads.push((name.to_owned(), filled.text.into()));
        }
        payloads
    }

    /// Takes a response: follows it, or judges it and those that led to it.
    pub(super) fn take(&mut self, course: &mut Course, response: &Arc<Response>, contacts: Vec<Contact>) {
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
            contacts,
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

    /// The last response first, then those whose redirects led to it.
    fn judge(&mut self, course: &mut Course, block: &HttpBlock, request: &HttpRequest) {
        let chain = std::mem::take(&mut course.chain);
        let Some(last) = chain.last().cloned() else { return };
        course
            .history
            .resize(course.history.len().max(course.position + 1), None);
        course.history[course.position] = Some(last.clone());
        self.keep(course.block, last);
        let memory = if block.remembers {
            Memory::Of(block.drafts.len())
        } else {
            Memory::None
        };
        for event in chain.iter().rev() {
            let judgement = self.judgement(course, &block.operators, memory, event);
            for (name, values) in judgement.learned {
                self.known.learn(name, values);
            }
            course.hit |= judgement.hit;
            if !judgement.hit {
                continue;
            }
            if !judgement.internal {
                self.note(&judgement.names, &request.method, request.path());
            }
            course.done |= block.stop_at_first_match || self.template.stop_at_first_match;
            break;
        }
    }

    fn judgement(&self, course: &Course, operators: &Operators, memory: Memory, event: &Event) -> Judgement {
        // What is extracted from a reply may be named by the matchers of the same reply.
        let mut view = View {
            event: Some(event),
            history: match memory {
                Memory::None => &[],
                Memory::Of(_) => &course.history,
            },
            drafts: match memory {
                Memory::None => usize::MAX,
                Memory::Of(drafts) => drafts,
            },
            payloads: &course.payloads,
            ..View::of(&self.known)
        };
        let mut payloads = course.payloads.clone();
        for (name, text) in self.known.still_open() {
            let filled = fill(text.as_bytes(), &scene(&view, &self.kit, self.now));
            if filled.unknown.is_none() {
                payloads.push((name.clone(), filled.text.into()));
            }
        }
        view.payloads = &payloads;
        let judgement = operators.extract(&scene(&view, &self.kit, self.now));
        let mut payloads = payloads.clone();
        for (name, values) in &judgement.learned {
            if let Some(value) = values.first() {
                payloads.insert(0, (name.clone(), value.clone()));
            }
        }
        let view = View {
            payloads: &payloads,
            ..view
        };
        operators.judge(&scene(&view, &self.kit, self.now), judgement)
    }

    fn note(&mut self, names: &[String], method: &str, path: &str) {
        let matchers: Vec<Option<&String>> = match names {
            [] => vec![None],
            names => names.iter().map(Some).collect(),
        };
        for matcher in matchers {
            let hit = Hit {
                matcher: matcher.cloned(),
                method: method.to_owned(),
                path: path.to_owned(),
            };
            if self.hits.len() < HITS_LIMIT && !self.hits.contains(&hit) {
                self.hits.push(hit);
            }
        }
    }

    /// The next conversation of a block; none when it is through.
    pub(super) fn conversation(&mut self, course: &mut Course) -> Option<Conversation> {
        let template = self.template.clone();
        let Some(Block::Network(block)) = template.blocks.get(course.block) else {
            return None;
        };
        while !course.done && !self.tally.is_full() && course.combination < block.payloads.count() {
            if course.draft == 0 {
                course.payloads = self.payloads_of(&block.payloads, course.combination);
            }
            if course.draft >= block.hosts.len() {
                course.draft = 0;
                course.combination += 1;
                continue;
            }
            let host = course.draft;
            course.draft += 1;
            let held = {
                let view = View {
                    payloads: &course.payloads,
                    ..View::of(&self.known)
                };
                block.conversation(host, &scene(&view, &self.kit, self.now), &self.base)
            };
            match held {
                Ok(conversation) => {
                    course.position = host;
                    course.held = Some(conversation.clone());
                    return Some(conversation);
                }
                Err(why) => self.unsendable(why),
            }
        }
        None
    }

    /// Takes what was heard in a conversation, and judges it.
    pub(super) fn take_heard(&mut self, course: &mut Course, heard: &[Vec<u8>]) {
        let template = self.template.clone();
        let Some(Block::Network(block)) = template.blocks.get(course.block) else {
            return;
        };
        let Some(conversation) = course.held.take() else {
            return;
        };
        course.answered = true;
        self.judge_heard(course, block, &conversation, heard);
    }

    fn judge_heard(
        &mut self,
        course: &mut Course,
        block: &NetworkBlock,
        conversation: &Conversation,
        heard: &[Vec<u8>],
    ) {
        let event = Arc::new(block.event(conversation, heard, &self.base));
        self.keep(course.block, event.clone());
        let judgement = self.judgement(course, &block.operators, Memory::None, &event);
        for (name, values) in judgement.learned {
            self.known.learn(name, values);
        }
        course.hit |= judgement.hit;
        if judgement.hit && !judgement.internal {
            self.note(&judgement.names, "TCP", "/");
        }
        course.done |= judgement.hit && (block.stop_at_first_match || self.template.stop_at_first_match);
    }

    /// Keeps a reply under its block's name, as `http_2`: blocks are counted by protocol.
    fn keep(&mut self, block: usize, event: Arc<Event>) {
        let blocks = &self.template.blocks;
        let Some(protocol) = blocks.get(block).map(Block::protocol) else {
            return;
        };
        let number = blocks[..=block]
            .iter()
            .filter(|block| block.protocol() == protocol)
            .count();
        self.known.keep(format!("{protocol}_{number}"), event);
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
    let texts: Vec<&str> = match draft {
        Draft::Raw { text, .. } => vec![text],
        Draft::Url {
            url, headers, body, ..
        } => headers
            .iter()
            .map(|(_, value)| value.as_str())
            .chain([url.as_str(), body.as_str()])
            .collect(),
    };
    texts
        .into_iter()
        .flat_map(super::super::expression::inner)
        .map(str::trim)
        .collect()
}

const TURNS_LIMIT: usize = 64;
const HITS_LIMIT: usize = 64;
