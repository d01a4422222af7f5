//! Maps the root partition through dm-verity: each block is checked when it is read, and a wrong one panics the kernel.

use std::path::{Path, PathBuf};

use vedette_sys::dm::{Access, Mapper, MapperError, Target};

use super::cmdline::RootPins;

/// Name of the mapped root.
pub const NAME: &str = "vroot";
/// Bytes in a block of data and of hashes.
pub const BLOCK: u64 = 4096;
const SECTOR: u64 = 512;

/// Why the root was not mapped.
#[derive(Debug, thiserror::Error)]
pub enum VerityError {
    #[error("mapping {} for verification", partition.display())]
    Map { partition: PathBuf, source: MapperError },
}

/// The device node of the verified root.
pub fn map(pins: &RootPins, partition: &Path) -> Result<PathBuf, VerityError> {
    let map = || -> Result<PathBuf, MapperError> {
        let mapper = Mapper::open()?;
        mapper.create(NAME)?;
        mapper.load(NAME, &[target(pins, partition)], Access::ReadOnly)?;
        Ok(mapper.resume(NAME)?.path())
    };
    map().map_err(|source| VerityError::Map {
        partition: partition.to_owned(),
        source,
    })
}

/// The table, as the kernel's documentation of dm-verity has it: the tree starts right after the data, without a
/// superblock, on the same partition.
fn target(pins: &RootPins, partition: &Path) -> Target {
    let RootPins {
        slot: _,
        hash,
        salt,
        blocks,
    } = pins;
    let device = partition.display();
    Target {
        start: 0,
        sectors: blocks * (BLOCK / SECTOR),
        kind: "verity".to_owned(),
        parameters: format!(
            "1 {device} {device} {BLOCK} {BLOCK} {blocks} {blocks} sha256 {hash} {salt} 1 panic_on_corruption"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::cmdline::{Hex, Slot};

    #[test]
    fn the_table_covers_the_data_and_panics_on_corruption() {
        let hash = "ab".repeat(32);
        let salt = "cd".repeat(32);
        let pins = RootPins {
            slot: Slot::A,
            hash: Hex::parse(&hash).unwrap(),
            salt: Hex::parse(&salt).unwrap(),
            blocks: 100,
        };
        let target = target(&pins, Path::new("/dev/vda2"));
        assert_eq!(target.sectors, 800);
        assert_eq!(
            target.parameters,
            format!("1 /dev/vda2 /dev/vda2 4096 4096 100 100 sha256 {hash} {salt} 1 panic_on_corruption")
        );
    }
}
