//! The lock: every Debian package of the image by version and hash, so that two builds unpack the same bytes.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs,
    path::Path,
};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use vedette_protocol::time::Timestamp;

use crate::manifest::Packages;

/// Name of the lock, beside the manifest.
pub(crate) const FILE: &str = "vedette.lock";

const HEADER: &str = "\
# Every package of the image, by version and hash. Written by `vedette-image lock --update`; do not edit.
";

/// A resolved set of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lock {
    /// When it was resolved; the image's build time, unless SOURCE_DATE_EPOCH says otherwise.
    pub time: Timestamp,
    /// The manifest's `packages`, for which this was resolved.
    pub suite: String,
    pub names: Vec<String>,
    pub omit: Vec<String>,
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    pub sha256: String,
    pub size: u64,
    /// The suite that has it, such as `bookworm-security`.
    pub suite: String,
    /// Where it is in that suite's mirror.
    pub path: String,
}

impl Lock {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| {
            format!(
                "reading the lock {}; `vedette-image lock --update` writes one",
                file.display()
            )
        })?;
        Self::parse(&text)
            .with_context(|| format!("{}; `vedette-image lock --update` writes it anew", file.display()))
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let lock: Self = toml::from_str(text)?;
        for package in &lock.packages {
            package
                .check()
                .with_context(|| format!("package {:?}", package.name))?;
        }
        Ok(lock)
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = format!(
            "{HEADER}{}",
            toml::to_string(self).context("writing the lock as TOML")?
        );
        fs::write(file, text).with_context(|| format!("writing the lock {}", file.display()))
    }

    /// Whether it was resolved for what this manifest asks.
    pub(crate) fn answers(&self, asked: &Packages) -> bool {
        let Packages { suite, names, omit } = asked;
        self.suite == *suite && self.names == *names && self.omit.iter().eq(omit)
    }

    /// What changes when `self` gives way to `new`.
    pub(crate) fn difference(&self, new: &Self) -> Difference {
        let by_name = |lock: &Self| -> BTreeMap<String, Package> {
            lock.packages
                .iter()
                .map(|package| (package.name.clone(), package.clone()))
                .collect()
        };
        let (old, new) = (by_name(self), by_name(new));
        let mut changes = Vec::new();
        for (name, Package { version, sha256, .. }) in &old {
            let (name, version) = (name.clone(), version.clone());
            match new.get(&name) {
                None => changes.push(Change::Gone { name, version }),
                Some(to) if to.version != version => {
                    changes.push(Change::Moved {
                        name,
                        from: version,
                        to: to.version.clone(),
                    });
                }
                Some(to) if to.sha256 != *sha256 => changes.push(Change::OtherBytes { name, version }),
                Some(_) => (),
            }
        }
        for (name, Package { version, .. }) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            changes.push(Change::New {
                name: name.clone(),
                version: version.clone(),
            });
        }
        Difference(changes)
    }
}

impl Package {
    /// The lock names files and is read from a clone that others may have written to.
    fn check(&self) -> anyhow::Result<()> {
        let plain = |text: &str, more: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|char| char.is_ascii_alphanumeric() || more.contains(char))
        };
        ensure!(plain(&self.name, "+.-"), "this is no package's name");
        ensure!(plain(&self.version, "+.:~-"), "{:?} is no version", self.version);
        ensure!(plain(&self.suite, "-"), "{:?} is no suite", self.suite);
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        ensure!(
            self.sha256.len() == 64 && self.sha256.bytes().all(hex),
            "{:?} is no SHA-256",
            self.sha256
        );
        let path = plain(&self.path, "+.~_/-") && !self.path.starts_with('/') && !self.path.contains("..");
        ensure!(
            path && self.path.ends_with(".deb"),
            "{:?} is no path in a mirror",
            self.path
        );
        Ok(())
    }

    /// Its file name in the cache.
    pub(crate) fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.replace(':', "%3a"),
            &self.sha256[..16]
        )
    }
}

