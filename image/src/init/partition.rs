//! Finds a partition by the name in its GPT entry, as sysfs shows it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Where every block device has a folder.
const BLOCK: &str = "/sys/class/block";
/// Slow disks show up late; this is long for any of them.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is no partition to boot from.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    #[error("no disk has a partition named {0}; is the image on a disk whose driver is in the image?")]
    Absent(String),
    #[error("{first} and {second} are both named {name}; remove one of the disks")]
    Twice {
        name: String,
        first: String,
        second: String,
    },
    #[error("reading {BLOCK}")]
    Read(#[source] io::Error),
}

/// The device node of the only partition called `name`, waited for.
pub fn find(name: &str) -> Result<PathBuf, PartitionError> {
    let start = Instant::now();
    loop {
        if let Some(device) = find_in(Path::new(BLOCK), name)? {
            return Ok(Path::new("/dev").join(device));
        }
        if start.elapsed() > PATIENCE {
            return Err(PartitionError::Absent(name.to_owned()));
        }
        thread::sleep(PAUSE);
    }
}

fn find_in(folder: &Path, name: &str) -> Result<Option<String>, PartitionError> {
    let mut found: Option<String> = None;
    for entry in fs::read_dir(folder).map_err(PartitionError::Read)? {
        let entry = entry.map_err(PartitionError::Read)?;
        // A device may go while we look; what cannot be read is not ours.
        let Ok(event) = fs::read_to_string(entry.path().join("uevent")) else {
            continue;
        };
        if !event
            .lines()
            .any(|line| line.strip_prefix("PARTNAME=") == Some(name))
        {
            continue;
        }
        let device = entry.file_name().to_string_lossy().into_owned();
        match found.take() {
            None => found = Some(device),
            Some(first) => {
                return Err(PartitionError::Twice {
                    name: name.to_owned(),
                    first,
                    second: device,
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysfs(devices: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (device, event) in devices {
            fs::create_dir(folder.path().join(device)).unwrap();
            fs::write(folder.path().join(device).join("uevent"), event).unwrap();
        }
        folder
    }

    #[test]
    fn the_partition_is_found_by_its_whole_name() {
        let sysfs = sysfs(&[
            ("vda", "DEVTYPE=disk\n"),
            ("vda1", "DEVTYPE=partition\nPARTN=1\nPARTNAME=root-ab\n"),
            ("vda2", "DEVTYPE=partition\nPARTN=2\nPARTNAME=root-a\n"),
        ]);
        assert_eq!(find_in(sysfs.path(), "root-a").unwrap().as_deref(), Some("vda2"));
        assert_eq!(find_in(sysfs.path(), "root").unwrap(), None);
    }

    #[test]
    fn two_partitions_of_one_name_are_an_error() {
        let sysfs = sysfs(&[("vda2", "PARTNAME=root-a\n"), ("vdb2", "PARTNAME=root-a\n")]);
        assert!(matches!(
            find_in(sysfs.path(), "root-a"),
            Err(PartitionError::Twice { .. })
        ));
    }
}
