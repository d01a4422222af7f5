//! The mounts: the kernel's views at the start, the verified root and the step into it at the end.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    mount::{MountFlags, mount, mount_move},
    process::{chdir, chroot},
};

use super::modules;

/// What is started in the root.
pub const SYSTEMD: &str = "/usr/lib/systemd/systemd";
const NEW_ROOT: &str = "/root";
/// In memory, and small: the programs that may write at all keep their files elsewhere.
const SCRATCH: [&str; 2] = ["tmp", "var/tmp"];

/// Where the status is shown.
const CONSOLES: [&str; 2] = ["/dev/tty1", "/dev/ttyS0"];
/// The group `tty` of the image.
pub const TTY_GROUP: u32 = 5;

/// Why the root was not entered.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("mounting {} on {}", what, on.display())]
    Mount {
        what: String,
        on: PathBuf,
        source: io::Error,
    },
    #[error("giving {} to its group", console.display())]
    Console { console: PathBuf, source: io::Error },
    #[error("entering the verified root")]
    Enter(#[source] io::Error),
    #[error("starting {SYSTEMD}")]
    Start(#[source] io::Error),
}

/// Mounts /proc, /sys and /dev, and gives the consoles to their group.
pub fn mount_kernel_views() -> Result<(), RootError> {
    let quiet = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    attach("proc", "proc", Path::new("/proc"), quiet, c"")?;
    attach("sysfs", "sysfs", Path::new("/sys"), quiet, c"")?;
    attach(
        "devtmpfs",
        "devtmpfs",
        Path::new("/dev"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"mode=0755",
    )?;
    for console in CONSOLES {
        share_console(Path::new(console))?;
    }
    Ok(())
}

/// Mounts `device` read-only, makes it the root and becomes systemd.
pub fn enter(device: &Path) -> Result<Infallible, RootError> {
    let root = Path::new(NEW_ROOT);
    let read_only = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    attach(&device.display().to_string(), "squashfs", root, read_only, c"")?;
    let scratch = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for folder in SCRATCH {
        attach(
            "tmpfs",
            "tmpfs",
            &root.join(folder),
            scratch,
            c"mode=1777,size=4m,nr_inodes=1k",
        )?;
    }
    for view in ["proc", "sys", "dev"] {
        let (from, to) = (Path::new("/").join(view), root.join(view));
        mount_move(&from, &to).map_err(|source| RootError::Mount {
            what: view.to_owned(),
            on: to,
            source: source.into(),
        })?;
    }
    free_initramfs().map_err(RootError::Enter)?;
    chdir(root).map_err(|source| RootError::Enter(source.into()))?;
    mount_move(".", "/").map_err(|source| RootError::Enter(source.into()))?;
    chroot(".").map_err(|source| RootError::Enter(source.into()))?;
    chdir("/").map_err(|source| RootError::Enter(source.into()))?;
    // Only what is written here: the kernel turns unknown words of the command line into arguments and environment.
    Err(RootError::Start(
        Command::new(SYSTEMD).env_clear().env("TERM", "linux").exec(),
    ))
}

/// Elsewhere udev does this: whoever is in the group `tty` may write to the console, and nobody may read it.
fn share_console(console: &Path) -> Result<(), RootError> {
    let share = || -> io::Result<()> {
        chown(console, Some(0), Some(TTY_GROUP))?;
        fs::set_permissions(console, fs::Permissions::from_mode(0o620))
    };
    match share() {
        // Not every machine has both.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        shared => shared.map_err(|source| RootError::Console {
            console: console.to_owned(),
            source,
        }),
    }
}

/// The initramfs cannot be unmounted; its files would stay in memory for good.
fn free_initramfs() -> io::Result<()> {
    fs::remove_dir_all(modules::FOLDER)?;
    fs::remove_file("/init")
}

fn attach(
    what: &str,
    kind: &str,
    on: &Path,
    flags: MountFlags,
    options: &std::ffi::CStr,
) -> Result<(), RootError> {
    mount(what, on, kind, flags, options).map_err(|source| RootError::Mount {
        what: what.to_owned(),
        on: on.to_owned(),
        source: source.into(),
    })
}
