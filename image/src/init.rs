//! vedette-init: from the kernel's first process to systemd on a root that is verified block by block.
//!
//! It runs once, from the initramfs inside the signed UKI. What it needs to know stands on the signed kernel command
//! line; which modules to load stands beside it in the initramfs. There is no second way: what fails ends the boot.
//! Read [`boot`] first; it is the whole course.

pub mod cmdline;
pub mod modules;
pub mod partition;
pub mod root;
pub mod verity;

use std::{convert::Infallible, fs, io};

use cmdline::{CmdlineError, RootPins};
use modules::ModuleError;
use partition::PartitionError;
use root::RootError;
use verity::VerityError;

/// Why the appliance did not boot.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error("reading /proc/cmdline")]
    ReadCmdline(#[source] io::Error),
    #[error(transparent)]
    Cmdline(#[from] CmdlineError),
    #[error(transparent)]
    Module(#[from] ModuleError),
    #[error(transparent)]
    Partition(#[from] PartitionError),
    #[error(transparent)]
    Verity(#[from] VerityError),
}

/// Boots; comes back only with the reason why not.
///
/// # Errors
/// Any: the caller says so on the console and turns the machine off.
pub fn boot() -> Result<Infallible, InitError> {
    root::mount_kernel_views()?;
    let cmdline = fs::read_to_string("/proc/cmdline").map_err(InitError::ReadCmdline)?;
    let pins = RootPins::parse(&cmdline)?;
    modules::load_all()?;
    let partition = partition::find(pins.slot.partition())?;
    let device = verity::map(&pins, &partition)?;
    Ok(root::enter(&device)?)
}
