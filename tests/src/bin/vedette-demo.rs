//! The whole product on real input, step by step, each with its time: `vedette-demo up` and `vedette-demo down`.
//!
//! What it keeps is in target/demo: the platform's data, so that the image can be the same one the next time, and the
//! operator's login. With KEEP=1 lab, platform and appliance stay up until `down`.

#![forbid(unsafe_code)]

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use vedette_protocol::api::{Appliance, Scan, ScanState};
use vedette_tests::appliance::{boot_to_serving, flash, newest};
use vedette_tests::image::{Made, image};
use vedette_tests::lab::{
    Accel, Boot, Disk, Lab, LabNumber, Machine, Target, end_left_running, is_left_running,
};
use vedette_tests::operator::Operator;
use vedette_tests::platform::{self, Platform, PlatformData, TestImages};
use vedette_tests::programs::{Programs, target};

/// Shows the whole product at work
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Builds, boots, activates, scans; KEEP=1 leaves all of it running
    Up,
    /// Ends what KEEP=1 left running
    Down,
}

fn main() -> Result<()> {
    let place = Place(target().join("demo"));
    match Arguments::parse().what {
        What::Up => up(&place),
        What::Down => down(&place),
    }
}

fn up(place: &Place) -> Result<()> {
    if let Some(number) = place.running()? {
        ensure!(
            !is_left_running(number)?,
            "a demo is still running; `make demo-down` ends it"
        );
        place.forget_running()?;
    }
    fs::create_dir_all(&place.0).with_context(|| format!("making {}", place.0.display()))?;
    let mut steps = Steps::start();

    steps.begin("build the programs");
    let programs = Programs::build()?;

    steps.begin("make the platform's keys, or find them");
    let data = PlatformData::at(&programs, &place.0.join("platform"))?;

    steps.begin("build the image for this platform");
    let (image, made) = image(&programs, &data, &place.0.join("image"), "")?;
    if made == Made::Earlier {
        steps.note("nothing that goes into it has changed: it is the one of an earlier run");
    }

    steps.begin("start the lab");
    let lab = Lab::start(&Target::ALL)?;
    for &target in lab.targets() {
        steps.note(&format!("{:<15} {}", lab.address(target), target.host_name()));
    }

    steps.begin("start the platform, and log in");
    let platform = Platform::serve(&programs, &data, &lab, TestImages::Refused)?;
    let operator = Operator::log_in(&programs, &data, &lab, &place.0.join("operator"))?;
    let known: Vec<Appliance> = operator.ask(&["appliance", "list"])?;

    steps.begin("flash the image, with an activation token");
    let name = format!("demo-{}", known.len() + 1);
    let flashed = flash(&programs, &operator, &lab, &image, &name)?;
    let disk = Disk::over(&lab, &flashed)?;

    let accel = Accel::choose(&image)?;
    steps.begin(&format!("boot the appliance until it serves ({})", accel.name()));
    let (mut machine, status) = boot_to_serving(&lab, &image, &disk, Boot::Kernel)
        .with_context(|| format!("the platform said:\n{}", platform.said()))?;
    steps.note(&format!(
        "its address is {}",
        status
            .address
            .map_or_else(String::new, |address| address.to_string())
    ));
    let appliance = newest(&operator, &known)?;

    steps.begin("scan the lab");
    let scan = scan(&operator, &lab, &appliance, &mut machine)
        .with_context(|| format!("{}the platform said:\n{}", machine.console(), platform.said()))?;

    steps.begin("findings");
    operator
        .command(&["finding", "list", "--scan", &scan.id.to_string()])
        .status()
        .context("listing the findings")?;

    steps.end();
    if std::env::var_os("KEEP").is_some_and(|keep| !keep.is_empty() && keep != "0") {
        let address = platform::address(&lab).ip();
        platform.leave_running();
        machine.leave_running();
        place.note_running(lab.leave_running()?)?;
        print_addresses(&operator, &data, &address.to_string());
    } else {
        println!("dashboard: {}/ (KEEP=1 leaves it running)", platform::url());
    }
    ensure!(
        scan.state == ScanState::Complete,
        "the scan ended {:?}: {scan:#?}",
        scan.state
    );
    Ok(())
}

