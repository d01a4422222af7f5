//! Where figures are written for programs: `bench/GROUP.json` in cargo's target directory.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::figure::Figure;
use crate::programs::target;

/// Writes the figures of a group.
pub(super) fn write(group: &str, figures: &[Figure]) -> Result<()> {
    let path = path(group);
    let mut text = serde_json::to_string_pretty(figures)?;
    text.push('\n');
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("writing {}", path.display()))
}

/// Removes what an earlier run wrote.
pub(super) fn remove(group: &str) -> Result<()> {
    let path = path(group);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn path(group: &str) -> PathBuf {
    target().join("bench").join(format!("{group}.json"))
}
