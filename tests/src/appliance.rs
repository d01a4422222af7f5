//! One appliance on its whole road: flashed with a token, booted, serving, known to the platform.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use vedette_protocol::api;
use vedette_protocol::status::State;

use crate::lab::{Boot, Disk, Image, Lab, Machine, StatusLine};
use crate::operator::Operator;
use crate::programs::{Programs, output_of};

/// Makes an activation token, and flashes an image with it into a file of the lab.
pub fn flash(
    programs: &Programs,
    operator: &Operator,
    lab: &Lab,
    image: &Image,
    name: &str,
) -> Result<PathBuf> {
    let token = lab.dir().join(format!("{name}.token"));
    let disk = lab.dir().join(format!("{name}.raw"));
    operator
        .run(&[
            "token",
            "create",
            "activation",
            "--name",
            name,
            "--out",
            &token.to_string_lossy(),
        ])
        .context("making an activation token")?;
    flash_with(programs, image, &disk, Some(&token))?;
    Ok(disk)
}

/// Flashes an image into a file, with the token in that file if there is one.
pub fn flash_with(programs: &Programs, image: &Image, to: &Path, token: Option<&Path>) -> Result<()> {
    let mut flash = programs.command("vedette-image");
    flash
        .arg("flash")
        .arg("--image")
        .arg(image.raw())
        .arg("--to")
        .arg(to);
    if let Some(token) = token {
        flash.arg("--activation-token-file").arg(token);
    }
    output_of(&mut flash).map(drop).context("flashing the image")
}

/// Boots a flashed disk until it serves.
pub fn boot_to_serving(lab: &Lab, image: &Image, disk: &Disk, boot: Boot) -> Result<(Machine, StatusLine)> {
    let mut machine = Machine::boot(lab, image, disk, boot)?;
    let status = machine.wait_for_state(State::Serving, BOOT_DEADLINE)?;
    Ok((machine, status))
}

/// The one appliance that the platform knows and that was not there before.
pub fn newest(operator: &Operator, before: &[api::Appliance]) -> Result<api::Appliance> {
    let now: Vec<api::Appliance> = operator.ask(&["appliance", "list"])?;
    now.into_iter()
        .find(|appliance| before.iter().all(|known| known.id != appliance.id))
        .context("the platform knows of no new appliance")
}

/// Under emulation, on a busy machine.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(180);
