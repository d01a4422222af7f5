//! What the vault has opened and has not told of yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vedette_protocol::vault::{Opening, VaultRefusal};

/// The entries, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Opening>>>);

impl Ledger {
    /// Enters an opening.
    ///
    /// # Errors
    /// When so many wait to be told of that nobody seems to ask: then nothing more is opened.
    pub fn enter(&self, opening: Opening) -> Result<(), VaultRefusal> {
        let mut entries = self.entries();
        if entries.len() >= LIMIT {
            return Err(VaultRefusal::Unreported);
        }
        entries.push(opening);
        Ok(())
    }

    /// Takes all entries out.
    pub fn take(&self) -> Vec<Opening> {
        std::mem::take(&mut *self.entries())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Opening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many times what is opened between two polls.
const LIMIT: usize = 256;
