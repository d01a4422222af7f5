//! How much a scan may ask for.

use std::{str::FromStr, time::Duration};

/// Bounds on one scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests in all.
    pub requests: u64,
    /// Requests while looking for pages.
    pub pages: usize,
    /// Links from the start.
    pub depth: usize,
    /// Time in all.
    pub time: Duration,
    /// Requests in a second; none: as fast as the site answers.
    pub rate: Option<u32>,
    /// How long one answer may take.
    pub patience: Duration,
    /// Requests under way at once.
    pub at_once: usize,
    /// Pages and views that a browser renders.
    pub rendered: usize,
    /// How long it may take over one of them.
    pub page_time: Duration,
    /// Bytes of the requests that are remembered.
    pub held: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            requests: 200_000,
            pages: 2000,
            depth: 12,
            time: Duration::from_secs(4 * 3600),
            rate: None,
            patience: Duration::from_secs(15),
            at_once: 8,
            rendered: 200,
            page_time: Duration::from_secs(60),
            held: 128 << 20,
        }
    }
}

/// Text that is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no budget; write one or more of requests=N, pages=N, depth=N, time=SECONDS, rate=N, patience=SECONDS, \
     at-once=N, rendered=N, page-time=SECONDS with commas between, each N a whole number above 0"
)]
pub struct ParseBudgetError(String);

impl FromStr for Budget {
    type Err = ParseBudgetError;

    fn from_str(text: &str) -> Result<Self, ParseBudgetError> {
        let wrong = || ParseBudgetError(text.chars().take(128).collect());
        let mut budget = Self::default();
        for part in text.split(',') {
            let (name, number) = part.split_once('=').ok_or_else(wrong)?;
            let number: u32 = number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(wrong)?;
            let count = usize::try_from(number).map_err(|_| wrong())?;
            match name {
                "requests" => budget.requests = number.into(),
                "pages" => budget.pages = count,
                "depth" => budget.depth = count,
                "time" => budget.time = Duration::from_secs(number.into()),
                "rate" => budget.rate = Some(number),
                "patience" => budget.patience = Duration::from_secs(number.into()),
                "rendered" => budget.rendered = count,
                "page-time" => budget.page_time = Duration::from_secs(number.into()),
                "at-once" => budget.at_once = count.min(MOST_AT_ONCE),
                _ => return Err(wrong()),
            }
        }
        Ok(budget)
    }
}

/// With what is kept of each answer, this is the bound on memory.
const MOST_AT_ONCE: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_read_or_its_error_says_how_to_write_it() {
        let budget: Budget = "requests=500,rate=20".parse().unwrap();
        assert_eq!((budget.requests, budget.rate), (500, Some(20)));
        for wrong in ["", "requests", "requests=0", "requests=-1", "money=3"] {
            let error = wrong.parse::<Budget>().unwrap_err().to_string();
            assert!(error.contains("requests=N"), "{error}");
        }
    }
}
