//! Our programs: built statically from the workspace, unless a folder with them is given.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::{manifest::Manifest, tool::CARGO};

/// The initramfs's init, which is in no manifest: without it there is no image.
pub(crate) const INIT: &str = "vedette-init";

/// Named to cargo, so that the flags below do not reach what runs at build time.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "image";

/// The folder with the programs of the image.
pub(crate) fn folder(manifest: &Manifest, given: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let folder = match given {
        Some(folder) => folder,
        None => build(manifest)?,
    };
    let missing: Vec<&str> = names(manifest)
        .filter(|name| !folder.join(name).is_file())
        .collect();
    ensure!(
        missing.is_empty(),
        "{} has no program {}",
        folder.display(),
        missing.join(", ")
    );
    Ok(folder)
}

fn names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let probes = manifest.probe.iter().flat_map(|probe| &probe.programs);
    let ours = manifest.recipe.programs.ours.iter().chain(probes);
    ours.map(String::as_str).chain([INIT])
}

fn build(manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let workspace = std::path::absolute(&manifest.workspace).context("locating the workspace")?;
    let mut call = CARGO
        .call()?
        .args(["build", "--locked", "--profile", PROFILE, "--target", TARGET])
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            flags(&workspace),
        )
        .folder(&workspace);
    for name in names(manifest) {
        call = call.args(["--bin", name]);
    }
    call.run_shown().context("building the programs of the image")?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir));
    Ok(target.join(TARGET).join(PROFILE))
}

/// Static, and without the path of the clone in the programs' panic messages.
fn flags(workspace: &Path) -> String {
    format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=",
        workspace.display()
    )
}
