//! What `vedette-image build` wrote: the disk, and beside it what a kernel is booted from directly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A built image.
#[derive(Debug, Clone)]
pub struct Image {
    raw: PathBuf,
    kernel: PathBuf,
    initrd: PathBuf,
    cmdline: PathBuf,
}

impl Image {
    /// The image in the directory that was given to `vedette-image build --out`.
    pub fn in_dir(dir: &Path) -> Result<Self> {
        let file = |name: &str| {
            let path = dir.join(name);
            ensure!(
                path.is_file(),
                "{} is missing; was the image built?",
                path.display()
            );
            Ok(path)
        };
        Ok(Self {
            raw: file("vedette.raw")?,
            kernel: file("vmlinuz")?,
            initrd: file("initrd")?,
            cmdline: file("cmdline")?,
        })
    }

    /// The whole disk.
    pub fn raw(&self) -> &Path {
        &self.raw
    }

    pub fn kernel(&self) -> &Path {
        &self.kernel
    }

    pub(super) fn append_kernel_to(&self, qemu: &mut Command) -> Result<()> {
        let cmdline = fs::read_to_string(&self.cmdline)
            .with_context(|| format!("reading {}", self.cmdline.display()))?;
        qemu.arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.initrd)
            .arg("-append")
            .arg(cmdline.trim_end());
        Ok(())
    }
}
