//! File systems that are mounted on no path: they exist as long as a descriptor does.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{self, Mode, OFlags},
    mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags},
};

/// How ext4 treats data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journal {
    /// Data go through the journal: a power cut leaves the old file or the new one.
    Data,
    /// There is none.
    Absent,
}

/// Mounts an ext4 device, detached, and opens its root directory.
pub fn ext4(device: &Path, journal: Journal) -> io::Result<OwnedFd> {
    let context = mount::fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
    mount::fsconfig_set_string(context.as_fd(), "source", device)?;
    if journal == Journal::Data {
        mount::fsconfig_set_string(context.as_fd(), "data", "journal")?;
    }
    mount::fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mounted = mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(fs::openat(&mounted, ".", flags, Mode::empty())?)
}
