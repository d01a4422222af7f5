//! The build, from the manifest to the disk: each step takes what the one before made.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use vedette_protocol::{
    image::{ImageConfig, ImageKind},
    time::Timestamp,
};

use crate::{
    apt::Apt,
    cache::{Cache, StaleLock, sha256},
    disk::{self, Layout},
    filesystem::FileSystem,
    init::cmdline::Slot,
    initramfs,
    kernel::Kernel,
    lock::{self, Lock},
    manifest::{Layers, Manifest, Packages, Recipe},
    programs,
    report::{Progress, Table},
    root::{OURS, Root},
    signing::{Origin, SigningKey},
    tool::{
        self, DPKG_DEB, MCOPY, MKFS_VFAT, MKSQUASHFS, MMD, OBJCOPY, OPENSSL, OSSLSIGNCODE, QEMU_IMG, SFDISK,
        VERITYSETUP, ZSTD,
    },
    uki,
    unpacked::Unpacked,
};

/// What to build, and where.
#[derive(Debug)]
pub struct Build {
    pub manifest: PathBuf,
    pub out: PathBuf,
    /// What to do with a lock that the mirror has left behind.
    pub stale: Stale,
    pub places: Places,
    pub keys: Option<PathBuf>,
}

/// Where packages come from.
#[derive(Debug)]
pub struct Places {
    pub cache: Option<PathBuf>,
    /// Instead of the host's sources of apt.
    pub sources: Option<PathBuf>,
}

/// What to do with a stale lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// End with an error.
    Refuse,
    /// Resolve anew, write the lock beside the image, say what changed, go on.
    Renew,
}

/// Names of what a build leaves in its folder.
pub mod output {
    pub const RAW: &str = "vedette.raw";
    pub const PACKED: &str = "vedette.raw.zst";
    pub const QCOW2: &str = "vedette.qcow2";
    pub const UKI: &str = "vedette.efi";
    pub const KERNEL: &str = "vmlinuz";
    pub const INITRD: &str = "initrd";
    pub const CMDLINE: &str = "cmdline";
    pub const CERTIFICATE: &str = "boot.crt";
    pub const FACTS: &str = "facts.json";
}

const TOOLS: [tool::Tool; 13] = [
    DPKG_DEB,
    MCOPY,
    MKFS_VFAT,
    MKSQUASHFS,
    MMD,
    OBJCOPY,
    OPENSSL,
    OSSLSIGNCODE,
    QEMU_IMG,
    SFDISK,
    VERITYSETUP,
    ZSTD,
    tool::APT_GET,
];

impl Build {
    pub fn run(self) -> anyhow::Result<()> {
        let progress = Progress::start();
        tool::require(&TOOLS)?;
        let manifest = Manifest::read(&self.manifest)?;
        fs::create_dir_all(&self.out).with_context(|| format!("making {}", self.out.display()))?;
        let work = tempfile::Builder::new()
            .prefix("work-")
            .tempdir_in(&self.out)
            .with_context(|| format!("making a folder in {}", self.out.display()))?;
        let out = |name: &str| self.out.join(name);
        let at = |name: &str| work.path().join(name);

        progress.step("packages");
        let (lock, packages) = self.packages(&progress)?;
        let time = build_time(&lock)?;
        progress.step("our programs");
        let programs = programs::build(&manifest)?;

        progress.step(format_args!("unpacking {} packages", packages.len()));
        let unpacked = Unpacked::unpack(&packages, at("packages"))?;
        let kernel = Kernel::take(&unpacked, &manifest.recipe.modules)?;

        progress.step("root");
        let config = config(&manifest, time);
        let root = Root::assemble(at("root"), &manifest, &unpacked, &programs, &config)?;

        progress.step("squashfs and its verity tree");
        let layout = Layout::new(manifest.disk);
        let system = FileSystem::make(root.folder(), Slot::A, time, at("root.img"))?;

        progress.step("initramfs");
        initramfs::write(
            &programs.join(programs::INIT),
            &kernel.modules,
            work.path(),
            &out(output::INITRD),
        )?;
        fs::copy(&kernel.image, out(output::KERNEL)).context("copying the kernel")?;
        let words = [config.parameters.clone(), vec![system.pins.to_string()]].concat();
        fs::write(out(output::CMDLINE), uki::cmdline_text(&words)?)
            .context("writing the kernel command line")?;

        progress.step("unified kernel image");
        let (key, origin) = SigningKey::open(self.keys.clone())?;
        if origin == Origin::Made {
            progress.step(format_args!(
                "made a new signing key beside {}",
                key.certificate.display()
            ));
        }
        let parts = uki::Parts {
            stub: &unpacked.find(&uki::stub())?,
            os_release: &root.folder().join("usr/lib/os-release"),
            cmdline: &out(output::CMDLINE),
            kernel: &kernel.image,
            initrd: &out(output::INITRD),
        };
        uki::make(&parts, &key, time, work.path(), &out(output::UKI))?;
        fs::copy(&key.certificate, out(output::CERTIFICATE)).context("copying the certificate")?;

        progress.step("disk");
        let raw = out(output::RAW);
        layout.make(&raw)?;
        disk::make_esp(
            &out(output::UKI),
            layout.partition("esp")?.size,
            time,
            &at("esp.img"),
        )?;
        layout.fill(&raw, "esp", &at("esp.img"))?;
        layout.fill(&raw, "root-a", &system.file)?;
        progress.step("qcow2 and zstd");
        pack(&raw, &out(output::QCOW2), &out(output::PACKED))?;

        let facts = Facts::gather(&self.out, &manifest, &config, &kernel, &system)?;
        let json = serde_json::to_string_pretty(&facts).context("writing the facts as JSON")?;
        fs::write(out(output::FACTS), json + "\n")
            .with_context(|| out(output::FACTS).display().to_string())?;
        progress.step(format_args!("done: {}", self.out.display()));
        println!("{}", self.table(&lock, &manifest, &kernel, &root, &system)?);
        Ok(())
    }

