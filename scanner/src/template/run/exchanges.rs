//! Blocks outside of HTTP under way: their exchanges in turn, with each combination of payloads.

use std::sync::Arc;

use super::{Exchange, Heard, Run, View, course::Course, known::Called, scene};

impl Run {
    /// The next exchange of a block; none when it is through.
    pub(super) fn exchange(&mut self, course: &mut Course) -> Option<Exchange> {
        let template = self.template.clone();
        let block = template.blocks.get(course.block)?;
        while !course.done && !self.tally.is_full() && course.combination < block.payloads().count() {
            if course.draft == 0 {
                course.called = Called::default();
                course.payloads = self.payloads_of(block.payloads(), course.combination, &course.called);
            }
            let number = course.draft;
            let drawn_up = {
                let view = View {
                    payloads: &course.payloads,
                    called: Some(&course.called),
                    ..View::of(&self.known)
                };
                block.exchange(number, &scene(&view, &self.kit, self.now), &self.base)
            };
            match drawn_up {
                None => {
                    course.draft = 0;
                    course.combination += 1;
                }
                Some(Ok(exchange)) => {
                    course.draft += 1;
                    course.position = number;
                    course.held = Some(exchange.clone());
                    return Some(exchange);
                }
                Some(Err(why)) => {
                    course.draft += 1;
                    self.unsendable(why);
                }
            }
        }
        None
    }

    /// Takes what was heard in an exchange, and judges it.
    pub(super) fn take_heard(&mut self, course: &mut Course, heard: &Heard) {
        let template = self.template.clone();
        let Some(block) = template.blocks.get(course.block) else {
            return;
        };
        let event = course
            .held
            .take()
            .and_then(|exchange| block.event(&exchange, heard, &self.base, self.now));
        let Some(event) = event.map(Arc::new) else {
            return;
        };
        course.answered = true;
        self.keep(course.block, event.clone());
        let view = View {
            event: Some(&event),
            payloads: &course.payloads,
            called: Some(&course.called),
            ..View::of(&self.known)
        };
        let judgement = self.judgement(block.operators(), view);
        let is_hit = self.take_judgement(course, judgement, (&block.protocol().to_ascii_uppercase(), "/"));
        course.done |= is_hit && block.stops_at_first_match();
    }
}
