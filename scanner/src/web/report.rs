//! How a scan of a site ended: what was planned, what was done, what was not and why. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
pub use vedette_protocol::finding::{WebGap as Why, WebPart as What};
use vedette_protocol::{
    Report,
    finding::{Coverage, Effort, Evidence, Outcome},
};

/// The end of a scan of a site.
/// By default of a site of which nothing was planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WebReport {
    /// Whether everything that was planned was done.
    pub outcome: Outcome,
    /// Requests to look for pages with.
    pub pages: Tally,
    /// Places that nothing leads to and that were asked for.
    pub places: Tally,
    /// Pages with scripts, and views of them, that a browser was to render.
    pub rendered: Tally,
    /// Inputs of all requests that were found.
    pub inputs: u64,
    /// Pairs of an input and a class of test.
    pub tests: Tally,
    /// Pairs that an earlier run of the same scan had tested, beside those that were planned.
    pub earlier: u64,
    /// Of those that showed nothing, those in which the target was to come to an address of ours.
    pub callbacks: Tally,
    /// Why that could not be heard, if it could not.
    #[serde(rename = "callbacks_not_available", skip_serializing_if = "Option::is_none")]
    pub no_callbacks: Option<String>,
    /// HTTP requests sent.
    pub requests: u64,
    /// Duration in seconds.
    pub seconds: f64,
    /// What was not done, and why.
    pub not_done: Vec<NotDone>,
}

/// What was planned and what was done of it; the rest is in [`WebReport::not_done`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// So many were to be done.
    pub planned: u64,
    /// So many were.
    pub done: u64,
}

/// Something that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotDone {
    /// What.
    pub what: What,
    /// Why.
    pub why: Why,
    /// How many.
    pub count: u64,
}

/// The books of a scan.
#[derive(Debug, Default)]
pub(crate) struct WebBooks {
    pub(crate) pages: Tally,
    pub(crate) places: Tally,
    pub(crate) rendered: Tally,
    pub(crate) tests: Tally,
    pub(crate) inputs: u64,
    pub(crate) callbacks: Tally,
    pub(crate) earlier: u64,
    pub(crate) no_callbacks: Option<String>,
    not_done: BTreeMap<(What, Why), u64>,
}

impl WebBooks {
    pub(crate) fn not_done(&mut self, what: What, why: Why, count: u64) {
        if count > 0 {
            *self.not_done.entry((what, why)).or_default() += count;
        }
    }

    pub(crate) fn close(self, requests: u64, took: Duration) -> WebReport {
        let not_done: Vec<NotDone> = self
            .not_done
            .into_iter()
            .map(|((what, why), count)| NotDone { what, why, count })
            .collect();
        let whole = not_done.iter().all(|gap| gap.why.is_as_it_should_be());
        WebReport {
            outcome: if whole {
                Outcome::Complete
            } else {
                Outcome::Partial
            },
            pages: self.pages,
            places: self.places,
            rendered: self.rendered,
            inputs: self.inputs,
            tests: self.tests,
            earlier: self.earlier,
            callbacks: self.callbacks,
            no_callbacks: self.no_callbacks,
            requests,
            seconds: took.as_secs_f64(),
            not_done,
        }
    }
}

impl Default for WebReport {
    fn default() -> Self {
        WebBooks::default().close(0, Duration::ZERO)
    }
}

impl WebReport {
    /// Writes that something was not done.
    pub fn lacks(&mut self, what: What, why: Why, count: u64) {
        if count > 0 {
            self.not_done.push(NotDone { what, why, count });
        }
        if !why.is_as_it_should_be() {
            self.outcome = Outcome::Partial;
        }
    }

    /// The report as facts of a finding.
    pub fn evidence(&self) -> Vec<Evidence> {
        let coverage = Evidence::WebCoverage {
            pages: self.pages.done + self.places.done,
            pages_planned: self.pages.planned + self.places.planned,
            inputs: self.inputs,
            tests: self.tests.done,
            tests_planned: self.tests.planned,
            requests: self.requests,
        };
        let gap = |&NotDone { what, why, count }: &NotDone| Evidence::WebNotDone { what, why, count };
        std::iter::once(coverage)
            .chain(self.not_done.iter().map(gap))
            .collect()
    }

    /// The report in the words of the whole engine.
    pub fn in_short(&self) -> Report {
        self.of_hosts(1, self.seconds)
    }

    /// As [`Self::in_short`], of a host and a time that another report counts.
    pub(crate) fn in_short_beside_another(&self) -> Report {
        self.of_hosts(0, 0.0)
    }

    fn of_hosts(&self, hosts: u64, seconds: f64) -> Report {
        let effort = Effort {
            requests: self.requests,
            seconds,
            ..Effort::default()
        };
        let gaps = self
            .not_done
            .iter()
            .filter(|gap| !gap.why.is_as_it_should_be())
            .map(|gap| gap.count);
        let coverage = Coverage {
            hosts,
            hosts_answering: u64::from(self.pages.done > 0).min(hosts),
            checks: self.pages.planned
                + self.places.planned
                + self.rendered.planned
                + self.tests.planned
                + self.callbacks.planned,
            checks_done: self.pages.done
                + self.places.done
                + self.rendered.done
                + self.tests.done
                + self.callbacks.done,
            ..Coverage::default()
        };
        let left_out = coverage.checks - coverage.checks_done;
        let meant: u64 = self
            .not_done
            .iter()
            .filter(|gap| gap.why.is_as_it_should_be())
            .filter(|gap| {
                matches!(
                    gap.what,
                    What::Page | What::Place | What::Test | What::Callback | What::Rendering
                )
            })
            .map(|gap| gap.count)
            .sum();
        let checks = coverage.checks - left_out.min(meant);
        Report::close(effort, Coverage { checks, ..coverage }, gaps.sum(), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_pages(pages: Tally) -> WebBooks {
        WebBooks {
            pages,
            ..WebBooks::default()
        }
    }

    #[test]
    fn what_is_planned_is_done_or_said_to_be_undone() {
        let mut books = of_pages(Tally { planned: 10, done: 7 });
        books.not_done(What::Page, Why::Elsewhere, 2);
        books.not_done(What::Page, Why::EndsSession, 1);
        let report = books.close(7, Duration::from_secs(1));
        assert_eq!(report.outcome, Outcome::Complete);
        assert_eq!(report.in_short().outcome(), Outcome::Complete);
        let mut books = of_pages(Tally { planned: 2, done: 1 });
        books.not_done(What::Page, Why::Time, 1);
        let report = books.close(1, Duration::from_secs(1));
        assert_eq!(report.outcome, Outcome::Partial);
        assert_eq!(report.in_short().outcome(), Outcome::Partial);
        assert_eq!(report.in_short().unanswered(), 1);
    }
}
