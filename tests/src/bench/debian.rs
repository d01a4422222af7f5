//! The peer of the appliance's image: a plain Debian for virtual machines, with the same kernel, made once for each
//! kernel and kept in $VEDETTE_CACHE.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::facts::Facts;
use super::progress::Progress;
use crate::lab::Image;
use crate::programs::output_of;

#[derive(Debug)]
pub(super) struct Debian {
    dir: PathBuf,
}

impl Debian {
    /// The Debian with the kernel of this image.
    pub(super) fn with_kernel_of(image: &Image, progress: &Progress) -> Result<Self> {
        let kernel = Facts::of(image)?.kernel;
        let cache = cache()?;
        let dir = cache.join(format!("debian-{kernel}"));
        if !dir.is_dir() {
            progress.step("making a plain Debian, once");
            let unfinished = tempfile::Builder::new()
                .prefix("debian-")
                .tempdir_in(&cache)
                .with_context(|| format!("making a directory in {}", cache.display()))?;
            make(&kernel, unfinished.path()).context("making a plain Debian as the peer")?;
            fs::rename(unfinished.keep(), &dir).with_context(|| format!("making {}", dir.display()))?;
        }
        fs::write(dir.join("cmdline"), CMDLINE).context("writing its kernel command line")?;
        Ok(Self { dir })
    }

    /// Its disk, kernel and initramfs, laid out as those of an appliance.
    pub(super) fn image(&self) -> Result<Image> {
        Image::in_dir(&self.dir)
    }

    /// The bytes of its root when packed like the appliance's.
    pub(super) fn root_bytes(&self) -> Result<u64> {
        length(&self.dir.join(SQUASHFS))
    }

    /// The bytes of its disk when packed like the appliance's.
    pub(super) fn packed_bytes(&self) -> Result<u64> {
        length(&self.dir.join(PACKED))
    }
}

fn make(kernel: &str, dir: &Path) -> Result<()> {
    let root = dir.join("root");
    let file = |name: &str| dir.join(name);
    output_of(
        Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=important"])
            .arg(format!("--include={PACKAGES},linux-image-{kernel}"))
            .args([
                "--customize-hook",
                "systemctl --quiet --root=\"$1\" enable systemd-networkd",
            ])
            .args(["bookworm"])
            .arg(&root),
    )?;
    // As in Debian's own images for clouds: addresses by DHCP. With an id, as after its first boot.
    fs::write(root.join("etc/machine-id"), MACHINE_ID).context("writing its id")?;
    fs::write(
        root.join("etc/systemd/network/dhcp.network"),
        "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n",
    )
    .context("writing its network configuration")?;
    fs::copy(root.join(format!("boot/vmlinuz-{kernel}")), file("vmlinuz")).context("taking its kernel")?;
    fs::copy(root.join(format!("boot/initrd.img-{kernel}")), file("initrd"))
        .context("taking its initramfs")?;

    output_of(Command::new("mksquashfs").args([&root, &file(SQUASHFS)]).args([
        "-comp",
        "zstd",
        "-quiet",
        "-no-progress",
    ]))?;
    let raw = file(RAW);
    File::create(&raw)?.set_len(DISK)?;
    output_of(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&root, &raw]),
    )?;
    output_of(
        Command::new("zstd")
            .args(["-q", "-T0", "-9", "--no-progress"])
            .args([&raw, Path::new("-o"), &file(PACKED)]),
    )?;
    fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))
}

fn cache() -> Result<PathBuf> {
    let dir = env::var_os("VEDETTE_CACHE").map_or_else(
        || {
            let home = env::var_os("HOME").context("neither VEDETTE_CACHE nor HOME is set")?;
            Ok::<_, anyhow::Error>(PathBuf::from(home).join(".cache/vedette"))
        },
        |cache| Ok(PathBuf::from(cache)),
    )?;
    fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    Ok(dir)
}

fn length(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)
        .with_context(|| format!("looking at {}", path.display()))?
        .len())
}

/// What makes a Debian a machine that one can log in to.
const PACKAGES: &str = "dbus,openssh-server,systemd-sysv";
/// Quiet like the appliance's; systemd says when it is up, and no login prompt wipes that away.
const CMDLINE: &str = "root=/dev/vda rw console=ttyS0,115200 quiet systemd.show_status=yes \
    systemd.mask=serial-getty@ttyS0.service\n";
const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";
const RAW: &str = "vedette.raw";
const SQUASHFS: &str = "root.squashfs";
const PACKED: &str = "disk.zst";
const DISK: u64 = 1 << 30;