fn down(place: &Place) -> Result<()> {
    match place.running()? {
        Some(number) => {
            end_left_running(number)?;
            place.forget_running()?;
            println!("the demo has ended");
        }
        None => println!("no demo was left running"),
    }
    Ok(())
}

/// Scans every target of the lab, and shows how far the scan is. An appliance that ends meanwhile ends the waiting.
fn scan(operator: &Operator, lab: &Lab, appliance: &Appliance, machine: &mut Machine) -> Result<Scan> {
    let id = appliance.id.to_string();
    let mut command = operator.command(&["--json", "scan", "start", "--wait", "--appliance", &id]);
    for &target in lab.targets() {
        command.args(["--target", &lab.address(target).to_string()]);
    }
    let mut waiting = command
        .stdout(Stdio::piped())
        .spawn()
        .context("running vedette")?;
    while waiting.try_wait()?.is_none() {
        if let Some(status) = machine.ended()? {
            waiting.kill()?;
            waiting.wait()?;
            bail!("the appliance ended ({status}) during the scan");
        }
        thread::sleep(Duration::from_millis(100));
    }
    let output = waiting.wait_with_output()?;
    match output.status.code() {
        Some(0 | 3 | 4) => {
            serde_json::from_slice(&output.stdout).context("reading what vedette said of the scan")
        }
        _ => bail!("the scan was not started, or not seen to its end"),
    }
}

fn print_addresses(operator: &Operator, data: &PlatformData, address: &str) {
    println!("dashboard:  {}/", platform::url());
    println!(
        "            account admin, password in {}",
        operator.password_file().display()
    );
    println!("            to let a browser find and trust it, put this line into /etc/hosts:");
    println!("                {address} {}", vedette_tests::lab::PLATFORM_NAME);
    println!("            and have it trust the CA in {}", data.ca().display());
    println!("vedette:    {} finding list", operator.wrapper().display());
    println!("to end it:  make demo-down");
}

/// The steps so far, each shown when it begins, with its time when it ends.
struct Steps {
    begun: Instant,
    current: Option<Instant>,
}

impl Steps {
    fn start() -> Self {
        Self {
            begun: Instant::now(),
            current: None,
        }
    }

    fn begin(&mut self, what: &str) {
        self.finish_current();
        println!("== {what}");
        self.current = Some(Instant::now());
    }

    fn note(&self, text: &str) {
        println!("   {text}");
    }

    fn finish_current(&mut self) {
        if let Some(begun) = self.current.take() {
            println!("   {:.1} s", begun.elapsed().as_secs_f64());
        }
        // Others write here too.
        let _unshown = io::stdout().flush();
    }

    fn end(mut self) {
        self.finish_current();
        println!("== all of it: {:.1} s", self.begun.elapsed().as_secs_f64());
    }
}

/// Where the demo keeps its things.
struct Place(PathBuf);

impl Place {
    /// The lab that was left running.
    fn running(&self) -> Result<Option<LabNumber>> {
        let path = self.note();
        match fs::read_to_string(&path) {
            Ok(number) => {
                let number = number
                    .trim()
                    .parse()
                    .with_context(|| format!("{} names no lab", path.display()))?;
                Ok(Some(LabNumber::noted(number)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context(format!("reading {}", path.display())),
        }
    }

    fn note_running(&self, number: LabNumber) -> Result<()> {
        write(&self.note(), &format!("{number}\n"))
    }

    fn forget_running(&self) -> Result<()> {
        fs::remove_file(self.note()).with_context(|| format!("removing {}", self.note().display()))
    }

    fn note(&self) -> PathBuf {
        self.0.join("lab")
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
