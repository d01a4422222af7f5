//! MariaDB, with a database made for this lab.

use std::process::Command;

use anyhow::Result;

use super::{Place, run};

pub(super) fn command(place: &Place) -> Result<Command> {
    let data = place.directory("data")?;
    place.directory("tmp")?;
    place.write("users.sql", include_str!("../../../lab/mariadb.sql"))?;
    let config = place.write("mariadb.cnf", include_str!("../../../lab/mariadb.cnf"))?;
    let defaults = format!("--defaults-file={}", config.display());
    let mut install = place.unprivileged("mariadb-install-db");
    install
        .arg(&defaults)
        .arg("--skip-test-db")
        .arg("--auth-root-authentication-method=normal");
    install.arg(format!("--datadir={}", data.display()));
    run(install)?;
    let mut command = place.unprivileged("/usr/sbin/mariadbd");
    command.arg(defaults);
    Ok(command)
}