    /// The locked packages as files; where the lock is stale, those of a renewed one.
    fn packages(&self, progress: &Progress) -> anyhow::Result<(Lock, Vec<PathBuf>)> {
        let Layers {
            recipe_file, recipe, ..
        } = Layers::read(&self.manifest)?;
        let asked = asked(&recipe);
        let cache = Cache::open(self.places.cache.clone())?;
        let apt = Apt::new(cache.folder(), self.places.sources.as_deref())?;
        let committed = lock_file(&recipe_file);
        let renewed = self.out.join(lock::FILE);
        // A lock that an earlier build had to renew is as good as the committed one, and does not ask the mirror.
        let locks = match self.stale {
            Stale::Renew if renewed.exists() => vec![&committed, &renewed],
            Stale::Renew | Stale::Refuse => vec![&committed],
        };
        let mut reasons = Vec::new();
        for file in locks {
            let lock = Lock::read(file)?;
            if !lock.answers(&asked) {
                reasons.push(format!(
                    "{} was made for other packages than the manifest's",
                    file.display()
                ));
                continue;
            }
            match cache.packages(&lock, &apt) {
                Ok(packages) => return Ok((lock, packages)),
                Err(error) if error.downcast_ref::<StaleLock>().is_some() => {
                    reasons.push(format!("{}: {error:#}", file.display()));
                }
                Err(error) => return Err(error),
            }
        }
        let stale = reasons.join("; ");
        if self.stale == Stale::Refuse {
            bail!("{stale}; run `vedette-image lock --update`, look at what changes, and commit it");
        }
        progress.step(format_args!("{stale}; renewing it"));
        apt.update()?;
        let lock = apt.resolve(&asked, Timestamp::now())?;
        eprint!("{}", Lock::read(&committed)?.difference(&lock));
        let packages = cache.packages(&lock, &apt)?;
        lock.write(&renewed)?;
        progress.step(format_args!(
            "wrote {}; `vedette-image lock --update` makes it the committed one",
            renewed.display()
        ));
        Ok((lock, packages))
    }

    fn table(
        &self,
        lock: &Lock,
        manifest: &Manifest,
        kernel: &Kernel,
        root: &Root<'_>,
        system: &FileSystem,
    ) -> anyhow::Result<Table> {
        let mut table = Table::default();
        let length = |file: &Path| -> anyhow::Result<u64> {
            Ok(fs::metadata(file)
                .with_context(|| file.display().to_string())?
                .len())
        };
        for package in &lock.packages {
            table.row(
                "package",
                format!("{} {}", package.name, package.version),
                package.size,
            );
        }
        for name in &manifest.recipe.programs.ours {
            let file = root.folder().join(OURS.trim_start_matches('/')).join(name);
            table.row("program", name, length(&file)?);
        }
        let modules: usize = kernel.modules.iter().map(|module| module.bytes.len()).sum();
        table.row(
            "modules",
            format!("{} of Linux {}", kernel.modules.len(), kernel.version),
            modules as u64,
        );
        table.row("root", "squashfs", system.data_bytes);
        table.row("root", "with its verity tree", system.bytes);
        for name in [
            output::KERNEL,
            output::INITRD,
            output::UKI,
            output::RAW,
            output::QCOW2,
            output::PACKED,
        ] {
            table.row("file", name, length(&self.out.join(name))?);
        }
        Ok(table)
    }
}

