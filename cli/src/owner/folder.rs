//! The folder where the owner's things are: files that only their owner reads, replaced as a whole, on disk when said
//! to be.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

/// More than any file in it has, in bytes.
const LONGEST: u64 = 1 << 20;

/// A folder that is this user's alone.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
}

/// While it is held, no other process changes the folder.
#[derive(Debug)]
pub(crate) struct Held {
    _lock: File,
}

/// What to make of a folder that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    IsDamage,
    /// An older version of this program had none.
    IsEmpty,
}

impl Folder {
    /// The folder, which must be there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                bail!(
                    "there is no owner key in {}; `vedette owner init` makes one, --owner-dir names another folder",
                    path.display()
                )
            }
            Err(error) => return Err(error).context(format!("looking at {}", path.display())),
        };
        // Whoever else can write to it could put an older epoch or another name into it.
        ensure!(
            metadata.is_dir()
                && metadata.permissions().mode() & 0o077 == 0
                && metadata.uid() == rustix::process::geteuid().as_raw(),
            "{} is not yours alone; it must be a folder of yours with mode 0700",
            path.display()
        );
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Makes it, with these folders in it.
    pub(crate) fn create(path: &Path, folders: &[&str]) -> Result<Self> {
        let folder = Self {
            path: path.to_owned(),
        };
        for dir in [path.to_owned()]
            .into_iter()
            .chain(folders.iter().map(|name| path.join(name)))
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&dir)
                .with_context(|| format!("making {}", dir.display()))?;
        }
        Self::open(path)?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps other processes from changing it, and this one from changing what another is at.
    pub(crate) fn hold(&self) -> Result<Held> {
        let lock = File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).with_context(|| {
            format!(
                "another vedette works in {}; wait until it is done",
                self.path.display()
            )
        })?;
        Ok(Held { _lock: lock })
    }

    /// A file's text, which must be there.
    pub(crate) fn read(&self, name: &str) -> Result<String> {
        self.find(name)?.with_context(|| {
            format!(
                "{} is missing; take it from a backup",
                self.path.join(name).display()
            )
        })
    }

    /// A file's text, if it is there.
    pub(crate) fn find(&self, name: &str) -> Result<Option<String>> {
        let path = self.path.join(name);
        let mut text = String::new();
        match File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context(format!("reading {}", path.display())),
        }
        ensure!(
            text.len() as u64 <= LONGEST,
            "{} has more than {LONGEST} bytes",
            path.display()
        );
        Ok(Some(text))
    }

    /// Makes a folder in it, where an older version of this program made none.
    pub(crate) fn add(&self, folder: &str) -> Result<()> {
        let path = self.path.join(folder);
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).context(format!("making {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The names in one of its folders, in order; none in one that is not there, where `missing` says so.
    pub(crate) fn names(&self, folder: &str, missing: Missing) -> Result<Vec<String>> {
        let path = self.path.join(folder);
        let listing = || format!("listing {}; take it from a backup", path.display());
        let mut names = Vec::new();
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && missing == Missing::IsEmpty => {
                return Ok(names);
            }
            entries => entries.with_context(listing)?,
        };
        for entry in entries {
            let name = entry.with_context(listing)?.file_name();
            let name = name.to_string_lossy().into_owned();
            // What a crash left of a file that was being replaced.
            if !name.ends_with(NEW) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// Replaces a file as a whole.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path.join(name);
        let new = self.path.join(format!("{name}{NEW}"));
        let write = || -> io::Result<()> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            path.parent()
                .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Takes a file out, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context(format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// A folder beside it, emptied.
    pub(crate) fn beside(&self, folders: &[&str]) -> Result<Self> {
        let mut name = self
            .path
            .file_name()
            .context("the owner's folder has a name")?
            .to_owned();
        name.push(NEW);
        let path = self.path.with_file_name(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context(format!("removing {}", path.display()))
            }
            _ => Self::create(&path, folders),
        }
    }

    /// Takes the place of `other` in one step, and destroys what was there.
    pub(crate) fn replace(self, other: &Self) -> Result<()> {
        renameat_with(CWD, &self.path, CWD, &other.path, RenameFlags::EXCHANGE).with_context(|| {
            format!(
                "putting {} in the place of {}",
                self.path.display(),
                other.path.display()
            )
        })?;
        fs::remove_dir_all(&self.path).with_context(|| format!("removing {}", self.path.display()))
    }
}

/// The end of the name of what is not complete yet.
const NEW: &str = ".new";
