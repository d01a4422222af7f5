//! The programs of `tests/measure`, and what they print.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::programs::output_of;

pub(super) const MEASURE: &str = "vedette-measure";
pub(super) const ENGINE: &str = "vedette-measure-engine";
pub(super) const WIPING: &str = "vedette-measure-engine-wiping";

/// What one printed, by name.
pub(super) type Told = BTreeMap<String, f64>;

pub(super) fn told(command: &mut Command) -> Result<Told> {
    let text = output_of(command)?;
    serde_json::from_str(&text).with_context(|| format!("reading what was measured: {text}"))
}

pub(super) fn amount(told: &Told, name: &str) -> Result<f64> {
    let amount = told.get(name).copied();
    amount.with_context(|| format!("{name} was not measured: {told:?}"))
}

pub(super) fn seconds(command: &mut Command) -> Result<Duration> {
    let seconds = amount(&told(command)?, "seconds")?;
    Duration::try_from_secs_f64(seconds).context("reading what was measured")
}
