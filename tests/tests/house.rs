//! The rules of the house: which crate may depend on which, where `unsafe` may stand, and that each
//! promise in the documents names a test that exists.
#![cfg(test)]
#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What each crate may use of the others, tests aside.
const ARROWS: &[(&str, &[&str])] = &[
    ("vedette-sys", &[]),
    ("vedette-crypto", &["vedette-sys"]),
    ("vedette-protocol", &["vedette-sys", "vedette-crypto"]),
    (
        "vedette-scanner",
        &["vedette-sys", "vedette-crypto", "vedette-protocol"],
    ),
    (
        "vedette-daemon",
        &["vedette-sys", "vedette-crypto", "vedette-protocol"],
    ),
    (
        "vedette-platform",
        &["vedette-sys", "vedette-crypto", "vedette-protocol"],
    ),
    (
        "vedette-cli",
        &["vedette-sys", "vedette-crypto", "vedette-protocol"],
    ),
    (
        "vedette-image",
        &["vedette-sys", "vedette-crypto", "vedette-protocol"],
    ),
];

#[test]
fn dependencies_point_one_way() {
    let arrows: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for member in members() {
        let manifest: toml::Table = read(&member.join("Cargo.toml")).parse().unwrap();
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        let Some(allowed) = arrows.get(name.as_str()) else {
            assert!(
                [
                    "vedette-tests",
                    "vedette-measure",
                    "vedette-probe",
                    "vedette-fuzz"
                ]
                .contains(&name.as_str()),
                "{name} has no place in the house"
            );
            continue;
        };
        let used = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .into_iter()
            .flat_map(toml::Table::keys);
        for dependency in used.filter(|dependency| dependency.starts_with("vedette-")) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} may not depend on {dependency}"
            );
        }
    }
}

#[test]
fn unsafe_stands_in_sys_alone() {
    for member in members() {
        if member.ends_with("sys") {
            continue;
        }
        for file in rust_files(&member) {
            let text = read(&file);
            let crate_root = ["lib.rs", "main.rs"].iter().any(|name| file.ends_with(name))
                || file.parent().is_some_and(|folder| folder.ends_with("src/bin"));
            let fuzz_entry = file.starts_with(root().join("fuzz/fuzz_targets"));
            if crate_root && file.starts_with(member.join("src")) {
                assert!(
                    text.contains("#![forbid(unsafe_code)]"),
                    "{} does not forbid unsafe",
                    file.display()
                );
            }
            let keyword = text
                .lines()
                .map(|line| line.split("//").next().unwrap_or_default())
                .any(|line| {
                    // Neither a policy's 'unsafe-inline' nor a quoted "unsafe" is the keyword.
                    line.split(|c: char| !c.is_alphanumeric() && !"_-\"".contains(c))
                        .any(|word| word == "unsafe")
                });
            let quoted = file.ends_with("house.rs");
            assert!(!keyword || quoted || fuzz_entry, "unsafe in {}", file.display());
        }
    }
}

#[test]
fn every_promise_names_a_test_that_exists_or_says_not_yet() {
    let tests: BTreeSet<String> = members()
        .iter()
        .flat_map(|member| rust_files(member))
        .flat_map(|file| functions(&read(&file)))
        .collect();
    let table = read(&root().join("docs/SECURITY_FEATURES.md"));
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| n "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let promises: BTreeSet<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(promises.len(), 14, "a promise has no row: {promises:?}");
    for row in rows {
        let [_, promise, proof] = row.as_slice() else {
            panic!("not three columns: {row:?}")
        };
        let named: Vec<&str> = proof.split('`').skip(1).step_by(2).collect();
        assert!(
            !named.is_empty() || *proof == "not yet",
            "{promise}: neither a test nor \"not yet\""
        );
        for test in named {
            assert!(tests.contains(test), "{promise}: there is no test {test}");
        }
    }
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    for file in members().iter().flat_map(|member| rust_files(member)) {
        if file.ends_with("house.rs") {
            continue;
        }
        assert!(
            !read(&file).contains("#[ignore]"),
            "{} ignores a test without a reason",
            file.display()
        );
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn members() -> Vec<PathBuf> {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    members
        .iter()
        .map(|member| root().join(member.as_str().unwrap()))
        .collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("target") {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

fn functions(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line
            .trim_start()
            .trim_start_matches("async ")
            .strip_prefix("fn ")?;
        Some(rest.split('(').next()?.to_owned())
    };
    text.lines().filter_map(name).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
