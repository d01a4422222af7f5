//! The root file system: put together from nothing, by what the manifest names and by the files of `systemd/`.
//!
//! No package's script runs, and no package's file comes along unasked: there is no shell, no interpreter and no
//! program to log in with, because none is named.

mod accounts;
mod allow;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use vedette_protocol::image::{IMAGE_CONFIG_PATH, ImageConfig};

use crate::{
    elf::Elf,
    manifest::{Manifest, Probe},
    unpacked::Unpacked,
};

/// Where our programs and their files are.
pub(crate) const OURS: &str = "/usr/lib/vedette";
const UNITS: &str = "/usr/lib/systemd/system";
const LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";
/// libsystemd's own libraries, by the RPATH of its programs.
const SYSTEMD_LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu/systemd";
/// The loader, which the kernel starts by this path.
const LOADER: &str = "ld-linux-x86-64.so.2";

const FOLDERS: [&str; 12] = [
    "/dev",
    "/etc",
    "/proc",
    "/run",
    "/sys",
    "/tmp",
    "/usr/bin",
    "/usr/lib64",
    "/usr/sbin",
    "/var/log",
    "/var/tmp",
    "/var/lib",
];

const LINKS: [(&str, &str); 6] = [
    ("/bin", "usr/bin"),
    ("/lib", "usr/lib"),
    ("/lib64", "usr/lib64"),
    ("/sbin", "usr/sbin"),
    ("/var/run", "/run"),
    ("/etc/os-release", "../usr/lib/os-release"),
];

/// A root under construction.
#[derive(Debug)]
pub(crate) struct Root<'a> {
    folder: PathBuf,
    manifest: &'a Manifest,
    /// Paths of what may be executed or loaded.
    allowed: BTreeSet<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Data = 0o644,
    Secret = 0o600,
    Program = 0o755,
}

