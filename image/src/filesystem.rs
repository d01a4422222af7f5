//! The root as one file: a squashfs with the verity tree behind it, and what pins it.

use std::{
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use vedette_protocol::time::Timestamp;

use crate::{
    cache::sha256,
    init::{
        cmdline::{Hex, RootPins, Slot},
        verity::BLOCK,
    },
    tool::{MKSQUASHFS, VERITYSETUP},
};

/// What goes into a root partition.
#[derive(Debug)]
pub(crate) struct FileSystem {
    pub file: PathBuf,
    pub pins: RootPins,
    /// Of the squashfs alone.
    pub data_bytes: u64,
    /// With the tree.
    pub bytes: u64,
}

impl FileSystem {
    pub(crate) fn make(root: &Path, slot: Slot, time: Timestamp, file: PathBuf) -> anyhow::Result<Self> {
        if file.exists() {
            fs::remove_file(&file).with_context(|| format!("removing the old {}", file.display()))?;
        }
        MKSQUASHFS
            .call()?
            .args([root, &file])
            .args(["-comp", "zstd", "-Xcompression-level", "19", "-b", "64K"])
            .args([
                "-all-root",
                "-no-xattrs",
                "-no-exports",
                "-noappend",
                "-no-progress",
                "-quiet",
            ])
            // mksquashfs takes all its times from here.
            .env("SOURCE_DATE_EPOCH", time.0.to_string())
            .run()?;
        let data_bytes = pad(&file)?;
        // The salt only has to differ between images; that it follows from the data keeps the build repeatable.
        let salt = sha256(&file).with_context(|| format!("reading {}", file.display()))?;
        let said = VERITYSETUP
            .call()?
            .args(["format", "--no-superblock", "--hash", "sha256", "--salt", &salt])
            .args([
                "--data-block-size",
                &BLOCK.to_string(),
                "--hash-block-size",
                &BLOCK.to_string(),
            ])
            .args([
                "--data-blocks",
                &(data_bytes / BLOCK).to_string(),
                "--hash-offset",
                &data_bytes.to_string(),
            ])
            .args([&file, &file])
            .run()?;
        let hash = root_hash(&said).with_context(|| format!("veritysetup printed no root hash: {said}"))?;
        let salt = Hex::parse(&salt).context("a SHA-256 has 64 digits")?;
        let bytes = fs::metadata(&file)
            .with_context(|| file.display().to_string())?
            .len();
        ensure!(bytes > data_bytes, "veritysetup wrote no hash tree");
        Ok(Self {
            file,
            pins: RootPins {
                slot,
                hash,
                salt,
                blocks: data_bytes / BLOCK,
            },
            data_bytes,
            bytes,
        })
    }
}

fn root_hash(said: &str) -> Option<Hex> {
    let line = said.lines().find_map(|line| line.strip_prefix("Root hash:"))?;
    Hex::parse(line.trim())
}

/// Fills the last block up, and says how long the file is then.
fn pad(file: &Path) -> anyhow::Result<u64> {
    let open = OpenOptions::new()
        .write(true)
        .open(file)
        .with_context(|| file.display().to_string())?;
    let length = open
        .metadata()
        .context("its length")?
        .len()
        .next_multiple_of(BLOCK);
    open.set_len(length)
        .with_context(|| format!("padding {}", file.display()))?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_hash_is_read_from_what_veritysetup_prints() {
        let hash = "0123456789abcdef".repeat(4);
        let said =
            format!("VERITY header information for x\nUUID:            \t\nRoot hash:      \t{hash}\n");
        assert_eq!(root_hash(&said), Hex::parse(&hash));
        assert_eq!(root_hash("Root hash: 12"), None);
    }
}
