//! A machine's memory, searched from outside the way a thief of a memory image would.
//!
//! It finds the keys of an encrypted volume without any help of the appliance: AES keys lie in memory as their key
//! schedules, which have a form of their own (Halderman et al., "Lest We Remember", 2008), and the ciphertext on the
//! disk tells which of them opens the volume.

mod forms;
mod schedule;
mod volume;

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::lab::Machine;

pub use self::forms::forms;
pub use self::volume::{Ciphertext, VolumeKey};

/// All of a machine's memory at one moment.
pub struct Memory(Vec<u8>);

impl Memory {
    /// Reads what `Qmp::save_memory` wrote.
    pub fn read(dump: &Path) -> Result<Self> {
        let bytes = fs::read(dump).with_context(|| format!("reading {}", dump.display()))?;
        Ok(Self(bytes))
    }

    /// All of a machine's memory now, and what is read of it elsewhere while it stands still.
    pub fn of_machine<T>(
        machine: &Machine,
        dir: &Path,
        meanwhile: impl FnOnce() -> Result<T>,
    ) -> Result<(Self, T)> {
        let dump = dir.join("memory");
        let mut qmp = machine.qmp()?;
        qmp.stop()?;
        qmp.save_memory(&dump)?;
        let read = meanwhile();
        qmp.cont()?;
        let memory = Self::read(&dump)?;
        fs::remove_file(&dump).with_context(|| format!("removing {}", dump.display()))?;
        Ok((memory, read?))
    }

    /// What a process of this machine can write to, from outside (proc_pid_mem(5)).
    pub fn of_process(id: u32) -> Result<Self> {
        let maps = fs::read_to_string(format!("/proc/{id}/maps")).context("reading a process's maps")?;
        let memory = fs::File::open(format!("/proc/{id}/mem")).context("opening a process's memory")?;
        let mut bytes = Vec::new();
        for line in maps.lines() {
            let Some((range, rest)) = line.split_once(' ') else {
                continue;
            };
            let bound = |text: &str| u64::from_str_radix(text, 16);
            let (Some((first, end)), true) = (range.split_once('-'), rest.starts_with("rw")) else {
                continue;
            };
            let (first, end) = (bound(first)?, bound(end)?);
            let mut part = vec![0; usize::try_from(end - first)?];
            // What is only reserved cannot be read.
            if memory.read_exact_at(&mut part, first).is_ok() {
                bytes.append(&mut part);
            }
        }
        Ok(Self(bytes))
    }

    /// How many times a secret is in it, in any of its [`forms`].
    pub fn count_forms(&self, secret: &str) -> usize {
        forms(secret).iter().map(|form| self.count(form)).sum()
    }

    /// How many times these bytes are in it.
    pub fn count(&self, bytes: &[u8]) -> usize {
        let Some((&first, _)) = bytes.split_first() else {
            return 0;
        };
        self.written()
            .map(|mut rest| {
                let mut found = 0;
                // Of the ways to look for a byte this is the fastest, even in a build that is not optimised.
                while rest.skip_until(first).is_ok_and(|skipped| skipped > 0) {
                    found += usize::from(rest.starts_with(&bytes[1..]));
                }
                found
            })
            .sum()
    }

    /// The keys of all AES-256 key schedules in it, each once.
    pub fn aes_keys(&self) -> Vec<[u8; 32]> {
        let mut keys = Vec::new();
        for written in self.written() {
            schedule::find(written, &mut keys);
        }
        keys
    }

    /// The key that opens this volume, if it is there.
    pub fn key_of(&self, volume: &Ciphertext) -> Option<VolumeKey> {
        volume.key_among(&self.aes_keys())
    }

    /// The parts that are not all zero, which most of a machine's memory is. Each goes on a little into the zeros, in
    /// case that what is looked for ends in one.
    fn written(&self) -> impl Iterator<Item = &[u8]> {
        let mut pages = self.0.chunks(PAGE).enumerate();
        std::iter::from_fn(move || {
            let (first, _) = pages.find(|(_, page)| !is_zero(page))?;
            let end = pages
                .find(|(_, page)| is_zero(page))
                .map_or(self.0.len(), |(end, _)| end * PAGE + PAGE);
            self.0.get(first * PAGE..end)
        })
    }
}

fn is_zero(page: &[u8]) -> bool {
    page == &ZEROS[..page.len()]
}

const PAGE: usize = 4096;
static ZEROS: [u8; PAGE] = [0; PAGE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_wherever_they_are() {
        let mut memory = Memory(vec![0; 5 * PAGE]);
        assert_eq!(memory.count(b"ab"), 0);
        // At the ends, across pages, twice in one page.
        for at in [0, PAGE - 1, 3 * PAGE + 7, 3 * PAGE + 9, 5 * PAGE - 2] {
            memory.0[at..at + 2].copy_from_slice(b"ab");
        }
        assert_eq!(memory.count(b"ab"), 5);
        assert_eq!(memory.count(b"aba"), 1);
        assert_eq!(memory.count(b"b\0\0"), 3);
    }
}
