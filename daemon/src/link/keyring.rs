//! The file keys of jobs, as the vault lends them: in this memory while files of theirs are written or read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tracing::warn;
use vedette_crypto::file::FileKey;
use vedette_protocol::{JobId, vault::FileKind};

use super::keeper::AskError;
use crate::journal::chain;

/// Who has the keys.
pub trait Lender: Send + Sync {
    /// The key of a job's files of this kind, made if there is none.
    ///
    /// # Errors
    /// When there is nobody to lend it.
    fn lend(&self, job: JobId, kind: FileKind) -> Result<FileKey, AskError>;

    /// Forgets it.
    ///
    /// # Errors
    /// When it was not forgotten.
    fn forget(&self, job: JobId, kind: FileKind) -> Result<(), AskError>;
}

/// The keys at hand.
pub struct Keyring {
    lender: Arc<dyn Lender>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    keys: BTreeMap<(JobId, FileKind), Arc<FileKey>>,
    /// To be forgotten by the lender, too, who has not said yet that it did.
    leaving: BTreeSet<(JobId, FileKind)>,
}

impl Keyring {
    /// With keys of this lender's.
    pub fn of(lender: Arc<dyn Lender>) -> Self {
        Self {
            lender,
            held: Mutex::default(),
        }
    }

    /// Gets what a job needs before anything of it may be written.
    ///
    /// # Errors
    /// When it is not lent: the job cannot be done.
    pub fn begin(&self, job: JobId) -> Result<(), AskError> {
        for kind in [FileKind::Temporary, FileKind::Results] {
            self.key(job, kind)?;
        }
        Ok(())
    }

    /// The key of a job's files of this kind.
    ///
    /// # Errors
    /// When it is not at hand, and not lent.
    pub fn key(&self, job: JobId, kind: FileKind) -> Result<Arc<FileKey>, AskError> {
        let mut held = self.held();
        if let Some(key) = held.keys.get(&(job, kind)) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.lender.lend(job, kind)?);
        held.leaving.remove(&(job, kind));
        held.keys.insert((job, kind), key.clone());
        Ok(key)
    }

    /// Forgets that key, here at once. A lender who does not answer now is told the next time.
    pub fn forget(&self, job: JobId, kind: FileKind) {
        let mut held = self.held();
        held.keys.remove(&(job, kind));
        held.leaving.insert((job, kind));
        held.leaving
            .retain(|(job, kind)| match self.lender.forget(*job, *kind) {
                Ok(()) => false,
                Err(error) => {
                    warn!(%job, ?kind, error = chain(&error), "a file key is not forgotten yet");
                    true
                }
            });
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.held().keys.len())
    }
}
