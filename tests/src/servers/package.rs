//! Debian's packages of the servers: what is missing is installed; what excludes others is unpacked into a folder of the
//! cache.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Place, Server};
use crate::programs::output_of;

/// The packages of some servers, at hand.
#[derive(Debug)]
pub struct Packages {
    root: PathBuf,
    versions: BTreeMap<&'static str, String>,
}

impl Packages {
    /// Those of servers that are installed already; what is not, is named with its cure.
    pub fn installed(servers: &[&'static Server]) -> Result<Self> {
        let versions = servers
            .iter()
            .map(|server| Ok((server.package, version(server.package)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            root: PathBuf::from("/"),
            versions,
        })
    }

    /// Installs and unpacks what is missing.
    pub fn provide(servers: &[&'static Server]) -> Result<Self> {
        let missing: Vec<&str> = servers
            .iter()
            .filter(|server| server.package_is == Place::Installed && version(server.package).is_err())
            .map(|server| server.package)
            .collect();
        if !missing.is_empty() {
            // RUNLEVEL: nothing that is installed is started.
            output_of(
                Command::new("apt-get")
                    .env("RUNLEVEL", "1")
                    .env("DEBIAN_FRONTEND", "noninteractive")
                    .args(["install", "-q", "-y", "--no-remove", "--no-install-recommends"])
                    .args(&missing),
            )?;
        }
        let root = cache()?;
        let mut versions = BTreeMap::new();
        for server in servers {
            let found = match server.package_is {
                Place::Installed => version(server.package)?,
                Place::Unpacked(beside) => {
                    beside
                        .iter()
                        .try_for_each(|package| unpack(package, &root).map(drop))?;
                    unpack(server.package, &root)?
                }
            };
            versions.insert(server.package, found);
        }
        Ok(Self { root, versions })
    }

    /// Where packages are unpacked.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The version of a server's package.
    pub fn version(&self, server: &Server) -> &str {
        self.versions.get(server.package).map_or("", String::as_str)
    }
}

/// What dpkg says that is installed.
pub fn version(package: &str) -> Result<String> {
    output_of(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))
        .with_context(|| format!("{package} is not installed; see tests/packages"))
}

/// Unpacks a package once; says its version.
fn unpack(package: &str, root: &Path) -> Result<String> {
    let archive = |root: &Path| -> Result<Option<PathBuf>> {
        let mut files = fs::read_dir(root)?.flatten().map(|entry| entry.path());
        Ok(files.find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.split('_').next() == Some(package) && path.extension() == Some(OsStr::new("deb"))
        }))
    };
    let path = match archive(root)? {
        Some(path) => path,
        None => {
            output_of(
                Command::new("apt-get")
                    .args(["download", "-q", package])
                    .current_dir(root),
            )?;
            let path = archive(root)?.with_context(|| format!("apt-get brought no {package}"))?;
            output_of(
                Command::new("dpkg-deb")
                    .arg("-x")
                    .args([&path, &root.to_path_buf()]),
            )?;
            path
        }
    };
    let version = output_of(Command::new("dpkg-deb").arg("-f").arg(path).arg("Version"))?;
    Ok(version.trim().to_owned())
}

fn cache() -> Result<PathBuf> {
    let cache = match env::var_os("VEDETTE_CACHE") {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("neither VEDETTE_CACHE nor HOME is set")?)
            .join(".cache/vedette"),
    };
    let root = cache.join("servers");
    fs::create_dir_all(&root).with_context(|| format!("making {}", root.display()))?;
    Ok(root)
}
