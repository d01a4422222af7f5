//! The disk: a GPT with fixed identities, and what is written into its partitions.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use vedette_protocol::time::Timestamp;

use crate::{
    manifest,
    tool::{MCOPY, MKFS_VFAT, MMD, SFDISK},
};

pub(crate) const SECTOR: u64 = 512;
const MIB: u64 = 1 << 20;
/// Partitions start at multiples of this; the first one leaves room for the table.
const ALIGNMENT: u64 = MIB;

/// UEFI 2.10, section 5.3.3, and the Discoverable Partitions Specification.
const TYPE_ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const TYPE_ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const TYPE_DATA: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";

/// Fixed, so that the same image is the same bytes; the appliance finds partitions by name.
const DISK_ID: &str = "7E0D5F3A-5B64-4C6B-9B0E-56454445545A";
const FAT_ID: &str = "56454454";

/// A partition of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    pub name: &'static str,
    kind: &'static str,
    id: &'static str,
    /// In bytes.
    pub start: u64,
    pub size: u64,
}

/// The five partitions in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub partitions: [Partition; 5],
    /// Of the whole disk, in bytes.
    pub size: u64,
}

impl Layout {
    pub(crate) fn new(sizes: manifest::Disk) -> Self {
        let mut at = ALIGNMENT;
        let mut place = |name, kind, id, mib: u64| {
            let partition = Partition {
                name,
                kind,
                id,
                start: at,
                size: mib * MIB,
            };
            at += partition.size;
            partition
        };
        let partitions = [
            place("esp", TYPE_ESP, "7E0D5F3A-5B64-4C6B-9B0E-000000000001", sizes.esp),
            place(
                "root-a",
                TYPE_ROOT,
                "7E0D5F3A-5B64-4C6B-9B0E-000000000002",
                sizes.root,
            ),
            place(
                "root-b",
                TYPE_ROOT,
                "7E0D5F3A-5B64-4C6B-9B0E-000000000003",
                sizes.root,
            ),
            place(
                "state",
                TYPE_DATA,
                "7E0D5F3A-5B64-4C6B-9B0E-000000000004",
                sizes.state,
            ),
            place(
                "workspace",
                TYPE_DATA,
                "7E0D5F3A-5B64-4C6B-9B0E-000000000005",
                sizes.workspace,
            ),
        ];
        // The table's copy stands at the end.
        Self {
            partitions,
            size: at + ALIGNMENT,
        }
    }

    pub(crate) fn partition(&self, name: &str) -> anyhow::Result<&Partition> {
        self.partitions
            .iter()
            .find(|partition| partition.name == name)
            .with_context(|| format!("the layout has no partition {name}"))
    }

    fn script(&self) -> String {
        let mut script = format!("label: gpt\nlabel-id: {DISK_ID}\nunit: sectors\nfirst-lba: 2048\n");
        for Partition {
            name,
            kind,
            id,
            start,
            size,
        } in &self.partitions
        {
            let (start, size) = (start / SECTOR, size / SECTOR);
            script += &format!("start={start}, size={size}, type={kind}, uuid={id}, name=\"{name}\"\n");
        }
        script
    }

    /// Makes the disk as a sparse file, with a table and nothing in it.
    pub(crate) fn make(&self, file: &Path) -> anyhow::Result<()> {
        let disk = File::create(file).with_context(|| format!("making {}", file.display()))?;
        disk.set_len(self.size)
            .with_context(|| format!("making {}", file.display()))?;
        SFDISK
            .call()?
            .args(["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never"])
            .arg(file)
            .input(&self.script())?
            .run()
            .map(drop)
            .context("writing the partition table")
    }

    /// Writes `from` to the start of the partition `name`.
    pub(crate) fn fill(&self, disk: &Path, name: &str, from: &Path) -> anyhow::Result<()> {
        let partition = self.partition(name)?;
        let size = std::fs::metadata(from)
            .with_context(|| from.display().to_string())?
            .len();
        ensure!(
            size <= partition.size,
            "{} has {} KiB and the partition {name} {} KiB; raise its size in the manifest's [disk]",
            from.display(),
            size.div_ceil(1024),
            partition.size / 1024
        );
        let copy = || -> io::Result<()> {
            let target = OpenOptions::new().write(true).open(disk)?;
            copy_sparse(&mut File::open(from)?, &target, partition.start)
        };
        copy().with_context(|| format!("writing {} into the partition {name}", from.display()))
    }
}

/// Copies all but zeros: a fresh file has those where nothing is written.
pub(crate) fn copy_sparse(from: &mut impl Read, to: &File, at: u64) -> io::Result<()> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut at = at;
    let mut buffer = Vec::with_capacity(ZEROS.len());
    loop {
        buffer.clear();
        let length = from.take(1 << 16).read_to_end(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        if buffer[..] != ZEROS[..length] {
            to.write_all_at(&buffer, at)?;
        }
        at += 1 << 16;
    }
}

/// Copies everything, for a device that holds other bytes.
pub(crate) fn copy_all(from: &mut impl Read, to: &mut File) -> io::Result<()> {
    to.seek(SeekFrom::Start(0))?;
    io::copy(from, to)?;
    to.flush()
}

