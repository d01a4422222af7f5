//! What is in the image, read from the finished disk: nothing that could run and is not named, nothing to log in with.
#![cfg(test)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use vedette_tests::partition::Partition;
use vedette_tests::programs::{output_of, workspace};
use vedette_tests::road::Road;

#[test]
fn nothing_can_run_that_is_not_named_and_nobody_can_log_in() {
    let image = Road::image_alone().unwrap();
    let files = files(image.raw());

    let runnable: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.kind == '-' && file.mode.contains(['x', 's', 't']))
        .map(|file| file.path.as_str())
        .collect();
    let named = named_programs();
    assert_eq!(runnable, named.iter().map(String::as_str).collect());
    for file in &files {
        assert!(
            !file.mode.contains(['s', 'S']),
            "{} runs as somebody else",
            file.path
        );
        assert!(!"bc".contains(file.kind), "{} is a device", file.path);
        assert!(
            file.kind == 'l' || !file.mode.ends_with(['w', 'x']) || !others_may_write(&file.mode),
            "{} may be written by all",
            file.path
        );
        let name = file.path.rsplit('/').next().unwrap_or_default();
        assert!(
            !FOR_PEOPLE.iter().any(|stem| is_program(name, stem)),
            "{} is for people",
            file.path
        );
    }

    let accounts = cat(image.raw(), "etc/passwd");
    for account in accounts.lines() {
        assert!(account.ends_with(":/usr/sbin/nologin"), "{account}");
        let name = account.split(':').next().unwrap();
        let locked = format!("{name}:!*:");
        let shadow = cat(image.raw(), "etc/shadow");
        assert!(
            shadow.lines().any(|line| line.starts_with(&locked)),
            "{name} is not locked: {shadow}"
        );
    }
    assert!(
        !files.iter().any(|file| file.path == "/usr/sbin/nologin"),
        "nologin is a name, not a program"
    );
}

/// A line of what unsquashfs lists.
struct File {
    kind: char,
    mode: String,
    path: String,
}

fn files(raw: &Path) -> Vec<File> {
    let listed = output_of(unsquashfs(raw).args(["-lls", "-no-progress"]).arg(raw)).unwrap();
    let files: Vec<File> = listed
        .lines()
        .filter_map(|line| {
            let mode = line.split_whitespace().next()?;
            let path = line.split_once("squashfs-root")?.1;
            let path = path.split(" -> ").next()?;
            Some(File {
                kind: mode.chars().next()?,
                mode: mode.get(1..)?.to_owned(),
                path: if path.is_empty() {
                    "/".to_owned()
                } else {
                    path.to_owned()
                },
            })
        })
        .collect();
    assert!(
        files.len() > 50,
        "unsquashfs lists {} files:\n{listed}",
        files.len()
    );
    files
}

fn cat(raw: &Path, path: &str) -> String {
    output_of(unsquashfs(raw).arg("-cat").arg(raw).arg(path)).unwrap()
}

fn unsquashfs(raw: &Path) -> Command {
    let root = Partition::named("root-a", raw).unwrap();
    let mut command = Command::new("unsquashfs");
    command.args(["-offset", &root.start.to_string()]);
    command
}

/// What the manifest allows to be run: our programs, the packages', and the loader, which is a program too.
fn named_programs() -> BTreeSet<String> {
    let manifest = workspace().join("image/vedette.toml");
    let manifest: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
    let list = |key: &str| {
        let list = manifest["programs"][key].as_array().unwrap();
        list.iter().map(|name| name.as_str().unwrap().to_owned())
    };
    list("ours")
        .map(|name| format!("/usr/lib/vedette/{name}"))
        .chain(list("packages"))
        .chain(["/usr/lib64/ld-linux-x86-64.so.2".to_owned()])
        .collect()
}

fn others_may_write(mode: &str) -> bool {
    mode.chars().nth(7) == Some('w')
}

/// `python` is python, python3 and python3.11.
fn is_program(name: &str, stem: &str) -> bool {
    name.strip_prefix(stem)
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// Shells, interpreters, and what lets people in.
const FOR_PEOPLE: [&str; 24] = [
    "agetty", "ash", "awk", "bash", "busybox", "dash", "dropbear", "gawk", "getty", "ksh", "login", "lua",
    "mawk", "perl", "php", "python", "ruby", "sh", "sshd", "su", "sudo", "sulogin", "tclsh", "zsh",
];
