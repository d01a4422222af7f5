//! What the vault has opened and is not known to be told of.

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

    /// All entries.
    pub fn all(&self) -> Vec<Opening> {
        self.entries().clone()
    }

    /// Takes one out that was told of.
    pub fn told(&self, opening: &Opening) {
        let mut entries = self.entries();
        if let Some(at) = entries.iter().position(|entry| entry == opening) {
            entries.remove(at);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Opening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many times what is opened between two polls.
const LIMIT: usize = 256;
