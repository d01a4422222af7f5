//! A folder of databases, read once when a scan begins.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Database, DatabaseError, Examples, Recog};

/// Fingerprints could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder cannot be listed.
    #[error("listing {}: name a folder of recog's XML files", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no database in it.
    #[error("no .xml file in {}: name a folder of recog's XML files", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is more of it than is taken.
    #[error("{} goes beyond the bound of {limit} {what}: remove what is not needed", path.display())]
    TooMuch {
        /// The file or folder.
        path: PathBuf,
        /// Of what.
        what: &'static str,
        /// How much is taken.
        limit: u64,
    },
    /// A file is not what it should be.
    #[error("loading fingerprints from {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DatabaseError,
    },
}

impl Recog {
    /// Loads every `.xml` file of a folder.
    ///
    /// # Errors
    /// The first file that cannot be used: fingerprints are never loaded in part.
    pub fn load(folder: &Path, examples: Examples) -> Result<Self, LoadError> {
        let unlisted = |source| LoadError::Folder {
            path: folder.to_owned(),
            source,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(unlisted)? {
            let path = entry.map_err(unlisted)?.path();
            if path.extension().is_some_and(|extension| extension == "xml") {
                files.push(path);
            }
            if files.len() > FILES_LIMIT {
                return Err(too_much(folder, "files", FILES_LIMIT as u64));
            }
        }
        if files.is_empty() {
            return Err(LoadError::Empty {
                path: folder.to_owned(),
            });
        }
        // By name, so that databases of equal rank are asked in the same order everywhere.
        files.sort();
        let mut databases = Vec::new();
        let mut size = 0;
        for path in files {
            let database = load(&path, examples)?;
            size += database.size();
            if size > PATTERNS_LIMIT {
                return Err(too_much(
                    folder,
                    "bytes of compiled patterns",
                    PATTERNS_LIMIT as u64,
                ));
            }
            databases.push(database);
        }
        Ok(Self::of(databases))
    }
}

fn load(path: &Path, examples: Examples) -> Result<Database, LoadError> {
    let unread = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(unread)?
        .take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(unread)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(too_much(path, "bytes", FILE_LIMIT));
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let beside = path.with_extension("");
    let database =
        Database::parse(&bytes, examples, Some(&beside)).map_err(|source| LoadError::Database {
            path: path.to_owned(),
            source,
        })?;
    Ok(database.named(&name))
}

fn too_much(path: &Path, what: &'static str, limit: u64) -> LoadError {
    LoadError::TooMuch {
        path: path.to_owned(),
        what,
        limit,
    }
}

const FILES_LIMIT: usize = 512;
/// Of one file; recog's largest has half a megabyte.
const FILE_LIMIT: u64 = 8 * 1024 * 1024;
/// Of all compiled patterns, in bytes.
const PATTERNS_LIMIT: usize = 128 * 1024 * 1024;
