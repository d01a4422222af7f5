//! A goal, what was measured, and whether that meets it.

use std::fmt;

use serde::Serialize;

use super::amount::Amount;

/// One measured goal, as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figure {
    goal: String,
    ours: f64,
    /// What a peer needs; none where there is no sensible one.
    peer: Option<f64>,
    unit: &'static str,
    holds: bool,
}

impl Figure {
    /// The goal is a limit.
    pub(super) fn at_most(limit: Amount, what: &str, ours: Amount) -> Self {
        Self {
            goal: format!("{what}: {limit} or less"),
            ours: ours.value(),
            peer: None,
            unit: ours.unit(),
            holds: ours <= limit,
        }
    }

    /// The goal is to reach an amount.
    pub(super) fn at_least(limit: Amount, what: &str, ours: Amount) -> Self {
        Self {
            goal: format!("{what}: {limit} or more"),
            ours: ours.value(),
            peer: None,
            unit: ours.unit(),
            holds: ours >= limit,
        }
    }

    /// The goal is to need no more than the peer.
    pub(super) fn no_more_than(peer: Amount, what: &str, ours: Amount) -> Self {
        Self::judged(what, ours, peer, ours <= peer)
    }

    /// The goal is more than a comparison of the two amounts.
    pub(super) fn judged(what: &str, ours: Amount, peer: Amount, holds: bool) -> Self {
        Self {
            goal: what.to_owned(),
            ours: ours.value(),
            peer: Some(peer.value()),
            unit: ours.unit(),
            holds,
        }
    }

    /// What a peer needs, where the goal is a limit.
    pub(super) fn beside(mut self, peer: Amount) -> Self {
        self.peer = Some(peer.value());
        self
    }
}

/// The figures of all groups, for people.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<(&'static str, Figure)>);

impl Table {
    pub(super) fn add(&mut self, group: &'static str, figures: Vec<Figure>) {
        self.0.extend(figures.into_iter().map(|figure| (group, figure)));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .0
            .iter()
            .map(|(_, figure)| figure.goal.len())
            .max()
            .unwrap_or_default();
        writeln!(
            f,
            "{:8}  {:width$}  {:>10}  {:>10}  {:5}  HOLDS",
            "GROUP", "GOAL", "OURS", "PEER", "UNIT"
        )?;
        for (group, figure) in &self.0 {
            let peer = figure
                .peer
                .map_or_else(|| "-".to_owned(), |peer| format!("{peer:.2}"));
            let holds = if figure.holds { "yes" } else { "NO" };
            writeln!(
                f,
                "{group:8}  {:width$}  {:>10.2}  {peer:>10}  {:5}  {holds}",
                figure.goal, figure.ours, figure.unit
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_limit_that_is_met_exactly_is_met() {
        let of = |bytes| {
            Figure::at_most(
                Amount::megabytes(32_000_000),
                "root image",
                Amount::megabytes(bytes),
            )
        };
        assert!(of(32_000_000).holds);
        assert!(!of(32_000_001).holds);
        assert_eq!(of(1).goal, "root image: 32 MB or less");
    }

    #[test]
    fn a_figure_is_written_with_the_documented_names() {
        let seconds = |seconds| Amount::seconds(Duration::from_secs(seconds));
        let figure = Figure::no_more_than(seconds(3), "scan", seconds(2));
        assert_eq!(
            serde_json::to_value(figure).unwrap(),
            serde_json::json!({"goal": "scan", "ours": 2.0, "peer": 3.0, "unit": "s", "holds": true})
        );
    }
}