impl<'a> Root<'a> {
    /// Puts the root together in a new `folder`, and ends only if all that can be executed is on the allow-list.
    pub(crate) fn assemble(
        folder: PathBuf,
        manifest: &'a Manifest,
        unpacked: &Unpacked,
        programs: &Path,
        config: &ImageConfig,
    ) -> anyhow::Result<Self> {
        fs::create_dir(&folder)
            .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)))
            .with_context(|| format!("making {}", folder.display()))?;
        let mut root = Self {
            folder,
            manifest,
            allowed: BTreeSet::new(),
        };
        root.skeleton()?;
        root.identity(&config.release)?;
        root.accounts()?;
        root.package_programs(unpacked)?;
        root.own_programs(programs)?;
        root.units(unpacked)?;
        let json =
            serde_json::to_string_pretty(config).context("writing the image's configuration as JSON")?;
        root.write(IMAGE_CONFIG_PATH, json.as_bytes(), Mode::Data)?;
        if let Some(probe) = &manifest.probe {
            root.probe(probe, programs).context("adding the probe")?;
        }
        allow::check(&root.folder, &root.allowed)?;
        Ok(root)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn skeleton(&self) -> anyhow::Result<()> {
        for folder in FOLDERS {
            self.make_folder(Path::new(folder))?;
        }
        for (path, target) in LINKS {
            self.link(Path::new(path), Path::new(target))?;
        }
        self.make_folder(Path::new("/root"))?;
        let private = self.at(Path::new("/root"));
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).context("closing /root")
    }

    fn identity(&self, release: &str) -> anyhow::Result<()> {
        let name = &self.manifest.recipe.name;
        let os_release = format!(
            "NAME=\"{name}\"\nID=vedette\nVERSION_ID=\"{}\"\nPRETTY_NAME=\"{release}\"\n",
            env!("CARGO_PKG_VERSION")
        );
        self.write("/usr/lib/os-release", os_release.as_bytes(), Mode::Data)?;
        self.write("/etc/hostname", b"vedette\n", Mode::Data)?;
        self.write("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n", Mode::Data)?;
        // Empty: systemd makes one in memory at each boot, and does not take the boot for the first one.
        self.write("/etc/machine-id", b"", Mode::Data)?;
        self.write(
            "/etc/nsswitch.conf",
            b"passwd: files\ngroup: files\nshadow: files\nhosts: files\n",
            Mode::Data,
        )?;
        // nft reads the names of protocols from here.
        self.write(
            "/etc/protocols",
            b"icmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n",
            Mode::Data,
        )
    }

    fn accounts(&self) -> anyhow::Result<()> {
        for (path, text, secret) in accounts::files(&self.manifest.recipe.users) {
            self.write(
                path,
                text.as_bytes(),
                if secret { Mode::Secret } else { Mode::Data },
            )?;
        }
        Ok(())
    }

    /// Takes the named programs and libraries, and sees to it that every library that one of them loads is named.
    fn package_programs(&mut self, unpacked: &Unpacked) -> anyhow::Result<()> {
        let programs = &self.manifest.recipe.programs;
        let named: BTreeSet<&str> = programs.libraries.iter().map(String::as_str).collect();
        let mut unused = named.clone();
        unused.remove(LOADER);
        for program in &programs.packages {
            let bytes = self.take(unpacked, program, program, Mode::Program)?;
            mark_needed(program, &bytes, &named, &mut unused)?;
        }
        for name in &named {
            let places = [LIBRARIES, SYSTEMD_LIBRARIES].map(|folder| Path::new(folder).join(name));
            let place = places.iter().find(|place| unpacked.find(place).is_ok());
            let place = place.with_context(|| format!("programs.libraries: no package has {name}"))?;
            let (path, mode) = match *name {
                LOADER => (Path::new("/usr/lib64").join(name), Mode::Program),
                _ => (place.clone(), Mode::Data),
            };
            let bytes = self.take(unpacked, place, &path, mode)?;
            mark_needed(place, &bytes, &named, &mut unused)?;
        }
        ensure!(
            unused.is_empty(),
            "programs.libraries: no program loads {unused:?}; remove them from the list"
        );
        Ok(())
    }

    fn own_programs(&mut self, programs: &Path) -> anyhow::Result<()> {
        for name in &self.manifest.recipe.programs.ours {
            self.own_program(&programs.join(name), name)?;
        }
        Ok(())
    }

    fn own_program(&mut self, from: &Path, name: &str) -> anyhow::Result<()> {
        let bytes = fs::read(from).with_context(|| format!("reading the program {}", from.display()))?;
        let elf = Elf::parse(&bytes)
            .with_context(|| format!("{} is not a program for this processor", from.display()))?;
        ensure!(
            elf.section(".interp").is_none(),
            "{} is not static; build it with +crt-static",
            from.display()
        );
        let to = Path::new(OURS).join(name);
        self.write(&to, &bytes, Mode::Program)?;
        self.allowed.insert(to);
        Ok(())
    }

    /// Debian's units that are named, and the files of `systemd/` as they stand: a folder there is one of systemd's,
    /// a file belongs to our programs.
    fn units(&self, unpacked: &Unpacked) -> anyhow::Result<()> {
        let units = &self.manifest.recipe.units;
        for unit in &units.packages {
            let path = Path::new(UNITS).join(unit);
            let from = unpacked.find(&path)?;
            self.write(
                &path,
                &fs::read(&from).with_context(|| from.display().to_string())?,
                Mode::Data,
            )?;
        }
        let ours = self.manifest.workspace.join("systemd");
        for entry in sorted(&ours)? {
            let (to, name) = match entry.is_dir() {
                true => ("/usr/lib/systemd", name_of(&entry)?),
                false => (OURS, name_of(&entry)?),
            };
            self.copy(&entry, &Path::new(to).join(name))?;
        }
        ensure!(
            self.at(&Path::new(UNITS).join(&units.default)).exists(),
            "units.default: neither systemd/system nor units.packages has {}",
            units.default
        );
        self.link(
            &Path::new(UNITS).join("default.target"),
            Path::new(&units.default),
        )
    }

    fn probe(&mut self, probe: &Probe, programs: &Path) -> anyhow::Result<()> {
        for name in &probe.programs {
            self.own_program(&programs.join(name), name)?;
        }
        let wants = format!("{}.wants", self.manifest.recipe.units.default);
        for unit in &probe.units {
            let name = name_of(unit)?;
            self.copy(unit, &Path::new(UNITS).join(name))?;
            self.link(
                &Path::new(UNITS).join(&wants).join(name),
                &Path::new("..").join(name),
            )?;
        }
        for file in &probe.files {
            ensure!(
                file.to.is_absolute(),
                "probe.files: {} must begin with /",
                file.to.display()
            );
            self.copy(&file.from, &file.to)?;
        }
        Ok(())
    }

    /// Copies a file of a package and puts it on the allow-list.
    fn take(&mut self, unpacked: &Unpacked, from: &Path, to: &Path, mode: Mode) -> anyhow::Result<Vec<u8>> {
        let file = unpacked.find(from)?;
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        self.write(to, &bytes, mode)?;
        self.allowed.insert(to.to_owned());
        Ok(bytes)
    }

    /// Copies data: a file, or a folder with all that is in it.
    fn copy(&self, from: &Path, to: &Path) -> anyhow::Result<()> {
        if from.is_dir() {
            for entry in sorted(from)? {
                self.copy(&entry, &to.join(name_of(&entry)?))?;
            }
            return Ok(());
        }
        self.write(
            to,
            &fs::read(from).with_context(|| format!("reading {}", from.display()))?,
            Mode::Data,
        )
    }

    fn write(&self, path: impl AsRef<Path>, bytes: &[u8], mode: Mode) -> anyhow::Result<()> {
        let file = self.at(path.as_ref());
        self.make_folder(path.as_ref().parent().context("a file has a folder")?)?;
        let permissions = fs::Permissions::from_mode(mode as u32);
        fs::write(&file, bytes)
            .and_then(|()| fs::set_permissions(&file, permissions))
            .with_context(|| format!("writing {}", file.display()))
    }

    fn make_folder(&self, path: &Path) -> anyhow::Result<()> {
        let mut folder = self.folder.clone();
        for part in path.strip_prefix("/").unwrap_or(path).components() {
            folder.push(part);
            if !folder.exists() {
                fs::create_dir(&folder)
                    .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)))
                    .with_context(|| format!("making {}", folder.display()))?;
            }
        }
        Ok(())
    }

    fn link(&self, path: &Path, target: &Path) -> anyhow::Result<()> {
        self.make_folder(path.parent().context("a link has a folder")?)?;
        symlink(target, self.at(path)).with_context(|| format!("linking {}", path.display()))
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// Strikes what `file` loads off `unused`; a library that is not named is an error that names it.
fn mark_needed(
    file: &Path,
    bytes: &[u8],
    named: &BTreeSet<&str>,
    unused: &mut BTreeSet<&str>,
) -> anyhow::Result<()> {
    let needed = Elf::parse(bytes).and_then(|elf| elf.needed());
    let needed = needed.with_context(|| format!("{} is no well-formed ELF file", file.display()))?;
    for library in &needed {
        if !named.contains(library.as_str()) {
            bail!(
                "programs.libraries: {} loads {library}, which is not on the list; add it, or do without",
                file.display()
            );
        }
        unused.remove(library.as_str());
    }
    Ok(())
}

fn sorted(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(|| format!("reading {}", folder.display()))?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> anyhow::Result<&str> {
    path.file_name()
        .and_then(|name| name.to_str())
        .with_context(|| format!("{} has no plain file name", path.display()))
}
