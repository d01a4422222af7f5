//! The appliance's image for one platform, built when something that goes into it has changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};
use vedette_protocol::Digest;

use crate::lab::Image;
use crate::platform::PlatformData;
use crate::programs::{Programs, as_from_a_shell, workspace};

/// Whether a build was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    Now,
    Earlier,
}

/// The image for this platform in `out`. `probe` is a `[probe]` section for the manifest, or empty.
pub fn image(programs: &Programs, data: &PlatformData, out: &Path, probe: &str) -> Result<(Image, Made)> {
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    // Several tests want the same image: one builds it, and the others wait.
    let lock = File::create(out.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive).context("waiting for another build of the image")?;

    let manifest = out.join("manifest.toml");
    let base = workspace().join("image/vedette.toml");
    let base = base
        .canonicalize()
        .with_context(|| format!("finding {}", base.display()))?;
    let text = format!(
        "base = {}\n\n{}\n{probe}",
        toml::Value::from(base.to_string_lossy().as_ref()),
        data.pins(programs)?
    );
    fs::write(&manifest, &text).with_context(|| format!("writing {}", manifest.display()))?;

    let inputs = inputs(&text)?.to_string();
    let stamp = out.join("inputs");
    let parts = out.join("image");
    if fs::read_to_string(&stamp).is_ok_and(|before| before == inputs)
        && let Ok(image) = Image::in_dir(&parts)
    {
        return Ok((image, Made::Earlier));
    }
    let _there_is_none = fs::remove_file(&stamp);
    let log = out.join("build.log");
    let output = File::create(&log).with_context(|| format!("making {}", log.display()))?;
    let mut build = programs.command("vedette-image");
    build
        .args(["build", "--config"])
        .arg(&manifest)
        .arg("--out")
        .arg(&parts)
        .arg("--keys")
        .arg(out.join("keys"));
    build
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output);
    let built = as_from_a_shell(&mut build)
        .status()
        .context("running vedette-image")?;
    ensure!(
        built.success(),
        "the image was not built:\n{}",
        fs::read_to_string(&log).unwrap_or_default()
    );
    let image = Image::in_dir(&parts)?;
    fs::write(&stamp, inputs).with_context(|| format!("writing {}", stamp.display()))?;
    Ok((image, Made::Now))
}

/// A hash of everything that an image is made of: builds are reproducible, so the same inputs are the same image.
fn inputs(manifest: &str) -> Result<Digest> {
    let mut files = Vec::new();
    for part in PARTS {
        list(&workspace().join(part), &mut files)?;
    }
    files.sort();
    let mut digests = manifest.to_owned();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        digests.push_str(&format!("\n{} {}", file.display(), Digest::of(&bytes)));
    }
    Ok(Digest::of(digests.as_bytes()))
}

/// Adds every file at or below a path.
pub(crate) fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("listing {}", path.display()))? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}

/// What of the clone goes into an image.
const PARTS: [&str; 11] = [
    "Cargo.lock",
    "Cargo.toml",
    "crypto",
    "daemon",
    "image",
    "protocol",
    "rust-toolchain.toml",
    "scanner",
    "sys",
    "systemd",
    "tests/probe",
];
