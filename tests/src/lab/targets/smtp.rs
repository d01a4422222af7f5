//! An SMTP server that accepts mail and throws it away.

use std::process::Command;

use anyhow::Result;

use super::Place;

pub(super) fn command(place: &Place) -> Result<Command> {
    // Debian's own Python, whatever else stands in PATH: the package installs for that one.
    let mut command = place.unprivileged("/usr/bin/python3");
    command
        .args([
            "-m",
            "aiosmtpd",
            "--nosetuid",
            "--class",
            "aiosmtpd.handlers.Sink",
        ])
        .arg("--listen")
        .arg(format!("{}:25", place.address));
    Ok(command)
}