/// What a renewed lock changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference(Vec<Change>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// The archive never does this: one of the two was tampered with, or is damaged.
    OtherBytes {
        name: String,
        version: String,
    },
    New {
        name: String,
        version: String,
    },
    Gone {
        name: String,
        version: String,
    },
    Moved {
        name: String,
        from: String,
        to: String,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("  no package changes\n");
        }
        for change in &self.0 {
            match change {
                Change::OtherBytes { name, version } => {
                    writeln!(
                        f,
                        "  ! {name} {version} is not the file that was locked under this version"
                    )?;
                }
                Change::New { name, version } => writeln!(f, "  + {name} {version}")?,
                Change::Gone { name, version } => writeln!(f, "  - {name} {version}")?,
                Change::Moved { name, from, to } => writeln!(f, "  ~ {name} {from} -> {to}")?,
            }
        }
        f.write_char('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            sha256: "0f".repeat(32),
            size: 4,
            suite: "bookworm".to_owned(),
            path: format!("pool/main/x/{name}.deb"),
        }
    }

    fn lock(packages: &[Package]) -> Lock {
        Lock {
            time: Timestamp(1_763_800_000),
            suite: "bookworm".to_owned(),
            names: vec!["systemd".to_owned()],
            omit: vec!["perl-base".to_owned()],
            packages: packages.to_vec(),
        }
    }

    #[test]
    fn a_lock_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let lock = lock(&[
            package("libc6", "2.36-9+deb12u14"),
            package("systemd", "252.39-1~deb12u2"),
        ]);
        lock.write(&file).unwrap();
        assert_eq!(Lock::read(&file).unwrap(), lock);
    }

    #[test]
    fn a_lock_that_leads_elsewhere_is_refused() {
        let spoil: [fn(&mut Package); 6] = [
            |package| package.name = "../x".to_owned(),
            |package| package.version = "1 2".to_owned(),
            |package| package.sha256 = "0F".repeat(32),
            |package| package.path = "/etc/x.deb".to_owned(),
            |package| package.path = "pool/../../x.deb".to_owned(),
            |package| package.suite = String::new(),
        ];
        for spoil in spoil {
            let mut lock = lock(&[package("libc6", "1")]);
            spoil(&mut lock.packages[0]);
            let text = toml::to_string(&lock).unwrap();
            assert!(Lock::parse(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_malformed_lock_names_the_cure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        for text in ["", "time = 3", "[[package]]\nname = 1\n"] {
            fs::write(&file, text).unwrap();
            assert!(
                Lock::read(&file)
                    .unwrap_err()
                    .to_string()
                    .contains("lock --update"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_lock_answers_only_what_it_was_resolved_for() {
        let lock = lock(&[]);
        let asked = Packages {
            suite: "bookworm".to_owned(),
            names: vec!["systemd".to_owned()],
            omit: ["perl-base".to_owned()].into(),
        };
        assert!(lock.answers(&asked));
        let more = Packages {
            names: vec!["systemd".to_owned(), "nftables".to_owned()],
            ..asked.clone()
        };
        assert!(!lock.answers(&more));
        assert!(!lock.answers(&Packages {
            omit: [].into(),
            ..asked
        }));
    }

    #[test]
    fn the_difference_names_what_came_went_and_moved() {
        let old = lock(&[package("a", "1"), package("b", "1"), package("c", "1")]);
        let new = lock(&[package("b", "1"), package("c", "2"), package("d", "1")]);
        assert_eq!(
            old.difference(&new).to_string(),
            "  - a 1\n  ~ c 1 -> 2\n  + d 1\n\n"
        );
        assert_eq!(old.difference(&old).to_string(), "  no package changes\n");
    }

    #[test]
    fn other_bytes_under_the_same_version_are_pointed_out() {
        let (old, mut new) = (lock(&[package("a", "1")]), lock(&[package("a", "1")]));
        new.packages[0].sha256 = "f0".repeat(32);
        assert!(
            old.difference(&new)
                .to_string()
                .contains("! a 1 is not the file that was locked")
        );
    }
}
