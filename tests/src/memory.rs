//! A machine's memory, searched from outside the way a thief of a memory image would.
//!
//! It finds the keys of an encrypted volume without any help of the appliance: AES keys lie in memory as their key
//! schedules, which have a form of their own (Halderman et al., "Lest We Remember", 2008), and the ciphertext on the
//! disk tells which of them opens the volume.

mod schedule;
mod volume;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use self::volume::{Ciphertext, VolumeKey};

/// All of a machine's memory at one moment.
pub struct Memory(Vec<u8>);

impl Memory {
    /// Reads what `Qmp::save_memory` wrote.
    pub fn read(dump: &Path) -> Result<Self> {
        let bytes = fs::read(dump).with_context(|| format!("reading {}", dump.display()))?;
        Ok(Self(bytes))
    }

    /// How many times these bytes are in it.
    pub fn count(&self, bytes: &[u8]) -> usize {
        let Some(&first) = bytes.first() else { return 0 };
        let mut found = 0;
        let mut rest = self.0.as_slice();
        while let Some(at) = rest.iter().position(|&byte| byte == first) {
            found += usize::from(rest.get(at..at + bytes.len()) == Some(bytes));
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        found
    }

    /// The keys of all AES-256 key schedules in it, each once.
    pub fn aes_keys(&self) -> Vec<[u8; 32]> {
        schedule::keys(&self.0)
    }

    /// The key that opens this volume, if it is there.
    pub fn key_of(&self, volume: &Ciphertext) -> Option<VolumeKey> {
        volume.key_among(&self.aes_keys())
    }
}
