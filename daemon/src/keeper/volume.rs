//! The workspace: made anew at each boot on its partition, encrypted under a key that is forgotten.
//!
//! The kernel takes the key from its keyring and the table names it only; the file system is mounted on
//! no path; and the mapping goes by itself with its last holder, since its removal is asked for at once.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{self, Gid, Mode, OFlags};
use vedette_crypto::share::WorkspaceKey;
use vedette_sys::{
    dm::{Access, Mapper, MapperError, Removal, Target},
    keyring::LogonKey,
};

use super::{
    holders,
    mount::{self, Journal},
    partition::{Partition, PartitionError},
    program::{self, ProgramError, Purpose},
};

/// The partition and the mapping on it.
const PARTITION: &str = "workspace";
const MAPPING: &str = "vworkspace";
const KEY: &str = "vedette:workspace";

/// The directory of the link, and whose it is.
const LINK_DIRECTORY: &str = "link";
const LINK_GID: u32 = 900;

/// How long it may take until nothing holds the mapping any more.
const CLOSE_LIMIT: Duration = Duration::from_secs(4);

/// The open workspace. Without it there is no mapping, or it is about to go.
#[derive(Debug)]
pub struct Workspace {
    root: OwnedFd,
}

/// The workspace could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error("handing the key to the kernel")]
    Key(#[source] io::Error),
    #[error("mapping the encrypted device")]
    Map(#[from] MapperError),
    #[error("making its file system")]
    Format(#[from] ProgramError),
    #[error("mounting its file system")]
    Mount(#[source] io::Error),
    #[error("making its directories")]
    Directory(#[source] io::Error),
}

/// The workspace may still be open.
#[derive(Debug, thiserror::Error)]
pub enum CloseError {
    #[error("killing the processes that hold the workspace")]
    Kill(#[source] io::Error),
    #[error("asking for the mapping")]
    Map(#[from] MapperError),
    #[error("the mapping is still there after {CLOSE_LIMIT:?}")]
    StillOpen,
}

impl Workspace {
    /// Makes it.
    pub fn open(key: &WorkspaceKey) -> Result<Self, OpenError> {
        let partition = Partition::named(PARTITION)?;
        let mapper = Mapper::open()?;
        let table = Target {
            start: 0,
            sectors: partition.sectors,
            kind: "crypt".to_owned(),
            parameters: format!(
                "aes-xts-plain64 :64:logon:{KEY} 0 {} 0",
                partition.device.display()
            ),
        };
        mapper.create(MAPPING)?;
        // From here on the mapping is in the kernel: whatever fails takes it away again.
        Self::fill(&mapper, table, key).inspect_err(|_| {
            let _ = mapper.remove(MAPPING, Removal::Deferred);
        })
    }

    fn fill(mapper: &Mapper, table: Target, key: &WorkspaceKey) -> Result<Self, OpenError> {
        let logon = key
            .with(|bytes| LogonKey::add(KEY, bytes))
            .map_err(OpenError::Key)?;
        mapper.load(MAPPING, &[table], Access::ReadWrite)?;
        let device = mapper.resume(MAPPING)?.path();
        // The cipher has its copy.
        drop(logon);
        program::mke2fs(&device, Purpose::Workspace)?;
        let root = mount::ext4(&device, Journal::Absent).map_err(OpenError::Mount)?;
        mapper.remove(MAPPING, Removal::Deferred)?;
        make_link_directory(&root).map_err(OpenError::Directory)?;
        Ok(Self { root })
    }

    /// The link's directory, for a process of its user.
    pub fn link_directory(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(
            self.root.as_fd(),
            LINK_DIRECTORY,
            flags,
            Mode::empty(),
        )?)
    }

    /// Closes it for everybody, and comes back only when the mapping is gone.
    pub fn close(self) -> Result<(), CloseError> {
        drop(self.root);
        holders::kill().map_err(CloseError::Kill)?;
        let mapper = Mapper::open()?;
        let deadline = Instant::now() + CLOSE_LIMIT;
        while mapper.status(MAPPING)?.is_some() {
            if Instant::now() > deadline {
                return Err(CloseError::StillOpen);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The keeper may not give files away (no CAP_CHOWN), but its unit puts it into the link's group, and an
/// owner may give a file to a group of his own.
fn make_link_directory(root: &OwnedFd) -> io::Result<()> {
    fs::mkdirat(root, LINK_DIRECTORY, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = fs::openat(root, LINK_DIRECTORY, flags, Mode::empty())?;
    fs::fchown(&directory, None, Some(Gid::from_raw(LINK_GID)))?;
    fs::fchmod(&directory, Mode::RWXU | Mode::RWXG)?;
    // By a descriptor of its own directory a process could still walk up, but no further than this.
    fs::fchmod(root, Mode::RWXU)?;
    Ok(())
}
