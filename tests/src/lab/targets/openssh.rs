//! OpenSSH's sshd. Unprivileged it can log nobody in but the user nobody, who has no password and no key.

use std::process::Command;

use anyhow::Result;

use super::{Place, run};

pub(super) fn command(place: &Place) -> Result<Command> {
    let mut keygen = place.unprivileged("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-C", &place.host_name, "-f"])
        .arg(place.dir.join("host-key"));
    run(keygen)?;
    let config = place.write("sshd_config", include_str!("../../../lab/sshd_config"))?;
    let mut command = place.unprivileged("/usr/sbin/sshd");
    command.arg("-D").arg("-e").arg("-f").arg(config);
    Ok(command)
}
