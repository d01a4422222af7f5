//! From a job's order to the login at a real OpenSSH, beside `ssh` at the same one.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ours::{self, MEASURE};
use crate::bench::amount::Amount;
use crate::bench::figure::Figure;
use crate::bench::median::median;
use crate::bench::progress::Progress;
use crate::logins::{LoginHost, USER, free_port};
use crate::programs::Programs;

pub(super) fn measure(programs: &Programs, progress: &Progress) -> Result<Figure> {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let port = free_port(address)?;
    let host = LoginHost::start((address, port).into(), PASSWORD)?;
    let folder = tempfile::tempdir().context("making a folder")?;
    let asks = folder.path().join("asks");
    fs::write(&asks, format!("#!/bin/sh\necho {PASSWORD}\n")).context("writing what ssh asks")?;
    fs::set_permissions(&asks, fs::Permissions::from_mode(0o700)).context("writing what ssh asks")?;
    let mut times = ([Duration::ZERO; TURNS], [Duration::ZERO; TURNS]);
    for (our_time, their_time) in times.0.iter_mut().zip(&mut times.1) {
        *our_time = ours::seconds(
            programs
                .command(MEASURE)
                .args(["login", &format!("{address}:{port}"), host.host_key()])
                .arg(host.log_file())
                .args([USER, PASSWORD]),
        )?;
        *their_time = ssh(&host, port, &asks)?;
    }
    progress.step(format_args!("logins, ours and ssh's: {times:.2?}"));
    Ok(Figure::at_most(
        Amount::seconds(GOAL),
        "from a job's start to its login over SSH",
        Amount::seconds(median(times.0)),
    )
    .beside(Amount::seconds(median(times.1))))
}

/// How long `ssh` takes until it is let in.
fn ssh(host: &LoginHost, port: u16, asks: &Path) -> Result<Duration> {
    let before = logins(host)?;
    let begun = Instant::now();
    let mut ssh = Command::new("ssh")
        .args(["-F", "none", "-p", &port.to_string()])
        .args([
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "PreferredAuthentications=password",
            "-o",
            "PubkeyAuthentication=no",
        ])
        .args([&format!("{USER}@127.0.0.1"), "true"])
        .env("SSH_ASKPASS", asks)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("starting ssh")?;
    let took = loop {
        let took = begun.elapsed();
        if logins(host)? > before {
            break took;
        }
        ensure!(took < LIMIT, "ssh was not let in: {}", host.log()?);
        thread::sleep(LOOK);
    };
    ssh.wait().context("waiting for ssh")?;
    Ok(took)
}

fn logins(host: &LoginHost) -> Result<usize> {
    Ok(host.log()?.matches("Accepted password").count())
}

const PASSWORD: &str = "measured";
const GOAL: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_micros(500);
const TURNS: usize = 5;
