//! A machine's disk: a layer of its own over a built image, so that no test alters the image.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::lab::Lab;

/// A disk that keeps what is written to it from boot to boot, and is gone with the lab.
#[derive(Debug, Clone)]
pub struct Disk {
    path: PathBuf,
    mac: String,
}

impl Disk {
    /// A new layer over a raw image, or over the one that an appliance was flashed with.
    pub fn over(lab: &Lab, raw: &Path) -> Result<Self> {
        let turn = lab.next_machine();
        let path = lab.dir().join(format!("disk-{turn}.qcow2"));
        let raw = raw
            .canonicalize()
            .with_context(|| format!("finding the image {}", raw.display()))?;
        let output = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(&raw)
            .arg(&path)
            .output()
            .context("running qemu-img; it is in the package qemu-utils")?;
        ensure!(
            output.status.success(),
            "qemu-img: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        // Locally administered, and of this lab and disk alone.
        let mac = format!("52:54:00:76:{:02x}:{turn:02x}", lab.number().byte());
        Ok(Self { path, mac })
    }

    /// A second copy of the disk as it is now: a clone of the appliance.
    pub fn copy(&self, lab: &Lab) -> Result<Self> {
        let turn = lab.next_machine();
        let path = lab.dir().join(format!("disk-{turn}.qcow2"));
        std::fs::copy(&self.path, &path).with_context(|| format!("copying {}", self.path.display()))?;
        Ok(Self {
            path,
            mac: format!("52:54:00:76:{:02x}:{turn:02x}", lab.number().byte()),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The hardware address of the machine that has this disk.
    pub fn mac(&self) -> &str {
        &self.mac
    }
}
