//! Our programs, built statically from the workspace.

use std::{env, path::PathBuf};

use anyhow::Context;

use crate::{manifest::Manifest, tool::CARGO};

/// The initramfs's init, which is in no manifest: without it there is no image.
pub(crate) const INIT: &str = "vedette-init";

/// Named to cargo, so that the flags below do not reach what runs at build time.
const TARGET: &str = "x86_64-unknown-linux-gnu";
const PROFILE: &str = "image";
/// Where they are, with and without a probe. Named too, or what the platform and the tests want of shared crates would
/// be built into the image.
const PACKAGES: [&str; 4] = [
    "vedette-daemon",
    "vedette-image",
    "vedette-probe",
    "vedette-scanner",
];

/// Builds them, and returns the folder that they are in.
pub(crate) fn build(manifest: &Manifest) -> anyhow::Result<PathBuf> {
    let workspace = manifest.workspace.canonicalize();
    let workspace = workspace.with_context(|| format!("locating {}", manifest.workspace.display()))?;
    let mut call = CARGO
        .call()?
        .args(["build", "--locked", "--profile", PROFILE, "--target", TARGET])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", flags()?)
        .folder(&workspace);
    for package in PACKAGES {
        call = call.args(["--package", package]);
    }
    for name in names(manifest) {
        call = call.args(["--bin", name]);
    }
    call.run_shown().context("building the programs of the image")?;
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |dir| workspace.join(dir));
    Ok(target.join(TARGET).join(PROFILE))
}

fn names(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let probes = manifest.probe.iter().flat_map(|probe| &probe.programs);
    let ours = manifest.recipe.programs.ours.iter().chain(probes);
    ours.map(String::as_str).chain([INIT])
}

/// Static, and without the path of this machine's crates in the programs' panic messages. Our own sources cargo names
/// by their place in the workspace, wherever that is; so clones on one machine share what is built of the crates.
fn flags() -> anyhow::Result<String> {
    let crates = match env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => env::home_dir()
            .context("finding cargo's folder: neither CARGO_HOME nor HOME is set")?
            .join(".cargo"),
    };
    Ok(format!(
        "-C target-feature=+crt-static --remap-path-prefix={}=cargo",
        crates.display()
    ))
}
