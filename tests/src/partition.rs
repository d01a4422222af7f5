//! A partition of an appliance's disk, seen from outside.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::Disk;
use crate::programs::output_of;

/// Where a partition lies on a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    pub start: u64,
    pub size: u64,
}

impl Partition {
    /// The partition with this name on a raw image.
    pub fn named(name: &str, raw: &Path) -> Result<Self> {
        let table = output_of(Command::new("sfdisk").arg("--json").arg(raw))?;
        let table: Value = serde_json::from_str(&table).context("reading what sfdisk printed")?;
        let partitions = table["partitiontable"]["partitions"].as_array();
        let partition = partitions
            .into_iter()
            .flatten()
            .find(|partition| partition["name"] == name)
            .with_context(|| format!("{} has no partition {name}", raw.display()))?;
        let bytes = |key: &str| Some(partition[key].as_u64()? * SECTOR);
        Ok(Self {
            start: bytes("start").context("a partition begins somewhere")?,
            size: bytes("size").context("a partition has a size")?,
        })
    }

    /// Its first sectors on the disk of a machine, which may be running.
    pub fn first_sectors(self, disk: &Disk, count: u64) -> Result<Vec<u8>> {
        let out = disk.path().with_extension("sectors");
        let mut dd = Command::new("qemu-img");
        dd.args(["dd", "-U", "-f", "qcow2", "-O", "raw"])
            .arg(format!("bs={SECTOR}"))
            .arg(format!("skip={}", self.start / SECTOR))
            // Counted from the beginning of the disk, whatever is skipped.
            .arg(format!("count={}", self.start / SECTOR + count))
            .arg(format!("if={}", disk.path().display()))
            .arg(format!("of={}", out.display()));
        output_of(&mut dd)?;
        std::fs::read(&out).with_context(|| format!("reading {}", out.display()))
    }
}

const SECTOR: u64 = 512;
