//! Replies judged: the last first, with what earlier ones brought, and what later ones are to know kept.

use std::sync::Arc;

use super::{
    super::{
        dsl::value::Text,
        expression::fill,
        http::HttpBlock,
        operators::{Judgement, Operators},
    },
    Block, Event, Hit, HttpRequest, Run, View,
    course::Course,
    known::Called,
    scene,
};

/// The reply to a request, and all that it is judged by.
#[derive(Debug)]
pub(super) struct Answered {
    method: String,
    path: String,
    /// The address of ours that the request names.
    pub(super) called: Called,
    /// The response, behind those whose redirects led to it.
    pub(super) chain: Vec<Arc<Event>>,
    history: Vec<Option<Arc<Event>>>,
    /// How many requests the block has, where their replies are judged together.
    drafts: usize,
    payloads: Vec<(String, Text)>,
}

impl Answered {
    /// About what it takes to keep it, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.chain.iter().map(|event| event.weight()).sum()
    }
}

impl Run {
    /// Judges a response and those whose redirects led to it.
    pub(super) fn judge(&mut self, course: &mut Course, block: &HttpBlock, request: &HttpRequest) {
        let chain = std::mem::take(&mut course.chain);
        let Some(last) = chain.last().cloned() else { return };
        course
            .history
            .resize(course.history.len().max(course.position + 1), None);
        course.history[course.position] = Some(last.clone());
        self.keep(course.block, last);
        let (history, drafts) = match block.remembers {
            true => (course.history.clone(), block.drafts.len()),
            false => (Vec::new(), usize::MAX),
        };
        let answered = Answered {
            method: request.method.clone(),
            path: request.path().to_owned(),
            called: course.called.clone(),
            chain,
            history,
            drafts,
            payloads: course.payloads.clone(),
        };
        self.judge_answered(course, block, &answered);
        if self.template.calls_back.is_told_by_contacts() && !course.done {
            course.pending.push(answered);
        }
    }

    /// Judges it by what is known by now: the last response first, then those whose redirects led to it.
    pub(super) fn judge_answered(&mut self, course: &mut Course, block: &HttpBlock, answered: &Answered) {
        for event in answered.chain.iter().rev() {
            let view = View {
                event: Some(event),
                history: &answered.history,
                drafts: answered.drafts,
                payloads: &answered.payloads,
                called: Some(&answered.called),
                ..View::of(&self.known)
            };
            let judgement = self.judgement(&block.operators, view);
            if self.take_judgement(course, judgement, (&answered.method, &answered.path)) {
                course.done |= block.stop_at_first_match;
                break;
            }
        }
    }

    /// What the operators of a block make of a reply.
    pub(super) fn judgement(&self, operators: &Operators, view: View<'_>) -> Judgement {
        // What is extracted from a reply may be named by the matchers of the same reply.
        let mut payloads = view.payloads.to_vec();
        for (name, text) in self.known.still_open() {
            let filled = fill(text.as_bytes(), &scene(&view, &self.kit, self.now));
            if filled.unknown.is_none() {
                payloads.push((name.clone(), filled.text.into()));
            }
        }
        let view = View {
            payloads: &payloads,
            ..view
        };
        let judgement = operators.extract(&scene(&view, &self.kit, self.now));
        let first = |(name, values): &(String, Vec<Text>)| Some((name.clone(), values.first()?.clone()));
        let learned: Vec<(String, Text)> = judgement.learned.iter().rev().filter_map(first).collect();
        let view = View {
            learned: &learned,
            ..view
        };
        operators.judge(&scene(&view, &self.kit, self.now), judgement)
    }

    /// Keeps what was learned, and notes a hit at its method and path; whether it is one.
    pub(super) fn take_judgement(
        &mut self,
        course: &mut Course,
        judgement: Judgement,
        (method, path): (&str, &str),
    ) -> bool {
        for (name, values) in judgement.learned {
            self.known.learn(name, values);
        }
        course.hit |= judgement.hit;
        if judgement.hit && !judgement.internal {
            self.note(&judgement.names, method, path);
        }
        course.done |= judgement.hit && self.template.stop_at_first_match;
        judgement.hit
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

    /// Keeps a reply under its block's name, as `http_2`: blocks are counted by protocol.
    pub(super) fn keep(&mut self, block: usize, event: Arc<Event>) {
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
}

const HITS_LIMIT: usize = 64;
