//! vsftpd, which lets anybody in.

use std::process::Command;

use anyhow::Result;

use super::Place;

pub(super) fn command(place: &Place) -> Result<Command> {
    place.write("files/welcome.txt", "Anybody can read this file.\n")?;
    let config = place.write("vsftpd.conf", include_str!("../../../lab/vsftpd.conf"))?;
    // It reads only a configuration of the user that it runs as.
    place.give("vsftpd.conf")?;
    let mut command = place.unprivileged("/usr/sbin/vsftpd");
    command.arg(config);
    Ok(command)
}
