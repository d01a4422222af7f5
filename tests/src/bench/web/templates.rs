//! Templates against nginx on loopback: how many requests a second, and how long and how much memory all the templates
//! of a folder take against one host.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::super::amount::Amount;
use super::super::figure::Figure;
use super::super::progress::Progress;
use super::super::resident::peak;
use crate::programs::Programs;

/// What a run of templates came to.
#[derive(Debug)]
struct Run {
    sent: u64,
    /// Of the run itself, without the loading of the templates.
    seconds: f64,
    /// From the start of the program to its end.
    took: Duration,
    /// The most memory that it held, in bytes.
    held: u64,
    templates: u64,
}

/// nginx with nothing to show; ends with us.
struct Nginx {
    process: Child,
    url: String,
    _dir: tempfile::TempDir,
}

pub(super) fn measure(progress: &Progress, programs: &Programs) -> Result<Vec<Figure>> {
    let nginx = Nginx::start()?;
    let many = many_requests()?;
    let run = scan(programs, &nginx.url, many.path())?;
    progress.step(format_args!("requests of templates: {run:?}"));
    ensure!(run.sent >= REQUESTS, "only {} requests were sent", run.sent);
    let speed = Amount::per_second(run.sent as f64 / run.seconds);
    let mut figures = vec![Figure::at_least(
        Amount::per_second(LEAST_SPEED),
        "requests of templates, nginx on loopback",
        speed,
    )];
    let Some(data) = env::var_os("VEDETTE_DATA") else {
        progress.step("not measured: a whole folder of templates (set VEDETTE_DATA)");
        return Ok(figures);
    };
    let run = scan(
        programs,
        &nginx.url,
        &PathBuf::from(data).join("nuclei-templates"),
    )?;
    progress.step(format_args!("a folder of templates: {run:?}"));
    let all = format!("{} templates against one host", run.templates);
    figures.push(Figure::at_most(
        Amount::seconds(LONGEST),
        &all,
        Amount::seconds(run.took),
    ));
    figures.push(Figure::at_most(
        Amount::mebibytes(MOST_MEMORY),
        &format!("{all}, memory at most"),
        Amount::mebibytes(run.held),
    ));
    Ok(figures)
}

/// Templates of no more than a path each, and no two paths alike.
fn many_requests() -> Result<tempfile::TempDir> {
    let dir = tempfile::tempdir()?;
    for template in 0..TEMPLATES {
        let numbers: Vec<String> = (0..REQUESTS / TEMPLATES)
            .map(|number| number.to_string())
            .collect();
        let text = format!(
            "id: many-{template}\ninfo:\n  name: x\n  severity: info\nhttp:\n  - path: [\"{{{{BaseURL}}}}/{template}/{{{{n}}}}\"]\n    payloads:\n      n: [{}]\n    matchers:\n      - type: word\n        words: [never]\n",
            numbers.join(",")
        );
        fs::write(dir.path().join(format!("{template}.yaml")), text)?;
    }
    Ok(dir)
}

fn scan(programs: &Programs, url: &str, dir: &Path) -> Result<Run> {
    let begun = Instant::now();
    let mut output = tempfile::tempfile()?;
    let mut child = programs
        .command("vedette-scan")
        .args([
            "templates",
            "--json",
            "--budget",
            "at-once=16",
            "--url",
            url,
            "--dir",
        ])
        .arg(dir)
        .stdout(output.try_clone()?)
        .stderr(Stdio::null())
        .spawn()
        .context("running vedette-scan")?;
    let mut held = 0;
    let status = loop {
        // The process may end between the two.
        held = peak(child.id()).unwrap_or(held);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK);
    };
    let took = begun.elapsed();
    // 3: some templates cannot be run, and are named.
    if !matches!(status.code(), Some(0 | 3)) {
        bail!("vedette-scan failed: {status}");
    }
    std::io::Seek::rewind(&mut output)?;
    let text = std::io::read_to_string(output)?;
    let line = text.lines().last().context("vedette-scan said nothing")?;
    let report: Report = serde_json::from_str(line).with_context(|| format!("vedette-scan said {line:?}"))?;
    Ok(Run {
        sent: report.requests.sent,
        seconds: report.seconds,
        took,
        held,
        templates: report.templates.found,
    })
}

/// The last line, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Report {
    templates: Templates,
    requests: Requests,
    seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Templates {
    found: u64,
}

#[derive(Debug, Deserialize)]
struct Requests {
    sent: u64,
}

impl Nginx {
    fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let at = dir.path().display();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid {at}/pid; error_log stderr;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off; keepalive_requests 1000000;\n  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;\n  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n  server {{ listen 127.0.0.1:{port}; root {at}/nothing; }}\n}}\n"
        );
        let path = dir.path().join("nginx.conf");
        fs::write(&path, config)?;
        let process = Command::new("nginx")
            .arg("-p")
            .arg(dir.path())
            .arg("-c")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting nginx; see tests/packages")?;
        let nginx = Self {
            process,
            url: format!("http://127.0.0.1:{port}/"),
            _dir: dir,
        };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(begun.elapsed() < Duration::from_secs(20), "nginx does not listen");
            thread::sleep(LOOK);
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers end with it when it is asked to, not when it is killed.
        let asked = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.process),
            rustix::process::Signal::TERM,
        );
        if asked.is_ok() {
            let _ = self.process.wait();
        }
    }
}

const TEMPLATES: u64 = 64;
const REQUESTS: u64 = 64_000;
const LEAST_SPEED: f64 = 5000.0;
const LONGEST: Duration = Duration::from_secs(60);
const MOST_MEMORY: u64 = 128 << 20;
const LOOK: Duration = Duration::from_millis(20);
