//! How a scan ended: complete, or partial with what went unanswered. One cannot pass for the other.

use serde::{Deserialize, Serialize};

use super::text::Host;

/// The longest duration, in seconds: 30,000 years.
const SECONDS_LIMIT: f64 = 1e12;

/// The most unanswered places that a report names; the count goes on.
pub(super) const UNANSWERED_LISTED: usize = 64;

/// The end of a scan, or of one job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "Claimed")]
pub struct Report {
    outcome: Outcome,
    unanswered: u64,
    examples: Vec<Unanswered>,
    /// What was done.
    #[serde(rename = "effort")]
    effort: Effort,
    coverage: Coverage,
}

/// A report as somebody tells it.
#[derive(Deserialize)]
struct Claimed {
    outcome: Outcome,
    unanswered: u64,
    examples: Vec<Unanswered>,
    effort: Effort,
    coverage: Coverage,
}

/// A report that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It says complete, and names a gap; or the other way round.
    #[error("the report's outcome does not follow from its numbers")]
    Outcome,
    /// No scan takes such a time, or no probability is such a number.
    #[error("the report's `seconds` or `miss_probability` is out of range")]
    Effort,
}

impl TryFrom<Claimed> for Report {
    type Error = ReportError;

    fn try_from(claimed: Claimed) -> Result<Self, ReportError> {
        // Neither range holds NaN, which JSON could not say again.
        let possible = (0.0..=SECONDS_LIMIT).contains(&claimed.effort.seconds)
            && (0.0..=1.0).contains(&claimed.effort.miss_probability);
        if !possible {
            return Err(ReportError::Effort);
        }
        let report = Self::close(
            claimed.effort,
            claimed.coverage,
            claimed.unanswered,
            claimed.examples,
        );
        if report.outcome == claimed.outcome {
            Ok(report)
        } else {
            Err(ReportError::Outcome)
        }
    }
}

/// Whether everything that was planned was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every probe was answered, or its silence is an answer.
    Complete,
    /// Some were not.
    Partial,
}

/// A place of which nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Unanswered {
    /// The host.
    pub target: Host,
    /// The port.
    pub port: Option<u16>,
}

/// What a scan cost, and how likely it missed something.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Effort {
    /// Requests above TCP, as HTTP requests.
    pub requests: u64,
    /// Connections tried and packets sent by ourselves.
    pub packets: u64,
    /// Duration in seconds.
    pub seconds: f64,
    /// Estimated probability that an open port was missed, 0 to 1.
    pub miss_probability: f64,
}

/// What was looked at, of what was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Coverage {
    /// Hosts in scope.
    pub hosts: u64,
    /// Hosts of which something answered.
    pub hosts_answering: u64,
    /// Pairs of host and port that were planned.
    pub ports: u64,
    /// Pairs of which the state is known.
    pub ports_known: u64,
    /// Checks above the port scan that were planned.
    pub checks: u64,
    /// Those that came to an end.
    pub checks_done: u64,
    /// Of the pairs, those that were asked by connecting: where no frames could be sent, or none were wanted.
    #[serde(default)]
    pub ports_by_connect: u64,
}

impl Report {
    /// Closes the books: partial if anything went unanswered or coverage falls short of the plan.
    pub fn close(effort: Effort, coverage: Coverage, unanswered: u64, mut examples: Vec<Unanswered>) -> Self {
        let whole = unanswered == 0
            && coverage.ports == coverage.ports_known
            && coverage.checks == coverage.checks_done;
        examples.truncate(UNANSWERED_LISTED);
        let outcome = if whole {
            Outcome::Complete
        } else {
            Outcome::Partial
        };
        Self {
            outcome,
            unanswered,
            examples,
            effort,
            coverage,
        }
    }

    /// Whether it is complete.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// How many probes went unanswered.
    pub fn unanswered(&self) -> u64 {
        self.unanswered
    }

    /// Some of the places that they went to.
    pub fn examples(&self) -> &[Unanswered] {
        &self.examples
    }

    /// What was done.
    pub fn effort(&self) -> &Effort {
        &self.effort
    }

    /// What was looked at.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The report of two parts of one scan, run side by side or one after the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (a, b) = (self.effort, other.effort);
        let effort = Effort {
            requests: a.requests.saturating_add(b.requests),
            packets: a.packets.saturating_add(b.packets),
            seconds: (a.seconds + b.seconds).min(SECONDS_LIMIT),
            miss_probability: 1.0 - (1.0 - a.miss_probability) * (1.0 - b.miss_probability),
        };
        let (a, b) = (self.coverage, other.coverage);
        let coverage = Coverage {
            hosts: a.hosts.saturating_add(b.hosts),
            hosts_answering: a.hosts_answering.saturating_add(b.hosts_answering),
            ports: a.ports.saturating_add(b.ports),
            ports_known: a.ports_known.saturating_add(b.ports_known),
            checks: a.checks.saturating_add(b.checks),
            checks_done: a.checks_done.saturating_add(b.checks_done),
            ports_by_connect: a.ports_by_connect.saturating_add(b.ports_by_connect),
        };
        let unanswered = self.unanswered.saturating_add(other.unanswered);
        Self::close(
            effort,
            coverage,
            unanswered,
            [self.examples, other.examples].concat(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_scan_with_a_gap_is_partial() {
        let coverage = Coverage {
            ports: 10,
            ports_known: 9,
            ..Coverage::default()
        };
        assert_eq!(
            Report::close(Effort::default(), coverage, 0, vec![]).outcome(),
            Outcome::Partial
        );
        let whole = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
        assert_eq!(whole.outcome(), Outcome::Complete);
        let both = whole
            .clone()
            .and(Report::close(Effort::default(), coverage, 1, vec![]));
        assert_eq!((both.outcome(), both.unanswered()), (Outcome::Partial, 1));
    }

    #[test]
    fn a_report_that_contradicts_itself_is_none() {
        let told = |change: &dyn Fn(&mut Report)| {
            let mut report = Report::close(Effort::default(), Coverage::default(), 0, vec![]);
            change(&mut report);
            codec::decode::<Report>(&codec::encode(&report))
        };
        assert!(told(&|_| {}).is_ok());
        assert!(told(&|report| report.unanswered = 1).is_err());
        assert!(told(&|report| report.outcome = Outcome::Partial).is_err());
        assert!(told(&|report| report.coverage.ports = 1).is_err());
        for number in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(
                told(&|report| report.effort.seconds = number).is_err(),
                "{number}"
            );
            assert!(
                told(&|report| report.effort.miss_probability = number).is_err(),
                "{number}"
            );
        }
        let place = Unanswered {
            target: "192.0.2.1".parse().unwrap(),
            port: None,
        };
        let long = told(&|report| {
            report.unanswered = 1000;
            report.outcome = Outcome::Partial;
            report.examples = vec![place.clone(); 1000];
        });
        assert_eq!(long.unwrap().examples.len(), UNANSWERED_LISTED);
    }
}
