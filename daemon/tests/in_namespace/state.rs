//! The state partition's file system, on a loop device.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use vedette_daemon::keeper::{
    mount::{self, Journal},
    partition::Partition,
    program::{self, Purpose},
    store::Store,
};
use vedette_protocol::Timestamp;

/// A device of 16 MiB.
struct Loop {
    device: PathBuf,
    _file: tempfile::NamedTempFile,
}

impl Loop {
    fn new() -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(16 << 20).unwrap();
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self {
            device: String::from_utf8(made.stdout).unwrap().trim().into(),
            _file: file,
        }
    }

    fn partition(&self) -> Partition {
        Partition {
            device: self.device.clone(),
            sectors: (16 << 20) / 512,
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let ended = Command::new("losetup").arg("--detach").arg(&self.device).status();
        assert!(ended.unwrap().success());
    }
}

fn mounted(device: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.contains(device.to_str().unwrap())
}

#[test]
fn state_survives_on_a_file_system_that_nobody_else_can_reach() {
    let device = Loop::new();
    assert!(!device.partition().holds_ext4().unwrap());
    program::mke2fs(&device.device, Purpose::State).unwrap();
    assert!(device.partition().holds_ext4().unwrap());
    {
        let store = Store::new(mount::ext4(&device.device, Journal::Data).unwrap());
        store.raise_high_water(Timestamp(7)).unwrap();
        assert!(!mounted(&device.device), "it is attached to no path");
    }
    let store = Store::new(mount::ext4(&device.device, Journal::Data).unwrap());
    assert_eq!(store.high_water().unwrap(), Timestamp(7));
}

#[test]
fn a_damaged_file_system_is_seen_as_one_and_not_mounted() {
    let device = Loop::new();
    program::mke2fs(&device.device, Purpose::State).unwrap();
    // The superblock behind its magic number.
    let file = File::options().write(true).open(&device.device).unwrap();
    file.write_all_at(&[0xff; 200], 1024 + 58).unwrap();
    file.sync_all().unwrap();
    assert!(device.partition().holds_ext4().unwrap(), "so it is not formatted");
    assert!(mount::ext4(&device.device, Journal::Data).is_err());
}

#[test]
fn a_workspace_has_no_journal() {
    let device = Loop::new();
    program::mke2fs(&device.device, Purpose::Workspace).unwrap();
    assert!(mount::ext4(&device.device, Journal::Absent).is_ok());
    assert!(
        mount::ext4(&device.device, Journal::Data).is_err(),
        "there is none to put data into"
    );
}
