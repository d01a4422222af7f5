//! KVM or emulation. That /dev/kvm opens proves nothing: on some machines a guest hangs under it without a word,
//! and QEMU does not fall back then. So a guest has to boot first.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Image;

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    Kvm,
    Tcg,
}

impl Accel {
    /// What the variable ACCEL says; else KVM if the image's kernel boots under it, else emulation.
    pub fn choose(image: &Image) -> Result<Self> {
        let asked = std::env::var("ACCEL").unwrap_or_default();
        match asked.as_str() {
            "" => {}
            "kvm" => return Ok(Self::Kvm),
            "tcg" => return Ok(Self::Tcg),
            other => bail!("ACCEL={other} is neither kvm nor tcg"),
        }
        if File::options().read(true).write(true).open("/dev/kvm").is_err() {
            return Ok(Self::Tcg);
        }
        match fs::read_to_string(VERDICT).as_deref() {
            Ok("kvm") => return Ok(Self::Kvm),
            Ok("tcg") => return Ok(Self::Tcg),
            _ => {}
        }
        let verdict = if boots_under_kvm(image.kernel())? {
            Self::Kvm
        } else {
            Self::Tcg
        };
        fs::write(VERDICT, verdict.name()).with_context(|| format!("writing {VERDICT}"))?;
        Ok(verdict)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

/// A kernel without a root file system panics, and QEMU ends then. One that hangs does neither.
fn boots_under_kvm(kernel: &Path) -> Result<bool> {
    let mut probe = Command::new("qemu-system-x86_64")
        .args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
            "q35",
            "-m",
            "256",
        ])
        .args(Accel::Kvm.arguments())
        .args(["-no-reboot", "-append", "panic=-1", "-kernel"])
        .arg(kernel)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("running qemu-system-x86_64; it is in the package qemu-system-x86")?;
    let end = Instant::now() + PROBE;
    let booted = loop {
        if let Some(status) = probe.try_wait()? {
            break status.success();
        }
        if Instant::now() > end {
            break false;
        }
        thread::sleep(Duration::from_millis(50));
    };
    let _ended_already = probe.kill();
    probe.wait()?;
    Ok(booted)
}

/// Under KVM the panic comes within two seconds.
const PROBE: Duration = Duration::from_secs(6);
/// Holds until the host boots again. The directory is the labs' own.
const VERDICT: &str = "/run/vdt/accel";
