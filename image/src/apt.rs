//! The mirror: apt resolves and fetches, in folders of its own in the cache, from the host's sources.
//!
//! apt checks the archive's signatures when it resolves; afterwards the lock's hashes are what counts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use vedette_protocol::time::Timestamp;

use crate::{
    lock::{Lock, Package},
    manifest::Packages,
    tool::{APT_CACHE, APT_GET, APT_HELPER, Call, Tool},
};

/// apt with a state of its own: nothing on the host changes, and nothing installed there counts.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    sources: Option<PathBuf>,
}

/// Only Debian's own archive is asked, whatever else the host's sources name.
const PREFERENCES: &str = "\
Package: *
Pin: release o=Debian
Pin-Priority: 990

Package: *
Pin: origin *
Pin-Priority: -1
";

impl Apt {
    /// `sources` replaces the host's sources (sources.list(5), one-line or deb822 by its name's end).
    pub(crate) fn new(cache: &Path, sources: Option<&Path>) -> anyhow::Result<Self> {
        let folder = std::path::absolute(cache.join("apt")).context("locating the cache")?;
        for part in ["state/lists/partial", "cache/archives/partial", "preferences.d"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
        }
        fs::write(folder.join("status"), "").context("writing apt's empty status")?;
        fs::write(folder.join("preferences"), PREFERENCES).context("writing apt's preferences")?;
        let sources = sources
            .map(std::path::absolute)
            .transpose()
            .context("locating the sources")?;
        Ok(Self { folder, sources })
    }

    /// Fetches the mirror's index.
    pub(crate) fn update(&self) -> anyhow::Result<()> {
        self.call(APT_GET)?
            .args(["update", "-q", "-o", "APT::Update::Error-Mode=any"])
            .run()
            .map(drop)
            .context("asking the mirrors of apt's sources for their packages; are they reachable?")
    }

    /// The closure of the packages asked for, as the mirror has it now.
    pub(crate) fn resolve(&self, asked: &Packages, now: Timestamp) -> anyhow::Result<Lock> {
        let listed = self
            .call(APT_GET)?
            .args(["install", "--print-uris", "-qq", "-y", "--no-install-recommends"])
            .args(&asked.names)
            .run()
            .with_context(|| {
                format!(
                    "resolving the packages; do apt's sources name Debian {}? (or give --sources)",
                    asked.suite
                )
            })?;
        let chosen: Vec<Chosen> = listed
            .lines()
            .filter(|line| line.starts_with('\''))
            .map(chosen)
            .collect::<Result<_, _>>()?;
        let chosen: Vec<Chosen> = chosen
            .into_iter()
            .filter(|one| !asked.omit.contains(&one.name))
            .collect();
        let mirrors = self.mirrors()?;
        let records = self
            .call(APT_CACHE)?
            .args(["show", "--no-all-versions"])
            .args(chosen.iter().map(|one| format!("{}={}", one.name, one.version)))
            .run()
            .context("reading the packages' records")?;
        let mut packages = Vec::new();
        for record in records.split("\n\n").filter(|record| !record.trim().is_empty()) {
            packages.push(package(record, &chosen, &mirrors, &asked.suite)?);
        }
        packages.sort();
        packages.dedup_by(|a, b| a.name == b.name);
        ensure!(
            packages.len() == chosen.len(),
            "apt chose {} packages and has records of {}",
            chosen.len(),
            packages.len()
        );
        Ok(Lock {
            time: now,
            suite: asked.suite.clone(),
            names: asked.names.clone(),
            omit: asked.omit.iter().cloned().collect(),
            packages,
        })
    }

    /// Fetches packages into `folder`; what cannot be had is left out, the caller looks.
    pub(crate) fn fetch(&self, packages: &[&Package], folder: &Path) -> anyhow::Result<()> {
        let folder = std::path::absolute(folder).context("locating the cache")?;
        let mirrors = self.mirrors()?;
        let mut first_failure = None;
        for package in packages {
            let fetched = self.fetch_one(package, &mirrors, &folder);
            first_failure = first_failure.or_else(|| fetched.err());
        }
        match first_failure {
            Some(failure) => Err(failure).context("fetching from the mirror"),
            None => Ok(()),
        }
    }

    fn fetch_one(&self, package: &Package, mirrors: &[Mirror], folder: &Path) -> anyhow::Result<()> {
        let mirror = mirrors
            .iter()
            .find(|mirror| mirror.suite == package.suite)
            .with_context(|| format!("apt's sources do not name the suite {}", package.suite))?;
        self.call(APT_HELPER)?
            .args(["download-file", &format!("{}{}", mirror.base, package.path)])
            .arg(folder.join(package.file_name()))
            .arg(format!("SHA256:{}", package.sha256))
            .run()
            .map(drop)
    }

