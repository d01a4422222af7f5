//! The allow-list of executable files, checked on the finished root whatever way a file got in.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::elf::is_elf;

/// Set-user-ID, set-group-ID.
const SPECIAL: u32 = 0o6000;

/// Ends with an error that names every file that could be executed and is not allowed.
pub(super) fn check(root: &Path, allowed: &BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let mut strangers = Vec::new();
    walk(root, &mut |path| {
        let metadata = fs::symlink_metadata(path)?;
        if !metadata.is_file() {
            return Ok(());
        }
        let mode = metadata.permissions().mode();
        let bytes = fs::read(path)?;
        let executable = mode & 0o111 != 0 || is_elf(&bytes) || bytes.starts_with(b"#!");
        let inside = Path::new("/").join(path.strip_prefix(root).unwrap_or(path));
        if mode & SPECIAL != 0 || (executable && !allowed.contains(&inside)) {
            strangers.push(inside.display().to_string());
        }
        Ok(())
    })
    .with_context(|| format!("looking through {}", root.display()))?;
    strangers.sort();
    ensure!(
        strangers.is_empty(),
        "executable files that the manifest's [programs] does not allow: {}; name them there or leave them out",
        strangers.join(", ")
    );
    Ok(())
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path) -> std::io::Result<()>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if fs::symlink_metadata(&path)?.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &[u8], u32)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("usr/bin")).unwrap();
        for (name, bytes, mode) in files {
            let file = folder.path().join("usr/bin").join(name);
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode)).unwrap();
        }
        folder
    }

    #[test]
    fn a_program_that_is_not_named_is_found_however_it_is_disguised() {
        for (bytes, mode) in [
            (&b"\x7fELF\x02\x01"[..], 0o644),
            (b"#!/bin/sh\n", 0o644),
            (b"anything", 0o755),
            (b"anything", 0o4644),
        ] {
            let root = root(&[("stranger", bytes, mode)]);
            let error = check(root.path(), &BTreeSet::new()).unwrap_err().to_string();
            assert!(error.contains("/usr/bin/stranger"), "{error}");
        }
    }

    #[test]
    fn named_programs_and_data_pass() {
        let root = root(&[("program", b"\x7fELF", 0o755), ("data", b"text", 0o644)]);
        check(root.path(), &[PathBuf::from("/usr/bin/program")].into()).unwrap();
    }

    #[test]
    fn a_set_user_id_program_is_refused_even_if_named() {
        let root = root(&[("program", b"\x7fELF", 0o4755)]);
        assert!(check(root.path(), &[PathBuf::from("/usr/bin/program")].into()).is_err());
    }
}
