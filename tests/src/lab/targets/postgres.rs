//! PostgreSQL, with a database made for this lab.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use anyhow::Result;

use super::{Place, run};
use crate::logins::postgres_programs;

pub(super) fn command(place: &Place) -> Result<Command> {
    let programs = postgres_programs()?;
    let data = place.dir.join("data");
    let mut initdb = place.unprivileged(programs.join("initdb"));
    initdb.args([
        "--auth=scram-sha-256",
        "--no-locale",
        "--encoding=UTF8",
        "--no-sync",
        "--username=lab",
        "-D",
    ]);
    // With scram a first password is demanded; nobody is to know this one.
    let mut secret = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut secret)?;
    let password = place.write("password", &format!("{:032x}\n", u128::from_ne_bytes(secret)))?;
    initdb.arg(&data).arg("--pwfile").arg(password);
    run(initdb)?;
    place.write(
        "data/pg_hba.conf",
        "# Whoever stands in the lab may try a password.\nhost all all samenet scram-sha-256\n",
    )?;
    let mut command = place.unprivileged(programs.join("postgres"));
    command
        .arg("-D")
        .arg(&data)
        .args(["-c", &format!("listen_addresses={}", place.address)])
        .args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
            "-c",
            "shared_buffers=16MB",
        ]);
    Ok(command)
}
