//! What systemd itself says of each unit's sandbox, without running it: `systemd-analyze security --offline`.
//!
//! The figures are on record in `exposure.txt`; a worse one fails here, and so does a better one that is not recorded.
#![cfg(test)]

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

/// Units that may not get worse than this, whatever the record says.
const BOUNDS: [(&str, f64); 4] = [
    ("vedetted.service", 1.5),
    ("vedette-worker@.service", 1.5),
    ("vedette-keeper.service", 3.0),
    ("vedette-vault.service", 1.5),
];

fn folder(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every service of ours, with its exposure from 0 (shut) to 10 (open).
fn measured() -> BTreeMap<String, f64> {
    let mut units: Vec<PathBuf> = fs::read_dir(folder("../systemd/system"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "service"))
        .collect();
    units.sort();
    units
        .iter()
        .map(|unit| {
            (
                unit.file_name().unwrap().to_str().unwrap().to_owned(),
                exposure(unit),
            )
        })
        .collect()
}

fn exposure(unit: &PathBuf) -> f64 {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .env("LC_ALL", "C")
        .output()
        .expect("systemd-analyze is there (package systemd)");
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said
        .lines()
        .find(|line| line.contains("Overall exposure level"))
        .unwrap_or_else(|| {
            panic!(
                "no verdict on {}: {said}{}",
                unit.display(),
                String::from_utf8_lossy(&output.stderr)
            )
        });
    let figure = line.split_whitespace().find_map(|word| word.parse().ok());
    figure.unwrap_or_else(|| panic!("no figure in {line:?}"))
}

#[test]
fn exposure_is_as_recorded_and_within_bounds() {
    let measured = measured();
    let recorded = fs::read_to_string(folder("tests/exposure.txt")).unwrap();
    let table: String = measured
        .iter()
        .map(|(unit, figure)| format!("{unit} {figure:.1}\n"))
        .collect();
    assert_eq!(
        table, recorded,
        "tests/exposure.txt should hold what stands on the left"
    );
    for (unit, bound) in BOUNDS {
        assert!(
            measured[unit] <= bound,
            "{unit}: {} is more than {bound}",
            measured[unit]
        );
    }
}
