//! The real platform, with a data directory of its own, listening at the host's end of a lab.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use vedette_protocol::Digest;

use crate::image::list;
use crate::lab::{Lab, PLATFORM_NAME, Process};
use crate::programs::{Programs, output_of, workspace};

/// A platform's data directory.
#[derive(Debug, Clone)]
pub struct PlatformData {
    dir: PathBuf,
}

/// Whether a platform takes images with probes in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestImages {
    Refused,
    Accepted,
}

impl PlatformData {
    /// The data in this directory; made if there is none yet, or only of a platform with other tables.
    pub fn at(programs: &Programs, dir: &Path) -> Result<Self> {
        let tables = tables()?;
        let note = dir.with_extension("tables");
        if dir.exists() && fs::read_to_string(&note).is_ok_and(|noted| noted != tables) {
            fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
        }
        if !dir.exists() {
            let mut init = programs.command("vedette-platform");
            init.args(["init", "--url", &url(), "--data"]).arg(dir);
            output_of(&mut init).context("making a platform's data directory")?;
            fs::write(&note, tables).with_context(|| format!("writing {}", note.display()))?;
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// A copy: another platform with the same keys, so that an image for this one is one for that.
    pub fn copy_to(&self, dir: &Path) -> Result<Self> {
        copy_private(&self.dir, dir).with_context(|| format!("copying {}", self.dir.display()))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// The `[platform]` section of an image's manifest.
    pub fn pins(&self, programs: &Programs) -> Result<String> {
        let mut pins = programs.command("vedette-platform");
        pins.args(["pins", "--data"]).arg(&self.dir);
        output_of(&mut pins).context("asking for the platform's pins")
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Every file in it: keys, keystore, database and its log.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        list(&self.dir, &mut files)?;
        Ok(files)
    }

    /// The certificate of the CA that clients trust.
    pub fn ca(&self) -> PathBuf {
        self.dir.join("tls/root.pem")
    }

    /// The file with the password of the first login.
    pub fn first_login(&self) -> PathBuf {
        self.dir.join("first-login")
    }
}

/// A running platform. Killed when dropped, as a power cut would.
#[derive(Debug)]
pub struct Platform {
    process: Process,
}

impl Platform {
    /// Serves this data to a lab. Returns once the lab can connect.
    pub fn serve(
        programs: &Programs,
        data: &PlatformData,
        lab: &Lab,
        test_images: TestImages,
    ) -> Result<Self> {
        let mut serve: Command = programs.command("vedette-platform");
        serve.arg("serve");
        if test_images == TestImages::Accepted {
            serve.arg("--danger-accept-test-images");
        }
        Self::serve_by(serve, data, lab)
    }

    /// The same, by a program that takes the same arguments.
    pub fn serve_by(mut serve: Command, data: &PlatformData, lab: &Lab) -> Result<Self> {
        let address = address(lab);
        serve
            .args(["--listen", &address.to_string(), "--data"])
            .arg(&data.dir);
        let process = lab
            .spawn_on_host("platform", serve, address)
            .context("starting the platform")?;
        Ok(Self { process })
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.process.reap();
    }

    /// The end of what it logged.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Lets it run until its lab ends.
    pub fn leave_running(self) {
        self.process.leave_running();
    }
}

/// Where appliances and operators reach the platform of any lab, in its own DNS.
pub fn url() -> String {
    format!("https://{PLATFORM_NAME}:{PORT}")
}

/// Where the platform of this lab listens.
pub fn address(lab: &Lab) -> SocketAddr {
    SocketAddr::from((lab.subnet().platform(), PORT))
}

/// The tables that a platform of this clone makes: before the first release, changed ones are not migrated.
fn tables() -> Result<String> {
    let folder = workspace().join("platform/migrations");
    let mut texts = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        texts.push(fs::read(entry?.path())?);
    }
    texts.sort();
    Ok(Digest::of(&texts.concat()).to_string())
}

fn copy_private(from: &Path, to: &Path) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_private(&entry.path(), &to)?;
        } else {
            // Permissions come along.
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

const PORT: u16 = 8443;