/// Resolves the manifest's packages anew, writes the lock beside it, and prints what changed.
pub fn update_lock(manifest: &Path, places: &Places) -> anyhow::Result<()> {
    let progress = Progress::start();
    let Layers {
        recipe_file, recipe, ..
    } = Layers::read(manifest)?;
    let cache = Cache::open(places.cache.clone())?;
    let apt = Apt::new(cache.folder(), places.sources.as_deref())?;
    progress.step("asking the mirror");
    apt.update()?;
    let new = apt.resolve(&asked(&recipe), Timestamp::now())?;
    let file = lock_file(&recipe_file);
    match Lock::read(&file) {
        Ok(old) => eprint!("{}", old.difference(&new)),
        Err(_) if !file.exists() => (),
        Err(error) => progress.step(format_args!("{error:#}")),
    }
    progress.step("fetching what the cache does not have");
    cache.packages(&new, &apt)?;
    new.write(&file)?;
    progress.step(format_args!(
        "{} packages in {}",
        new.packages.len(),
        file.display()
    ));
    Ok(())
}

/// What to resolve: the manifest's packages and the kernel's.
fn asked(recipe: &Recipe) -> Packages {
    let mut asked = recipe.packages.clone();
    asked.names.push(format!("linux-image-{}", recipe.kernel.flavour));
    asked
}

fn lock_file(recipe_file: &Path) -> PathBuf {
    recipe_file.with_file_name(lock::FILE)
}

/// SOURCE_DATE_EPOCH, as reproducible-builds.org defines it; else when the lock was made.
fn build_time(lock: &Lock) -> anyhow::Result<Timestamp> {
    let Some(text) = env::var_os("SOURCE_DATE_EPOCH") else {
        return Ok(lock.time);
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok()).map(Timestamp);
    seconds
        .filter(|time| *time <= Timestamp::LAST)
        .with_context(|| format!("SOURCE_DATE_EPOCH={} is no number of seconds", text.display()))
}

fn config(manifest: &Manifest, built: Timestamp) -> ImageConfig {
    ImageConfig {
        version: 1,
        kind: if manifest.probe.is_some() {
            ImageKind::Test
        } else {
            ImageKind::Release
        },
        release: format!("{} {}", manifest.recipe.name, env!("CARGO_PKG_VERSION")),
        built,
        parameters: parameters(manifest),
        platform: manifest.platform.clone(),
    }
}

fn parameters(manifest: &Manifest) -> Vec<String> {
    let probe = manifest.probe.iter().flat_map(|probe| &probe.parameters);
    let shipped = &manifest.recipe.kernel.parameters;
    shipped.iter().chain(probe).cloned().collect()
}

fn pack(raw: &Path, qcow2: &Path, packed: &Path) -> anyhow::Result<()> {
    QEMU_IMG
        .call()?
        .args(["convert", "-q", "-f", "raw", "-O", "qcow2"])
        .args([raw, qcow2])
        .run()?;
    ZSTD.call()?
        .args(["-q", "-f", "-T0", "-9", "--no-progress"])
        .args([raw, Path::new("-o"), packed])
        .run()?;
    Ok(())
}

/// What a build made, for programs: `facts.json`.
#[derive(Debug, Serialize)]
struct Facts {
    release: String,
    test: bool,
    built: Timestamp,
    kernel: String,
    root_hash: String,
    root_bytes: u64,
    packed_bytes: u64,
    raw_sha256: String,
    uki_sha256: String,
}

impl Facts {
    fn gather(
        out: &Path,
        manifest: &Manifest,
        config: &ImageConfig,
        kernel: &Kernel,
        system: &FileSystem,
    ) -> anyhow::Result<Self> {
        let hash = |name: &str| sha256(&out.join(name)).with_context(|| format!("reading {name}"));
        let packed_bytes = fs::metadata(out.join(output::PACKED))
            .context("the packed image")?
            .len();
        ensure!(packed_bytes > 0, "zstd wrote nothing");
        Ok(Self {
            release: config.release.clone(),
            test: manifest.probe.is_some(),
            built: config.built,
            kernel: kernel.version.clone(),
            root_hash: system.pins.hash.to_string(),
            root_bytes: system.bytes,
            packed_bytes,
            raw_sha256: hash(output::RAW)?,
            uki_sha256: hash(output::UKI)?,
        })
    }
}
