//! Partitions of the appliance's disk, found by the name in the partition table, as sysfs tells it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Where sysfs lists block devices.
const BLOCK_DEVICES: &str = "/sys/class/block";

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its device.
    pub device: PathBuf,
    /// Its length in sectors of 512 bytes.
    pub sectors: u64,
}

/// There is not exactly one such partition.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    #[error("reading {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("no partition named {0}; is this the disk that was flashed?")]
    Missing(String),
    #[error("two partitions named {0}; remove the other disk")]
    Twice(String),
    #[error("{0} says nothing of the device's name or length")]
    Malformed(PathBuf),
}

impl Partition {
    /// The one partition of this name.
    pub fn named(name: &str) -> Result<Self, PartitionError> {
        Self::named_in(Path::new(BLOCK_DEVICES), name)
    }

    fn named_in(devices: &Path, name: &str) -> Result<Self, PartitionError> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| PartitionError::Read {
                path: path.to_owned(),
                source,
            })
        };
        let listing = |source| PartitionError::Read {
            path: devices.to_owned(),
            source,
        };
        let mut found = None;
        for entry in fs::read_dir(devices).map_err(listing)? {
            let directory = entry.map_err(listing)?.path();
            let uevent = read(&directory.join("uevent"))?;
            let value = |key: &str| {
                uevent
                    .lines()
                    .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            };
            if value("PARTNAME") != Some(name) {
                continue;
            }
            let malformed = || PartitionError::Malformed(directory.clone());
            let partition = Self {
                device: Path::new("/dev").join(value("DEVNAME").ok_or_else(malformed)?),
                sectors: read(&directory.join("size"))?
                    .trim()
                    .parse()
                    .map_err(|_| malformed())?,
            };
            if found.replace(partition).is_some() {
                return Err(PartitionError::Twice(name.to_owned()));
            }
        }
        found.ok_or_else(|| PartitionError::Missing(name.to_owned()))
    }

    /// Whether its superblock is that of ext2, ext3 or ext4, in whatever health.
    pub fn holds_ext4(&self) -> io::Result<bool> {
        let mut magic = [0; 2];
        File::open(&self.device)?.read_exact_at(&mut magic, SUPERBLOCK + MAGIC)?;
        Ok(u16::from_le_bytes(magic) == EXT4_MAGIC)
    }
}

/// Where the superblock begins, where its magic number stands in it, and what that is: `fs/ext4/ext4.h`.
const SUPERBLOCK: u64 = 1024;
const MAGIC: u64 = 56;
const EXT4_MAGIC: u16 = 0xef53;

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(parts: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (device, name) in parts {
            let device_directory = directory.path().join(device);
            fs::create_dir(&device_directory).unwrap();
            let uevent = format!("MAJOR=254\nDEVNAME={device}\nPARTN=1\nPARTNAME={name}\n");
            fs::write(device_directory.join("uevent"), uevent).unwrap();
            fs::write(device_directory.join("size"), "2048\n").unwrap();
        }
        directory
    }

    #[test]
    fn the_one_partition_of_a_name_is_found() {
        let devices = devices(&[("vda4", "state"), ("vda5", "workspace")]);
        let partition = Partition::named_in(devices.path(), "workspace").unwrap();
        assert_eq!(
            partition,
            Partition {
                device: "/dev/vda5".into(),
                sectors: 2048
            }
        );
        assert!(matches!(
            Partition::named_in(devices.path(), "stat"),
            Err(PartitionError::Missing(_))
        ));
    }

    #[test]
    fn two_partitions_of_one_name_are_refused() {
        let devices = devices(&[("vda4", "state"), ("vdb4", "state")]);
        assert!(matches!(
            Partition::named_in(devices.path(), "state"),
            Err(PartitionError::Twice(_))
        ));
    }

    #[test]
    fn a_damaged_ext4_is_still_one() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let partition = Partition {
            device: file.path().to_owned(),
            sectors: 8,
        };
        assert!(partition.holds_ext4().is_err(), "too short to judge");
        file.as_file().set_len(4096).unwrap();
        assert!(!partition.holds_ext4().unwrap());
        file.as_file().write_all_at(&[0x53, 0xef], 1080).unwrap();
        assert!(partition.holds_ext4().unwrap());
    }
}
