//! Immutable: what is on the disk is what was built, or it does not run.
#![cfg(test)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use vedette_tests::lab::{Disk, StatusLine};
use vedette_tests::partition::Partition;
use vedette_tests::programs::output_of;
use vedette_tests::road::Road;

#[test]
fn one_flipped_bit_in_the_root_stops_the_boot() {
    let road = Road::open(&[]).unwrap();
    let disk = road.flash("flipped").unwrap();
    flip_one_bit(&disk, road.image.raw());

    let mut machine = road.boot(&disk).unwrap();
    let panic = machine
        .wait_for_line("that it panics", PANIC, |line| line.text.contains("Kernel panic"))
        .unwrap();

    let lines = machine.console().lines();
    let noticed = lines
        .iter()
        .position(|line| line.text.contains("verity") && line.text.contains("corrupted"))
        .unwrap_or_else(|| panic!("verity did not notice\n{}", machine.console()));
    assert!(lines[noticed].at <= panic.at, "it panicked for another reason");
    assert!(
        lines.iter().all(|line| StatusLine::parse(&line.text).is_none()),
        "it got as far as the console\n{}",
        machine.console()
    );
}

/// In the table of inodes, which is read when the root is mounted: where it lies is the ninth word of squashfs'
/// superblock.
fn flip_one_bit(disk: &Disk, image: &Path) {
    let root = Partition::named("root-a", image).unwrap().start;
    let image = File::open(image).unwrap();
    let mut superblock = [0; 96];
    image.read_exact_at(&mut superblock, root).unwrap();
    assert_eq!(&superblock[..4], b"hsqs");
    let inodes = u64::from_le_bytes(superblock[64..72].try_into().unwrap());

    let at = root + inodes + 100;
    let mut byte = [0];
    image.read_exact_at(&mut byte, at).unwrap();
    let write = format!("write -P {} {at} 1", byte[0] ^ 1);
    output_of(
        Command::new("qemu-io")
            .args(["-f", "qcow2", "-c", &write])
            .arg(disk.path()),
    )
    .unwrap();
}

const PANIC: Duration = Duration::from_secs(60);
