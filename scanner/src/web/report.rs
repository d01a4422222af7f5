//! How a scan of a site ended: what was planned, what was done, what was not and why. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use vedette_protocol::{
    Report,
    finding::{Coverage, Effort, Outcome},
};

/// The end of a scan of a site.
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

/// What a scan consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A request that might lead to more.
    Page,
    /// A place that nothing leads to.
    Place,
    /// A class of test at an input.
    Test,
    /// Logging in.
    Login,
    /// The rest of a page that was read in part.
    RestOfPage,
    /// Reading the description of an API.
    Description,
    /// Comparing what two users are shown.
    Access,
    /// Having the target come to an address of ours, by a class at an input.
    Callback,
    /// Letting the scripts of a page run, to see what they make of it.
    Rendering,
    /// A request that a script would make, or a button that would be pressed.
    Call,
    /// Removing what the scan has left on the site.
    Removal,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It leads to another server: not in the grant.
    Elsewhere,
    /// It would end the session.
    EndsSession,
    /// The budget of requests was used up.
    Requests,
    /// The budget of pages was used up.
    Pages,
    /// It lies deeper than the budget.
    Depth,
    /// Time was up.
    Time,
    /// The scan was told to stop.
    Stopped,
    /// The site stopped answering altogether.
    SiteDied,
    /// The answer did not come in time.
    TooSlow,
    /// No connection, or one that broke without an answer.
    NoAnswer,
    /// What came is not HTTP.
    NotHttp,
    /// The bound on what is kept of one answer.
    TooLarge,
    /// The login was not accepted.
    LoginFailed,
    /// The session died again and again.
    SessionLost,
    /// It came to no end within the requests that a class may use for an input.
    TestBudget,
    /// What came describes no API.
    NoDescription,
    /// An operation that is described in another document, or one too many.
    Undescribed,
    /// There is no second user to compare with.
    NoSecondLogin,
    /// Nobody hears whether the target comes.
    NoListener,
    /// All addresses of ours were given out.
    NoAddressLeft,
    /// The target comes to addresses that it was never told.
    SweepsPorts,
    /// No browser was given.
    NoBrowser,
    /// The browser did not start, or was broken too often.
    BrowserFailed,
    /// The page came to no end in its time, or broke its browser.
    Restless,
    /// It would take something away.
    Destructive,
    /// Attempts to log in are limited.
    LoginLimited,
    /// The site removes it for nobody who asks as we do.
    Kept,
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

impl Why {
    /// Whether leaving it out is what was asked for.
    fn is_as_it_should_be(self) -> bool {
        matches!(
            self,
            Self::Elsewhere
                | Self::EndsSession
                | Self::NoSecondLogin
                | Self::NoListener
                | Self::NoBrowser
                | Self::Destructive
                | Self::Kept
        )
    }
}

impl WebReport {
    /// The report in the words of the whole engine.
    pub fn in_short(&self) -> Report {
        let effort = Effort {
            requests: self.requests,
            seconds: self.seconds,
            ..Effort::default()
        };
        let gaps = self
            .not_done
            .iter()
            .filter(|gap| !gap.why.is_as_it_should_be())
            .map(|gap| gap.count);
        let coverage = Coverage {
            hosts: 1,
            hosts_answering: u64::from(self.pages.done > 0),
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
