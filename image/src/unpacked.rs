//! The locked packages, unpacked side by side without their scripts: what the root and the initramfs take from.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, bail, ensure};

use crate::tool::DPKG_DEB;

/// A folder with the packages' files.
#[derive(Debug)]
pub(crate) struct Unpacked {
    folder: PathBuf,
}

/// As deep as symbolic links lead into one another.
const LINKS: usize = 16;

impl Unpacked {
    pub(crate) fn unpack(packages: &[PathBuf], folder: PathBuf) -> anyhow::Result<Self> {
        for package in packages {
            DPKG_DEB
                .call()?
                .arg("--extract")
                .arg(package)
                .arg(&folder)
                .run()
                .with_context(|| format!("unpacking {}", package.display()))?;
        }
        Ok(Self { folder })
    }

    /// Finds a file of the packages by its path in the root, which has /bin, /sbin and /lib merged into /usr.
    pub(crate) fn find(&self, path: &Path) -> anyhow::Result<PathBuf> {
        let mut path = merged(path);
        for _ in 0..LINKS {
            let Some(found) = self.lookup(&path) else { break };
            let kind = fs::symlink_metadata(&found)
                .with_context(|| found.display().to_string())?
                .file_type();
            if !kind.is_symlink() {
                return Ok(found);
            }
            let link = fs::read_link(&found).with_context(|| found.display().to_string())?;
            path = merged(&path.parent().unwrap_or(&path).join(link));
        }
        bail!("no package has the file {}", path.display())
    }

    /// The only entry of `folder` whose name begins with `prefix`.
    pub(crate) fn only(&self, folder: &str, prefix: &str) -> anyhow::Result<PathBuf> {
        let folder = self.lookup(Path::new(folder)).with_context(|| {
            format!("no package has the folder {folder}; is a kernel among the packages?")
        })?;
        let mut found = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry.with_context(|| folder.display().to_string())?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path());
            }
        }
        ensure!(
            found.len() == 1,
            "the packages have {} files {}/{prefix}…, one is needed",
            found.len(),
            folder.display()
        );
        found.pop().context("one was found")
    }

    /// Packages of one release may still use either side of the merger.
    fn lookup(&self, path: &Path) -> Option<PathBuf> {
        let inside = path.strip_prefix("/").ok()?;
        let unmerged = inside.strip_prefix("usr").ok();
        [Some(inside), unmerged]
            .into_iter()
            .flatten()
            .map(|inside| self.folder.join(inside))
            .find(|path| fs::symlink_metadata(path).is_ok())
    }
}

/// The absolute path without `.` and `..`, below /usr where the root has it there.
fn merged(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => (),
        }
    }
    let inside = plain.strip_prefix("/").unwrap_or(&plain);
    match inside.components().next() {
        Some(Component::Normal(first))
            if ["bin", "sbin", "lib", "lib64"].iter().any(|name| first == *name) =>
        {
            Path::new("/usr").join(inside)
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_on_either_side_of_the_merger_and_through_links() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("lib/x")).unwrap();
        fs::create_dir_all(folder.path().join("usr/lib/y")).unwrap();
        fs::write(folder.path().join("lib/x/a.so.1.2"), "").unwrap();
        std::os::unix::fs::symlink("/lib/x/a.so.1.2", folder.path().join("usr/lib/y/a.so.1")).unwrap();
        std::os::unix::fs::symlink("../y/a.so.1", folder.path().join("lib/x/a.so")).unwrap();
        let unpacked = Unpacked {
            folder: folder.path().to_owned(),
        };
        for path in [
            "/lib/x/a.so.1.2",
            "/usr/lib/x/a.so.1.2",
            "/usr/lib/y/a.so.1",
            "/usr/lib/x/a.so",
        ] {
            assert!(
                unpacked
                    .find(Path::new(path))
                    .unwrap()
                    .ends_with("lib/x/a.so.1.2"),
                "{path}"
            );
        }
        assert!(unpacked.find(Path::new("/usr/lib/nothing")).is_err());
        assert!(unpacked.only("/usr/lib/x", "a.so.1").is_ok());
    }

    #[test]
    fn links_that_lead_in_a_circle_end() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("b", folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("b")).unwrap();
        let unpacked = Unpacked {
            folder: folder.path().to_owned(),
        };
        assert!(unpacked.find(Path::new("/a")).is_err());
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(merged(Path::new("/lib/../../../etc/x")), Path::new("/etc/x"));
        assert_eq!(merged(Path::new("sbin/x")), Path::new("/usr/sbin/x"));
    }
}
