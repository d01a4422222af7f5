//! The cache of packages: a folder outside the clone, in which every file is known by its hash.

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use crate::{
    apt::Apt,
    lock::{Lock, Package},
};

/// A folder of packages.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
}

/// Why a lock cannot be built from: the mirror has moved on.
#[derive(Debug, thiserror::Error)]
#[error("the lock is stale: neither the cache nor the mirror has {}", packages.join(", "))]
pub(crate) struct StaleLock {
    packages: Vec<String>,
    #[source]
    cause: anyhow::Error,
}

impl Cache {
    /// The given folder, or `vedette` in the user's cache, or /var/cache/vedette.
    pub(crate) fn open(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let folder = folder.unwrap_or_else(|| match env::var_os("XDG_CACHE_HOME") {
            Some(home) if Path::new(&home).is_absolute() => Path::new(&home).join("vedette"),
            _ => PathBuf::from("/var/cache/vedette"),
        });
        let packages = folder.join("packages");
        fs::create_dir_all(&packages).with_context(|| {
            format!(
                "making the cache {}; name another folder with --cache",
                packages.display()
            )
        })?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The locked packages as files, in the lock's order: out of the cache, else from the mirror.
    ///
    /// The error is a [`StaleLock`] when a package is nowhere to be had.
    pub(crate) fn packages(&self, lock: &Lock, apt: &Apt) -> anyhow::Result<Vec<PathBuf>> {
        let missing: Vec<&Package> = lock
            .packages
            .iter()
            .filter(|package| !self.holds(package))
            .collect();
        if !missing.is_empty() {
            let fetched = apt
                .update()
                .and_then(|()| apt.fetch(&missing, &self.folder.join("packages")));
            let absent: Vec<String> = missing
                .iter()
                .filter(|package| !self.holds(package))
                .map(|package| format!("{} {}", package.name, package.version))
                .collect();
            match fetched {
                Err(cause) if !absent.is_empty() => {
                    return Err(StaleLock {
                        packages: absent,
                        cause,
                    }
                    .into());
                }
                _ => ensure!(
                    absent.is_empty(),
                    "the mirror gave other files than the locked ones: {absent:?}"
                ),
            }
        }
        Ok(lock.packages.iter().map(|package| self.path(package)).collect())
    }

    fn path(&self, package: &Package) -> PathBuf {
        self.folder.join("packages").join(package.file_name())
    }

    fn holds(&self, package: &Package) -> bool {
        sha256(&self.path(package)).is_ok_and(|hash| hash == package.sha256)
    }
}

/// The hash of a file, in hex.
pub(crate) fn sha256(file: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(file)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hex(&hash.finalize()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use vedette_protocol::time::Timestamp;

    use super::*;

    fn package(sha256: &str) -> Package {
        Package {
            name: "a".to_owned(),
            version: "1".to_owned(),
            sha256: sha256.to_owned(),
            size: 3,
            suite: "bookworm".to_owned(),
            path: "pool/a.deb".to_owned(),
        }
    }

    /// Of "abc", as FIPS 180-2 has it.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_cached_package_counts_only_with_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path().to_owned())).unwrap();
        let package = package(ABC);
        assert!(!cache.holds(&package));
        fs::write(cache.path(&package), "abd").unwrap();
        assert!(!cache.holds(&package));
        fs::write(cache.path(&package), "abc").unwrap();
        assert!(cache.holds(&package));
    }

    #[test]
    fn a_package_that_is_nowhere_makes_the_lock_stale() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Some(folder.path().to_owned())).unwrap();
        let sources = folder.path().join("none.list");
        fs::write(&sources, "").unwrap();
        let apt = Apt::new(folder.path(), Some(&sources)).unwrap();
        let lock = Lock {
            time: Timestamp(0),
            suite: "bookworm".to_owned(),
            names: vec![],
            omit: vec![],
            packages: vec![package(ABC)],
        };
        let error = cache.packages(&lock, &apt).unwrap_err();
        assert!(error.downcast_ref::<StaleLock>().is_some(), "{error:#}");
    }
}
