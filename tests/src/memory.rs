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
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::lab::Machine;

pub use self::forms::forms;
pub use self::volume::{Ciphertext, VolumeKey};

/// All of a machine's memory at one moment.
pub struct Memory {
    bytes: Vec<u8>,
    /// The parts that are not all zero, which most of a machine's memory is. Each goes on a little into the zeros, in
    /// case that what is looked for ends in one.
    written: Vec<Range<usize>>,
}

impl Memory {
    /// Other bytes to be searched like it.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let mut pages = bytes.chunks(PAGE).enumerate();
        let mut written = Vec::new();
        while let Some((first, _)) = pages.find(|(_, page)| !is_zero(page)) {
            let end = pages
                .find(|(_, page)| is_zero(page))
                .map_or(bytes.len(), |(end, _)| end * PAGE + PAGE);
            written.push(first * PAGE..end.min(bytes.len()));
        }
        Self { bytes, written }
    }

    /// Reads what `Qmp::save_memory` wrote.
    pub fn read(dump: &Path) -> Result<Self> {
        let bytes = fs::read(dump).with_context(|| format!("reading {}", dump.display()))?;
        Ok(Self::of_bytes(bytes))
    }

    /// All of a machine's memory now, and what is made of it while the machine stands still.
    pub fn of_machine<T>(
        machine: &Machine,
        dir: &Path,
        meanwhile: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<(Self, T)> {
        let dump = dir.join("memory");
        let mut qmp = machine.qmp()?;
        qmp.stop()?;
        qmp.save_memory(&dump)?;
        let memory = Self::read(&dump)?;
        fs::remove_file(&dump).with_context(|| format!("removing {}", dump.display()))?;
        let made = meanwhile(&memory);
        qmp.cont()?;
        Ok((memory, made?))
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
        Ok(Self::of_bytes(bytes))
    }

    /// How many times a secret is in it, in any of its [`forms`].
    pub fn count_forms(&self, secret: &str) -> usize {
        self.count_any(&forms(secret))
    }

    /// How many times any of these is in it.
    pub fn count_any(&self, all: &[Vec<u8>]) -> usize {
        all.iter().map(|bytes| self.count(bytes)).sum()
    }

    /// How many times these bytes are in it.
    pub fn count(&self, bytes: &[u8]) -> usize {
        // Most bytes of a memory are zero: what is skipped to is another one.
        let Some(at) = bytes.iter().position(|&byte| byte != 0) else {
            return 0;
        };
        let (before, first, after) = (&bytes[..at], bytes[at], &bytes[at + 1..]);
        self.written()
            .map(|written| {
                let (mut found, mut rest) = (0, written);
                // Of the ways to look for a byte this is the fastest, even in a build that is not optimised.
                while rest.skip_until(first).is_ok_and(|skipped| skipped > 0) {
                    let (seen, next) = written.split_at(written.len() - rest.len());
                    let is_it = seen.last() == Some(&first)
                        && seen[..seen.len() - 1].ends_with(before)
                        && next.starts_with(after);
                    found += usize::from(is_it);
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

    fn written(&self) -> impl Iterator<Item = &[u8]> {
        self.written
            .iter()
            .filter_map(|range| self.bytes.get(range.clone()))
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
        let mut bytes = vec![0; 5 * PAGE];
        assert_eq!(Memory::of_bytes(bytes.clone()).count(b"ab"), 0);
        // At the ends, across pages, twice in one page.
        for at in [0, PAGE - 1, 3 * PAGE + 7, 3 * PAGE + 9, 5 * PAGE - 2] {
            bytes[at..at + 2].copy_from_slice(b"ab");
        }
        let memory = Memory::of_bytes(bytes);
        assert_eq!(memory.count(b"ab"), 5);
        assert_eq!(memory.count(b"aba"), 1);
        assert_eq!(memory.count(b"b\0\0"), 3);
        assert_eq!(memory.count(b"\0\0a"), 3);
    }
}
