//! `[probe]`: what a test adds to an image, which is marked as a test's for good.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Additions of a test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Probe {
    /// Built from the workspace like `[programs] ours`, into /usr/lib/vedette.
    pub programs: Vec<String>,
    /// Unit files, started with the default target.
    pub units: Vec<PathBuf>,
    /// Any other file.
    pub files: Vec<ProbeFile>,
    /// More words on the kernel command line.
    pub parameters: Vec<String>,
}

/// A file of a test and its place in the root.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeFile {
    pub from: PathBuf,
    pub to: PathBuf,
}

impl Probe {
    pub(super) fn relative_to(mut self, folder: &Path) -> Self {
        let files = self.files.iter_mut().map(|file| &mut file.from);
        for path in self.units.iter_mut().chain(files) {
            *path = folder.join(&*path);
        }
        self
    }
}
