//! An appliance in QEMU: booted from its kernel or from the whole disk, watched through its serial console.

mod accel;
mod console;
mod disk;
mod image;
mod qmp;
mod status_line;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use vedette_protocol::status::State;

pub use self::accel::Accel;
pub use self::console::{Console, Line};
pub use self::disk::Disk;
pub use self::image::Image;
pub use self::qmp::Qmp;
pub use self::status_line::StatusLine;

use super::namespace::BRIDGE;
use super::{Lab, Process};

/// How a machine comes to its kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// QEMU loads kernel, initramfs and command line, as the image builder wrote them beside the disk.
    Kernel,
    /// UEFI firmware loads the signed image from the disk.
    Firmware,
}

/// A running virtual machine. Dropping it is pulling its plug.
#[derive(Debug)]
pub struct Machine {
    process: Process,
    console: Console,
    qmp: PathBuf,
    name: String,
}

impl Machine {
    /// Switches a machine with this disk on. Each disk is a machine of its own, with its own hardware address.
    pub fn boot(lab: &Lab, image: &Image, disk: &Disk, boot: Boot) -> Result<Self> {
        Self::boot_with(lab, image, disk, boot, &[])
    }

    /// The same with more of QEMU's options, as for hardware that is not usual.
    pub fn boot_with(lab: &Lab, image: &Image, disk: &Disk, boot: Boot, more: &[&str]) -> Result<Self> {
        let accel = Accel::choose(image)?;
        let turn = lab.next_machine();
        let name = format!("machine-{turn}");
        let tap = format!("tap{turn}");
        lab.namespace.add_tap(&tap, BRIDGE)?;

        let qmp = lab.dir().join(format!("{name}.qmp"));
        let serial = lab.dir().join(format!("{name}.console"));
        fs::write(&serial, "").with_context(|| format!("making {}", serial.display()))?;

        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-name",
            &name,
        ])
        .args([
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ])
        .args(["-machine", "q35", "-m", MEMORY, "-smp", "2"])
        .args(accel.arguments())
        // A panic ends the machine, so that a test sees it at once.
        .arg("-no-reboot")
        .args(["-device", "virtio-rng-pci"])
        .args([
            "-chardev",
            &format!("file,id=console,path={}", comma_doubled(&serial)),
        ])
        .args(["-serial", "chardev:console"])
        .args([
            "-qmp",
            &format!("unix:{},server=on,wait=off", comma_doubled(&qmp)),
        ])
        .args([
            "-drive",
            &format!("if=none,id=disk,format=qcow2,file={}", comma_doubled(disk.path())),
        ])
        .args(["-device", "virtio-blk-pci,drive=disk"])
        .args([
            "-netdev",
            &format!("tap,id=net,ifname={tap},script=no,downscript=no"),
        ])
        .args([
            "-device",
            &format!("virtio-net-pci,netdev=net,mac={}", disk.mac()),
        ]);
        match boot {
            Boot::Kernel => image.append_kernel_to(&mut qemu)?,
            Boot::Firmware => firmware(&mut qemu, &lab.dir().join(format!("{name}.vars")))?,
        }
        qemu.args(more);
        let console = Console::of(serial);
        let process = lab.spawn(&name, qemu)?;
        Ok(Self {
            process,
            console,
            qmp,
            name,
        })
    }

    /// What it printed so far, and what it will.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// QEMU's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the appliance says that it is in this state.
    pub fn wait_for_state(&mut self, state: State, deadline: Duration) -> Result<StatusLine> {
        let wanted = state.to_string();
        let line = self.wait_for_line(&format!("state={state}"), deadline, |line| {
            StatusLine::parse(&line.text).is_some_and(|status| status.state == wanted)
        })?;
        StatusLine::parse(&line.text).context("the line was a status line a moment ago")
    }

    /// Waits until a line is printed. A machine that ends before fails at once, with the end of its console.
    pub fn wait_for_line(
        &mut self,
        what: &str,
        deadline: Duration,
        is_it: impl Fn(&Line) -> bool,
    ) -> Result<Line> {
        let end = Instant::now() + deadline;
        let mut seen = 0;
        loop {
            // Asked before the console, so that what a machine says last is not missed.
            let ended = self.process.ended()?;
            let lines = self.console.lines_from(seen, POLL);
            seen += lines.len();
            if let Some(line) = lines.into_iter().find(&is_it) {
                return Ok(line);
            }
            if let Some(status) = ended {
                bail!(
                    "{} ended ({status}) before {what}\n{}{}",
                    self.name,
                    self.process.said(),
                    self.console
                );
            }
            if Instant::now() > end {
                bail!(
                    "{} did not say {what} within {deadline:?}\n{}",
                    self.name,
                    self.console
                );
            }
        }
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.ended()
    }

    /// Waits until the machine switches itself off, reboots or panics.
    pub fn wait_for_end(&mut self, deadline: Duration) -> Result<()> {
        let ended = self.process.wait(deadline);
        ended
            .map(drop)
            .with_context(|| format!("{}\n{}", self.name, self.console))
    }

    /// Lets it run until its lab ends.
    pub fn leave_running(self) {
        self.process.leave_running();
    }

    /// A connection to QEMU's own control socket.
    pub fn qmp(&self) -> Result<Qmp> {
        Qmp::connect(&self.qmp)
    }
}

/// UEFI with variables of its own, which the machine may change.
fn firmware(qemu: &mut Command, vars: &Path) -> Result<()> {
    fs::copy(OVMF_VARS, vars).with_context(|| format!("copying {OVMF_VARS}; it is in the package ovmf"))?;
    qemu.args([
        "-drive",
        &format!("if=pflash,format=raw,readonly=on,file={OVMF_CODE}"),
    ]);
    qemu.args([
        "-drive",
        &format!("if=pflash,format=raw,file={}", comma_doubled(vars)),
    ]);
    Ok(())
}

/// QEMU's options are lists with commas: one that belongs to a value is written twice.
fn comma_doubled(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// MiB: what an appliance must be content with.
const MEMORY: &str = "512";
const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const POLL: Duration = Duration::from_millis(100);
