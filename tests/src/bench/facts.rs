//! What the image builder says of what it built, for programs.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::lab::Image;

/// `facts.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Facts {
    /// The kernel's release, as `uname -r` prints it.
    pub(super) kernel: String,
    /// The root file system with its verity tree.
    pub(super) root_bytes: u64,
    /// The whole disk, packed.
    pub(super) packed_bytes: u64,
}

impl Facts {
    pub(super) fn of(image: &Image) -> Result<Self> {
        let path = image.raw().with_file_name("facts.json");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))
    }
}
