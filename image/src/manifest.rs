//! The manifest: one TOML file that says what an image is made of. Nothing gets in that it does not name.
//!
//! The shipped one is `image/vedette.toml`. Another one may build on it: `base = "…/vedette.toml"` and, of its own,
//! `[platform]` (as `vedette-platform pins` prints it), `[disk]` and `[probe]`.
//! Paths in it are relative to the file that they stand in.

mod platform;
mod probe;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use vedette_protocol::image::PlatformPins;

pub use platform::PlatformSection;
pub use probe::{Probe, ProbeFile};

/// The manifest, read and checked.
#[derive(Debug)]
pub struct Manifest {
    /// The file that was named on the command line.
    pub file: PathBuf,
    pub recipe: Recipe,
    /// The clone that our programs and units come from.
    pub workspace: PathBuf,
    pub disk: Disk,
    pub platform: PlatformPins,
    /// What tests add; `None` for an image for use.
    pub probe: Option<Probe>,
}

/// What a manifest without `base` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The name in os-release.
    pub name: String,
    workspace: PathBuf,
    pub packages: Packages,
    pub kernel: Kernel,
    pub modules: Modules,
    pub programs: Programs,
    pub units: Units,
    pub users: Vec<User>,
    disk: Disk,
    platform: Option<PlatformSection>,
    probe: Option<Probe>,
}

/// The Debian packages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// The Debian release.
    pub suite: String,
    /// Taken with all that they depend on.
    pub names: Vec<String>,
    /// Of these dependencies nothing is wanted: neither locked nor fetched.
    pub omit: BTreeSet<String>,
}

/// The kernel and its command line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Which Debian kernel: the package is `linux-image-FLAVOUR`.
    pub flavour: String,
    pub parameters: Vec<String>,
}

/// The only kernel modules; what they depend on comes along.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modules {
    /// The appliance does not work without them.
    pub core: Vec<String>,
    /// For hardware that may not be there.
    pub drivers: Vec<String>,
}

/// The allow-list of executable files.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Programs {
    /// Built from this workspace, into /usr/lib/vedette.
    pub ours: Vec<String>,
    /// Paths of the packages' programs.
    pub packages: Vec<PathBuf>,
    /// File names of the shared libraries that these load.
    pub libraries: Vec<String>,
}

/// The units: ours are the files of `systemd/system`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// Started at boot.
    pub default: String,
    /// Taken from Debian's systemd.
    pub packages: Vec<String>,
}

/// A user of the appliance with a group of its own. None can log in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    pub name: String,
    pub id: u32,
    pub purpose: String,
}

/// Sizes of the partitions, in MiB.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    pub esp: u64,
    /// Each of the two.
    pub root: u64,
    pub state: u64,
    pub workspace: u64,
}

/// What a manifest with `base` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extension {
    base: PathBuf,
    platform: Option<PlatformSection>,
    disk: Option<Disk>,
    probe: Option<Probe>,
}

impl Manifest {
    /// Reads the manifest for a build.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let Layers {
            recipe_file,
            mut recipe,
            extension,
        } = Layers::read(file)?;
        let folder = folder(file);
        let (platform, disk, probe) = match extension {
            None => (recipe.platform.take(), None, recipe.probe.take()),
            Some(extension) => (extension.platform, extension.disk, extension.probe),
        };
        let platform = platform.with_context(|| {
            format!(
                "{}: no [platform]: an image must know its platform; append what `vedette-platform pins` prints",
                file.display()
            )
        })?;
        let platform = platform
            .pins(folder)
            .with_context(|| format!("{}: [platform]", file.display()))?;
        let disk = disk.unwrap_or(recipe.disk);
        disk.check()
            .with_context(|| format!("{}: [disk]", file.display()))?;
        let workspace = folder_of(&recipe_file, &recipe.workspace);
        ensure!(
            workspace.join("systemd/system").is_dir(),
            "{}: workspace = {:?}: no folder systemd/system there; name the clone's root",
            recipe_file.display(),
            recipe.workspace,
        );
        for program in probe.iter().flat_map(|probe| &probe.programs) {
            ensure!(
                plain(program, "-_"),
                "{}: probe.programs: {program:?} is not a program's name",
                file.display()
            );
        }
        for parameter in probe.iter().flat_map(|probe| &probe.parameters) {
            parameter_check(parameter).with_context(|| format!("{}: probe.parameters", file.display()))?;
        }
        let probe = probe.map(|probe| probe.relative_to(folder));
        Ok(Self {
            file: file.to_owned(),
            recipe,
            workspace,
            disk,
            platform,
            probe,
        })
    }
}

