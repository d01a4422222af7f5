//! Files that are written for the operator: new ones alone, so that none is lost, readable by its owner alone.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

/// A file that was not there.
pub(crate) fn new(path: &Path) -> Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => anyhow!(
                "{} exists already; name a file that does not exist yet",
                path.display()
            ),
            _ => anyhow::Error::new(error).context(format!("making {}", path.display())),
        })
}

/// A file that was not there, with this text, on disk.
pub(crate) fn create(path: &Path, text: &str) -> Result<()> {
    let mut file = new(path)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("writing {}", path.display()))
}
