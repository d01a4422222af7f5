//! The data directory: where everything that the platform keeps stands, readable by its owner alone.
//!
//! ```text
//! settings.toml     what was fixed by `init`: the URL
//! master.key        32 bytes; wraps everything in keystore/
//! keystore/         the platform's own keys, and one wrapping key for each appliance
//! tls/              root.pem, and chain.pem and key.pem, which may be replaced by the operator's own
//! platform.db       SQLite, with its -wal and -shm
//! first-login       the single-use password of the account `admin`, until it has been used
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The longest file of the directory that is read whole, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// A data directory that exists and is private.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

/// The data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// `init` was asked for a place that is taken.
    #[error("{0} exists already: give another --data, or remove it to lose all that is in it")]
    Exists(PathBuf),
    /// It is not there.
    #[error("there is no data directory {0}: make one with `vedette-platform init`")]
    Missing(PathBuf),
    /// Others could read it.
    #[error("{path} has mode {mode:03o}: others may not enter it; run `chmod 700 {path}`")]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file system failed.
    #[error("{doing} {path}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A file is longer than any that belongs there.
    #[error("{0} is longer than {FILE_LIMIT} bytes: it is not a file of this directory")]
    TooLong(PathBuf),
}

impl Directory {
    /// Makes a private directory where there is nothing yet.
    ///
    /// # Errors
    /// When something is there, or the file system refuses.
    pub fn create(path: &Path) -> Result<Self, DirectoryError> {
        make_private(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => DirectoryError::Exists(path.to_owned()),
            _ => failed("creating", path)(source),
        })?;
        let directory = Self(path.to_owned());
        for part in [directory.keystore(), directory.tls()] {
            make_private(&part).map_err(failed("creating", &part))?;
        }
        Ok(directory)
    }

    /// Takes a directory that `init` made.
    ///
    /// # Errors
    /// When it is missing or not private.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        let directory = Self(path.to_owned());
        match fs::metadata(directory.settings()) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DirectoryError::Missing(path.to_owned()));
            }
            Err(error) => return Err(failed("looking at", &directory.settings())(error)),
        }
        for part in [path, &directory.keystore()] {
            let mode = fs::metadata(part).map_err(failed("looking at", part))?.mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(DirectoryError::Open {
                    path: part.to_owned(),
                    mode,
                });
            }
        }
        Ok(directory)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What `init` fixed.
    pub fn settings(&self) -> PathBuf {
        self.0.join("settings.toml")
    }

    /// The master key.
    pub fn master_key(&self) -> PathBuf {
        self.0.join("master.key")
    }

    /// The keystore.
    pub fn keystore(&self) -> PathBuf {
        self.0.join("keystore")
    }

    /// The certificates.
    pub fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.0.join("platform.db")
    }

    /// The password of the first login.
    pub fn first_login(&self) -> PathBuf {
        self.0.join("first-login")
    }
}

/// Reads a file that must be there.
///
/// # Errors
/// When it cannot be read, or is too long to belong here.
pub fn read(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    let file = File::open(path).map_err(failed("opening", path))?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed("reading", path))?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(DirectoryError::TooLong(path.to_owned()));
    }
    Ok(bytes)
}

/// Writes a private file under its name, whole or not at all, and makes it durable.
///
/// # Errors
/// The file system's.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DirectoryError> {
    let unfinished = path.with_added_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(failed("creating", &unfinished))?;
    // The mode above counts for a new file only, and the umask may have taken from it.
    file.set_permissions(Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .map_err(failed("writing", &unfinished))?;
    fs::rename(&unfinished, path).map_err(failed("renaming to", path))?;
    sync_parent(path)
}

/// Destroys a file: overwritten in place, made durable, unlinked, made durable. Gone already is gone.
///
/// # Errors
/// The file system's; then nothing may be said to be destroyed.
pub fn destroy(path: &Path) -> Result<(), DirectoryError> {
    let mut file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return sync_parent(path),
        Err(error) => return Err(failed("opening", path)(error)),
    };
    let length = file.metadata().map_err(failed("looking at", path))?.len();
    let zeros = vec![0; usize::try_from(length.min(FILE_LIMIT)).unwrap_or_default()];
    file.write_all(&zeros)
        .and_then(|()| file.sync_all())
        .map_err(failed("overwriting", path))?;
    fs::remove_file(path).map_err(failed("removing", path))?;
    sync_parent(path)
}

fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn sync_parent(path: &Path) -> Result<(), DirectoryError> {
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("making durable", parent))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { doing, path, source }
}