/// The manifest's files as they stand, without a look at the platform.
#[derive(Debug)]
pub struct Layers {
    /// The file that `recipe` stands in; the lock stands beside it.
    pub recipe_file: PathBuf,
    pub recipe: Recipe,
    extension: Option<Extension>,
}

impl Layers {
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text = text(file)?;
        // Only to see whether there is a base; what is malformed is reported below, by name and line.
        let table: toml::Table = toml::from_str(&text).with_context(|| not_toml(file))?;
        if !table.contains_key("base") {
            let recipe: Recipe = toml::from_str(&text).with_context(|| not_manifest(file))?;
            recipe.check().with_context(|| file.display().to_string())?;
            return Ok(Self {
                recipe_file: file.to_owned(),
                recipe,
                extension: None,
            });
        }
        let extension: Extension = toml::from_str(&text).with_context(|| not_extension(file))?;
        let base = folder_of(file, &extension.base);
        let recipe: Recipe =
            toml::from_str(&self::text(&base).with_context(|| format!("{}: base", file.display()))?)
                .with_context(|| not_manifest(&base))?;
        recipe.check().with_context(|| base.display().to_string())?;
        Ok(Self {
            recipe_file: base,
            recipe,
            extension: Some(extension),
        })
    }
}

impl Recipe {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            !self.name.is_empty() && !self.name.contains(['"', '\n']),
            "name: give the image a plain name"
        );
        ensure!(
            !self.packages.names.is_empty(),
            "packages.names: name at least systemd and the kernel"
        );
        for name in self
            .packages
            .names
            .iter()
            .chain(&self.packages.omit)
            .chain([&self.packages.suite])
        {
            ensure!(
                plain(name, "+.-"),
                "packages: {name:?} is not the name of a Debian package or release"
            );
        }
        ensure!(
            plain(&self.kernel.flavour, "-"),
            "kernel.flavour: {:?} is no flavour",
            self.kernel.flavour
        );
        for parameter in &self.kernel.parameters {
            parameter_check(parameter).context("kernel.parameters")?;
        }
        for module in self.modules.core.iter().chain(&self.modules.drivers) {
            ensure!(
                plain(module, "-_"),
                "modules: {module:?} is not a module's name; write it without .ko"
            );
        }
        for program in &self.programs.packages {
            ensure!(
                program.is_absolute(),
                "programs.packages: {} must begin with /",
                program.display()
            );
        }
        for name in self.programs.ours.iter().chain(&self.programs.libraries) {
            ensure!(
                plain(name, "+.-_"),
                "programs: {name:?} is not a file's name; write it without folders"
            );
        }
        for unit in self.units.packages.iter().chain([&self.units.default]) {
            ensure!(plain(unit, "@._-"), "units: {unit:?} is not a unit's name");
        }
        let mut seen = BTreeSet::new();
        for user in &self.users {
            ensure!(plain(&user.name, "-"), "users: {:?} is no user's name", user.name);
            ensure!(
                seen.insert(user.id),
                "users: {} has the id {} of another user",
                user.name,
                user.id
            );
            ensure!(
                !user.purpose.contains([':', '\n']),
                "users: {}: purpose may not hold ':'",
                user.name
            );
        }
        Ok(())
    }
}

impl Disk {
    fn check(self) -> anyhow::Result<()> {
        for (key, size, least) in [
            ("esp", self.esp, 34),
            ("root", self.root, 8),
            ("state", self.state, 8),
            ("workspace", self.workspace, 32),
        ] {
            ensure!(
                (least..=1 << 20).contains(&size),
                "{key} = {size}: give {least} MiB or more, at most 1 TiB"
            );
        }
        Ok(())
    }
}

/// One word of a kernel command line.
fn parameter_check(parameter: &str) -> anyhow::Result<()> {
    if parameter.is_empty()
        || !parameter
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    {
        bail!("{parameter:?} is not one word; write each parameter as a string of its own");
    }
    ensure!(
        !parameter.starts_with("vedette."),
        "{parameter:?}: the builder itself writes the words vedette.*"
    );
    Ok(())
}

fn plain(name: &str, more: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || more.contains(char))
}

fn text(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading the manifest {}", file.display()))
}

fn not_toml(file: &Path) -> String {
    format!("{} is not TOML; correct the line shown", file.display())
}

fn not_manifest(file: &Path) -> String {
    format!(
        "{}: correct the key shown; image/vedette.toml is an example with every key",
        file.display()
    )
}

fn not_extension(file: &Path) -> String {
    format!(
        "{}: correct the key shown; beside `base` a manifest has only [platform], [disk] and [probe]",
        file.display()
    )
}

fn folder(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn folder_of(file: &Path, path: &Path) -> PathBuf {
    folder(file).join(path)
}

#[cfg(test)]
mod tests;
