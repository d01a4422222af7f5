//! How a run of templates ended: what was loaded, run and left out, by name; what was sent and what was not. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use vedette_protocol::{
    Report,
    finding::{Coverage, Effort, Outcome},
};

use super::{
    form::FormError,
    http::Unsendable,
    library::{Library, RefusedWhy},
    run::Tally,
};
use crate::web::report::Why;

/// The end of a run of templates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TemplatesReport {
    /// Whether everything that was planned was done.
    pub outcome: Outcome,
    /// The templates.
    pub templates: Counts,
    /// Their requests.
    pub requests: Requests,
    /// Templates that ask for what is not done, each with what.
    pub unsupported: Vec<LeftOut>,
    /// Files that are no templates, each with why.
    pub malformed: Vec<LeftOut>,
    /// Templates that could have been run and were not, or not to their end, each with why.
    pub not_run: Vec<LeftOut>,
    /// Duration in seconds.
    pub seconds: f64,
}

/// How many templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Files that were found.
    pub found: u64,
    /// Templates that were understood.
    pub loaded: u64,
    /// Templates that were run to their end.
    pub run: u64,
    /// Templates that hit.
    pub hit: u64,
}

/// Requests: planned is sent, shared and unsent together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// So many were to be sent.
    pub planned: u64,
    /// So many were sent and answered.
    pub sent: u64,
    /// So many were answered by the reply to the same request of another template.
    pub shared: u64,
    /// The rest, by why.
    pub unsent: BTreeMap<&'static str, u64>,
}

/// A template that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its id, or its path.
    pub template: String,
    /// Why.
    pub why: String,
}

/// The books of a run.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) counts: Counts,
    pub(super) requests: Requests,
    pub(super) not_run: Vec<LeftOut>,
    gaps: u64,
}

impl Books {
    /// Adds what one run came to. `answered` and `shared` are the wire's count of what was sent.
    pub(super) fn add(&mut self, tally: &Tally, wire: &WireTally) {
        let requests = &mut self.requests;
        requests.planned = requests.planned.saturating_add(tally.planned);
        requests.sent += wire.answered;
        requests.shared += wire.shared;
        for (why, count) in &tally.unsendable {
            *requests.unsent.entry(unsendable(why)).or_default() += count;
        }
        let not_needed = requests.unsent.entry("not-needed").or_default();
        *not_needed = not_needed.saturating_add(tally.not_needed);
        let too_many = requests.unsent.entry("too-many-for-one-template").or_default();
        *too_many = too_many.saturating_add(tally.too_many);
        self.gaps = self.gaps.saturating_add(tally.too_many);
        for (why, count) in &wire.failed {
            *requests.unsent.entry(unanswered(*why)).or_default() += count;
            self.gaps += count;
        }
    }

    pub(super) fn close(mut self, library: &Library, took: Duration) -> TemplatesReport {
        self.requests.unsent.retain(|_, count| *count > 0);
        let (mut unsupported, mut malformed) = (Vec::new(), Vec::new());
        for refused in &library.refused {
            let left_out = LeftOut {
                template: refused.path.clone(),
                why: crate::causes::one_line(&refused.why),
            };
            match &refused.why {
                RefusedWhy::Form(FormError::Unsupported(feature)) => unsupported.push(LeftOut {
                    why: feature.to_string(),
                    ..left_out
                }),
                _ => malformed.push(left_out),
            }
        }
        let whole =
            self.gaps == 0 && self.not_run.is_empty() && malformed.is_empty() && unsupported.is_empty();
        TemplatesReport {
            outcome: if whole {
                Outcome::Complete
            } else {
                Outcome::Partial
            },
            templates: Counts {
                found: (library.templates.len() + library.refused.len()) as u64,
                loaded: library.templates.len() as u64,
                ..self.counts
            },
            requests: self.requests,
            unsupported,
            malformed,
            not_run: self.not_run,
            seconds: took.as_secs_f64(),
        }
    }
}

/// What the wire did for one run.
#[derive(Debug, Default)]
pub(super) struct WireTally {
    pub(super) answered: u64,
    pub(super) shared: u64,
    pub(super) failed: BTreeMap<Why, u64>,
}

fn unsendable(why: &Unsendable) -> &'static str {
    match why {
        Unsendable::Unknown(_) => "names-something-unknown",
        Unsendable::Elsewhere => "to-another-server",
        Unsendable::Malformed => "no-request",
    }
}

fn unanswered(why: Why) -> &'static str {
    match why {
        Why::Time => "time",
        Why::Requests => "request-budget",
        Why::SiteDied => "site-died",
        Why::TooSlow => "too-slow",
        Why::NotHttp => "answer-is-not-http",
        _ => "no-answer",
    }
}

impl TemplatesReport {
    /// The report in the words of the whole engine.
    pub fn in_short(&self) -> Report {
        let requests = self.requests.sent;
        let effort = Effort {
            requests,
            seconds: self.seconds,
            ..Effort::default()
        };
        let coverage = Coverage {
            hosts: 1,
            hosts_answering: u64::from(requests > 0),
            checks: self.templates.found,
            checks_done: self.templates.run,
            ..Coverage::default()
        };
        let left = self.templates.found - self.templates.run;
        let unanswered = match self.outcome {
            Outcome::Complete => 0,
            Outcome::Partial => left.max(1),
        };
        Report::close(effort, coverage, unanswered, Vec::new())
    }
}