    fn mirrors(&self) -> anyhow::Result<Vec<Mirror>> {
        let listed = self
            .call(APT_GET)?
            .args([
                "indextargets",
                "--format",
                "$(CODENAME) $(REPO_URI)",
                "Created-By: Packages",
            ])
            .run()
            .context("reading apt's sources")?;
        Ok(listed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(suite, base)| Mirror {
                suite: suite.to_owned(),
                base: base.to_owned(),
            })
            .collect())
    }

    fn call(&self, tool: Tool) -> anyhow::Result<Call> {
        let at = |part: &str| self.folder.join(part).display().to_string();
        let mut options = vec![
            format!("Dir::State={}", at("state")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            format!("Dir::Etc::Preferences={}", at("preferences")),
            format!("Dir::Etc::PreferencesParts={}", at("preferences.d")),
            "APT::Architecture=amd64".to_owned(),
            "APT::Architectures=amd64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
        ];
        if let Some(sources) = &self.sources {
            options.push(format!("Dir::Etc::SourceList={}", sources.display()));
            options.push("Dir::Etc::SourceParts=/dev/null".to_owned());
        }
        let mut call = tool.call()?;
        for option in options {
            call = call.arg("-o").arg(option);
        }
        Ok(call)
    }
}

struct Mirror {
    suite: String,
    base: String,
}

/// What apt would install, from a line `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE HASH`.
struct Chosen {
    name: String,
    version: String,
    uri: String,
}

fn chosen(line: &str) -> anyhow::Result<Chosen> {
    let parsed = || {
        let (uri, rest) = line.strip_prefix('\'')?.split_once("' ")?;
        let mut parts = rest.split(' ').next()?.strip_suffix(".deb")?.split('_');
        let (name, version) = (parts.next()?, parts.next()?);
        Some(Chosen {
            name: name.to_owned(),
            version: version.replace("%3a", ":"),
            uri: uri.to_owned(),
        })
    };
    parsed().with_context(|| format!("apt printed a line that is not understood: {line}"))
}

/// Reads a record of the mirror's index.
fn package(record: &str, chosen: &[Chosen], mirrors: &[Mirror], suite: &str) -> anyhow::Result<Package> {
    let fields: BTreeMap<&str, &str> = record.lines().filter_map(|line| line.split_once(": ")).collect();
    let field = |name: &str| {
        fields
            .get(name)
            .map(|value| (*value).to_owned())
            .with_context(|| format!("a package's record has no {name}"))
    };
    let (name, path) = (field("Package")?, field("Filename")?);
    let uri = chosen
        .iter()
        .find(|one| one.name == name)
        .map(|one| one.uri.as_str());
    let from = |mirror: &&Mirror| {
        let written = uri.and_then(|uri| uri.strip_prefix(mirror.base.as_str()));
        written.is_some_and(|written| decoded(written) == path)
    };
    let Some(mirror) = mirrors.iter().find(from) else {
        bail!("apt has {name} from a mirror that its sources do not name");
    };
    ensure!(
        mirror.suite.starts_with(suite),
        "apt has {name} from the suite {}, and the manifest asks for {suite}",
        mirror.suite
    );
    let size = field("Size")?
        .parse()
        .with_context(|| format!("the size of {name}"))?;
    Ok(Package {
        version: field("Version")?,
        sha256: field("SHA256")?,
        size,
        suite: mirror.suite.clone(),
        name,
        path,
    })
}

/// Undoes the percent-encoding that apt writes URIs in.
fn decoded(uri: &str) -> String {
    let mut plain = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let code = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if code.is_ascii() => {
                plain.push(char::from(code));
                rest = &after[2..];
            }
            _ => {
                plain.push('%');
                rest = after;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "\
Package: libattr1
Source: attr
Version: 1:2.5.1-4
Description: extended attribute handling
 continued: here
Filename: pool/main/a/attr/libattr1_2.5.1+1_amd64.deb
Size: 22164
SHA256: c4945123d66d0503ba42e2fc0585abc76d0838978c6d277b9cc37a4da25d1a34
";

    fn mirrors() -> Vec<Mirror> {
        let mirror = |suite: &str, base: &str| Mirror {
            suite: suite.to_owned(),
            base: base.to_owned(),
        };
        vec![
            mirror("bookworm", "http://mirror.invalid/debian/"),
            mirror("bookworm-security", "http://mirror.invalid/security/"),
        ]
    }

    #[test]
    fn a_choice_and_its_record_become_a_locked_package() {
        let line = "'http://mirror.invalid/security/pool/main/a/attr/libattr1_2.5.1%2b1_amd64.deb' \
                    libattr1_1%3a2.5.1-4_amd64.deb 22164 ";
        let chosen = chosen(line).unwrap();
        assert_eq!(
            (chosen.name.as_str(), chosen.version.as_str()),
            ("libattr1", "1:2.5.1-4")
        );
        let package = package(RECORD, &[chosen], &mirrors(), "bookworm").unwrap();
        assert_eq!(
            (package.suite.as_str(), package.size),
            ("bookworm-security", 22164)
        );
        assert_eq!(package.path, "pool/main/a/attr/libattr1_2.5.1+1_amd64.deb");
    }

    #[test]
    fn a_package_from_elsewhere_is_refused() {
        let elsewhere =
            chosen("'http://other.invalid/pool/a.deb' libattr1_1%3a2.5.1-4_amd64.deb 22164 ").unwrap();
        assert!(package(RECORD, &[elsewhere], &mirrors(), "bookworm").is_err());
        assert!(chosen("'http://other.invalid").is_err());
    }

    #[test]
    fn percent_encoding_is_undone() {
        assert_eq!(decoded("a%2bb%7e%"), "a+b~%");
        assert_eq!(decoded("%zz%f"), "%zz%f");
    }
}
