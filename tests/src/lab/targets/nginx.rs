//! Two nginx: one set up with care, one as they are found.

use std::process::Command;

use anyhow::Result;

use super::{Place, certificate};

pub(super) fn good(place: &Place) -> Result<Command> {
    certificate::issued(&place.host_name, place.address)?.write(place)?;
    place.write("site/index.html", PAGE)?;
    nginx(place, include_str!("../../../lab/nginx-good.conf"))
}

pub(super) fn bad(place: &Place) -> Result<Command> {
    certificate::expired_and_self_signed(&place.host_name)?.write(place)?;
    place.write("site/files/report.txt", "A listing shows this file.\n")?;
    place.write("site/.env", include_str!("../../../lab/exposed.env"))?;
    place.write("site/.git/HEAD", "ref: refs/heads/main\n")?;
    place.write(
        "site/.git/config",
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
    )?;
    nginx(place, include_str!("../../../lab/nginx-bad.conf"))
}

fn nginx(place: &Place, config: &str) -> Result<Command> {
    place.directory("tmp")?;
    let config = place.write("nginx.conf", config)?;
    let mut command = place.unprivileged("nginx");
    command
        .arg("-e")
        .arg("stderr")
        .arg("-p")
        .arg(&place.dir)
        .arg("-c")
        .arg(config);
    Ok(command)
}

const PAGE: &str = "<!doctype html><html lang=\"en\"><title>{name}</title><p>This is {name}.</p></html>\n";
