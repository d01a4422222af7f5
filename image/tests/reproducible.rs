//! The same inputs, key and cached packages give the same image, whatever the machine is like.
#![cfg(test)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Builds into `out`, from a shell that first does `setting`.
fn build(
    manifest: &Path,
    keys: &Path,
    programs: Option<&Path>,
    out: &Path,
    setting: &str,
) -> serde_json::Value {
    let mut command = Command::new("sh");
    command
        .args(["-ec", &format!("{setting}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_vedette-image"))
        .arg("build")
        .arg("--config")
        .arg(manifest)
        .arg("--keys")
        .arg(keys)
        .arg("--out")
        .arg(out);
    if let Some(programs) = programs {
        command.arg("--programs").arg(programs);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&fs::read(out.join("facts.json")).unwrap()).unwrap()
}

#[test]
#[ignore = "builds the image twice, a minute each; VEDETTE_PROGRAMS names a folder with its programs"]
fn two_builds_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("vedette.toml");
    let key = vedette_crypto::Signer::verifying_key(&vedette_crypto::SigningKey::generate());
    let manifest = format!(
        "base = {base:?}\n[platform]\nurl = \"https://platform.example\"\nkey = \"{key}\"\nroots = [\"ISRG Root X1\"]\n"
    );
    fs::write(at("image.toml"), manifest).unwrap();
    let programs = env::var_os("VEDETTE_PROGRAMS").map(PathBuf::from);

    let settings = [
        "umask 022",
        "umask 077; export TZ=Asia/Tokyo LC_ALL=C; taskset -pc 0 $$ > /dev/null",
    ];
    let [first, second] = [("a", settings[0]), ("b", settings[1])].map(|(out, setting)| {
        build(
            &at("image.toml"),
            &at("keys"),
            programs.as_deref(),
            &at(out),
            setting,
        )
    });
    assert_eq!(first, second);
    assert!(first["raw_sha256"].as_str().is_some_and(|hash| hash.len() == 64));
    for file in [
        "vedette.raw",
        "vedette.raw.zst",
        "vedette.qcow2",
        "vedette.efi",
        "initrd",
        "cmdline",
    ] {
        assert!(
            fs::read(at("a").join(file)).unwrap() == fs::read(at("b").join(file)).unwrap(),
            "{file}"
        );
    }
}
