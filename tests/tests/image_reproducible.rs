//! The same inputs, key and cached packages give the same image, whatever the machine is like.

#![cfg(test)]

use std::fs;
use std::process::Command;

use vedette_tests::programs::{Programs, as_from_a_shell, output_of};
use vedette_tests::road::Road;

#[test]
fn two_builds_are_the_same_bytes() {
    let first = Road::image_alone().unwrap();
    let first = first.raw().parent().unwrap();
    let built_in = first.parent().unwrap();
    let second = tempfile::tempdir().unwrap();

    let mut build = Command::new("sh");
    build
        .args(["-ec", ANOTHER_MACHINE])
        .arg(Programs::build().unwrap().path("vedette-image"))
        .args(["build", "--config"])
        .arg(built_in.join("manifest.toml"))
        .arg("--keys")
        .arg(built_in.join("keys"))
        .arg("--out")
        .arg(second.path());
    output_of(as_from_a_shell(&mut build)).unwrap();

    for file in [
        "facts.json",
        "vedette.raw",
        "vedette.raw.zst",
        "vedette.qcow2",
        "vedette.efi",
        "initrd",
        "cmdline",
    ] {
        let read = |dir: &std::path::Path| fs::read(dir.join(file)).unwrap();
        assert!(read(first) == read(second.path()), "{file} differs");
    }
}

/// One processor, another time zone and language, and files that nobody else may read.
const ANOTHER_MACHINE: &str =
    "umask 077; export TZ=Asia/Tokyo LC_ALL=C; taskset -pc 0 $$ > /dev/null; exec \"$0\" \"$@\"";
