//! A build takes the packages of its lock, or says that it cannot.
#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The shipped manifest and lock in a folder of their own, the latter changed.
fn shipped(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let image = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = image.parent().unwrap().display().to_string();
    let manifest = fs::read_to_string(image.join("vedette.toml")).unwrap();
    let key = vedette_crypto::Signer::verifying_key(&vedette_crypto::SigningKey::generate());
    let platform = format!(
        "[platform]\nurl = \"https://platform.example\"\nkey = \"{key}\"\nroots = [\"ISRG Root X1\"]\n"
    );
    let manifest = manifest.replace("workspace = \"..\"", &format!("workspace = {workspace:?}")) + &platform;
    let lock = fs::read_to_string(image.join("vedette.lock")).unwrap();
    fs::write(folder.join("vedette.lock"), change(lock)).unwrap();
    fs::write(folder.join("vedette.toml"), manifest).unwrap();
    folder.join("vedette.toml")
}

/// Builds from an empty cache, without a mirror.
fn build(manifest: &Path) -> Output {
    let folder = manifest.parent().unwrap();
    fs::write(folder.join("no.sources"), "").unwrap();
    Command::new(env!("CARGO_BIN_EXE_vedette-image"))
        .args(["build", "--locked", "--config"])
        .arg(manifest)
        .arg("--out")
        .arg(folder.join("out"))
        .arg("--cache")
        .arg(folder.join("cache"))
        .arg("--sources")
        .arg(folder.join("no.sources"))
        .output()
        .unwrap()
}

fn refusal(manifest: &Path) -> String {
    let output = build(manifest);
    assert!(!output.status.success());
    assert!(!manifest.with_file_name("out").join("vedette.raw").exists());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn packages_that_are_nowhere_to_be_had_stop_a_locked_build() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(&shipped(folder.path(), |lock| lock));
    assert!(
        said.contains("stale") && said.contains("systemd 252") && said.contains("lock --update"),
        "{said}"
    );
}

#[test]
fn a_lock_for_another_manifest_stops_a_locked_build() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(&shipped(folder.path(), |lock| {
        lock.replacen("\"nftables\"", "\"nftable\"", 1)
    }));
    assert!(
        said.contains("other packages") && said.contains("lock --update"),
        "{said}"
    );
}

#[test]
fn a_malformed_lock_stops_any_build() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(&shipped(folder.path(), |lock| {
        lock.replacen("path = \"pool/", "path = \"../", 1)
    }));
    assert!(
        said.contains("vedette.lock") && said.contains("no path in a mirror"),
        "{said}"
    );
}