/// Writes the EFI system partition's file system, with the boot program where firmware looks for one.
pub(crate) fn make_esp(program: &Path, size: u64, time: Timestamp, file: &Path) -> anyhow::Result<()> {
    File::create(file)
        .and_then(|esp| esp.set_len(size))
        .with_context(|| format!("making {}", file.display()))?;
    let epoch = time.0.to_string();
    MKFS_VFAT
        .call()?
        .args([
            "--invariant",
            "-F",
            "32",
            "-s",
            "1",
            "-n",
            "VEDETTE",
            "-i",
            FAT_ID,
        ])
        .arg(file)
        .run()?;
    for folder in ["::/EFI", "::/EFI/BOOT"] {
        MMD.call()?
            .env("SOURCE_DATE_EPOCH", &epoch)
            .arg("-i")
            .arg(file)
            .arg(folder)
            .run()?;
    }
    MCOPY
        .call()?
        .env("SOURCE_DATE_EPOCH", &epoch)
        .arg("-i")
        .arg(file)
        .arg(program)
        .arg("::/EFI/BOOT/BOOTX64.EFI")
        .run()
        .map(drop)
        .context("filling the EFI system partition")
}

/// A partition that a disk has, wherever it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// In bytes.
    pub start: u64,
    pub size: u64,
}

/// Reads where the partition `name` is on a disk or in an image.
pub(crate) fn find(disk: &Path, name: &str) -> anyhow::Result<Extent> {
    let json = SFDISK
        .call()?
        .arg("--json")
        .arg(disk)
        .run()
        .with_context(|| format!("{} is no image of an appliance", disk.display()))?;
    extent(&json, name).with_context(|| format!("looking for the partition {name} on {}", disk.display()))
}

#[derive(Deserialize)]
struct Listing {
    partitiontable: Table,
}

#[derive(Deserialize)]
struct Table {
    #[serde(rename = "sectorsize")]
    sector: u64,
    partitions: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    start: u64,
    size: u64,
    #[serde(default)]
    name: String,
}

fn extent(json: &str, name: &str) -> anyhow::Result<Extent> {
    let Listing {
        partitiontable: Table { sector, partitions },
    } = serde_json::from_str(json).context("reading what sfdisk prints")?;
    let row = partitions
        .iter()
        .find(|row| row.name == name)
        .context("there is none; is it an image of ours?")?;
    let bytes = |sectors: u64| {
        sectors
            .checked_mul(sector)
            .context("its place is beyond all disks")
    };
    Ok(Extent {
        start: bytes(row.start)?,
        size: bytes(row.size)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> Layout {
        Layout::new(manifest::Disk {
            esp: 64,
            root: 48,
            state: 32,
            workspace: 256,
        })
    }

    #[test]
    fn partitions_are_aligned_follow_each_other_and_leave_room_for_both_tables() {
        let layout = layout();
        let mut at = ALIGNMENT;
        for partition in &layout.partitions {
            assert_eq!(
                (partition.start, partition.start % ALIGNMENT),
                (at, 0),
                "{}",
                partition.name
            );
            at += partition.size;
        }
        assert_eq!(layout.size, at + ALIGNMENT);
        assert_eq!(
            layout.partition("root-a").unwrap().size,
            layout.partition("root-b").unwrap().size
        );
    }

    #[test]
    fn a_made_disk_is_found_again_and_is_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let disks = ["a", "b"].map(|name| folder.path().join(name));
        let layout = layout();
        for disk in &disks {
            layout.make(disk).unwrap();
        }
        for partition in &layout.partitions {
            let extent = find(&disks[0], partition.name).unwrap();
            assert_eq!(
                extent,
                Extent {
                    start: partition.start,
                    size: partition.size
                }
            );
        }
        assert!(std::fs::read(&disks[0]).unwrap() == std::fs::read(&disks[1]).unwrap());
        assert!(find(&disks[0], "nothing").is_err());
    }

    #[test]
    fn what_is_too_long_for_its_partition_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, long) = (folder.path().join("disk"), folder.path().join("long"));
        layout().make(&disk).unwrap();
        File::create(&long).unwrap().set_len(33 * MIB).unwrap();
        let error = layout().fill(&disk, "state", &long).unwrap_err().to_string();
        assert!(error.contains("state") && error.contains("[disk]"), "{error}");
    }

    #[test]
    fn a_sparse_copy_has_the_same_bytes() {
        let mut bytes = vec![0_u8; 300_000];
        bytes[70_000] = 1;
        bytes[299_999] = 2;
        let mut copy = tempfile::tempfile().unwrap();
        copy.set_len(300_000).unwrap();
        copy_sparse(&mut &bytes[..], &copy, 0).unwrap();
        let mut read = Vec::new();
        copy.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
    }

    #[test]
    fn a_listing_that_makes_no_sense_is_an_error() {
        for json in [
            "",
            "{}",
            r#"{"partitiontable":{"sectorsize":512,"partitions":[]}}"#,
            r#"{"partitiontable":{"sectorsize":512,"partitions":[{"start":-1,"size":1,"name":"state"}]}}"#,
            r#"{"partitiontable":{"sectorsize":512,"partitions":[{"start":36028797018963968,"size":1,"name":"state"}]}}"#,
        ] {
            assert!(extent(json, "state").is_err(), "{json}");
        }
    }
}
