//! The whole road of a test: lab, platform, operator, image. What is missing is an appliance, which the test boots.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use vedette_protocol::api::{Appliance, ApplianceState};

use crate::appliance::{boot_to_serving, flash, flash_with, newest};
use crate::image::image;
use crate::lab::{Boot, Disk, Image, Lab, Machine, StatusLine, Target};
use crate::operator::Operator;
use crate::platform::{Platform, PlatformData, TestImages};
use crate::probes;
use crate::programs::{Programs, target};

/// Everything but the appliance. The fields are in the order in which they end.
#[derive(Debug)]
pub struct Road {
    platform: Option<Platform>,
    pub operator: Operator,
    pub data: PlatformData,
    pub image: Image,
    pub programs: Programs,
    pub lab: Lab,
}

/// An appliance that serves.
#[derive(Debug)]
pub struct Serving {
    pub machine: Machine,
    pub status: StatusLine,
    pub disk: Disk,
    pub appliance: Appliance,
}

impl Road {
    /// A platform of the test's own in a lab with these targets. All tests share one image, and so the platforms' keys.
    pub fn open(targets: &[Target]) -> Result<Self> {
        Self::open_with(targets, "image", "")
    }

    /// The same with the image that carries probes, which the platform refuses until told otherwise.
    pub fn open_with_probes(targets: &[Target]) -> Result<Self> {
        let probes = probes::section(&target().join("e2e/probes/units"))?;
        Self::open_with(targets, "probes", &probes)
    }

    /// The image alone, for what can be seen without running it.
    pub fn image_alone() -> Result<Image> {
        Ok(shared(&Programs::build()?, "image", "")?.1)
    }

    /// The same with an image of this name that has this `[probe]` section.
    pub fn open_with(targets: &[Target], name: &str, probe: &str) -> Result<Self> {
        let programs = Programs::build()?;
        let (seed, image) = shared(&programs, name, probe)?;
        let lab = Lab::start(targets)?;
        let data = seed.copy_to(&lab.dir().join("platform"))?;
        let platform = Platform::serve(&programs, &data, &lab, TestImages::Refused)?;
        let operator = Operator::log_in(&programs, &data, &lab, &lab.dir().join("operator"))?;
        Ok(Self {
            platform: Some(platform),
            operator,
            data,
            image,
            programs,
            lab,
        })
    }

    /// Flashes an image with a token, and boots it until it serves.
    pub fn appliance(&self, name: &str) -> Result<Serving> {
        let before: Vec<Appliance> = self.operator.ask(&["appliance", "list"])?;
        let disk = self.flash(name)?;
        let (machine, status) = self.boot_to_serving(&disk)?;
        let appliance = newest(&self.operator, &before)?;
        Ok(Serving {
            machine,
            status,
            disk,
            appliance,
        })
    }

    /// A disk with the image and an activation token of its own.
    pub fn flash(&self, name: &str) -> Result<Disk> {
        let flashed = flash(&self.programs, &self.operator, &self.lab, &self.image, name)?;
        Disk::over(&self.lab, &flashed)
    }

    /// A disk with the image and this token, whatever it is worth.
    pub fn flash_with(&self, name: &str, token: &str) -> Result<Disk> {
        let file = self.lab.dir().join(format!("{name}.token"));
        fs::write(&file, format!("{token}\n")).with_context(|| format!("writing {}", file.display()))?;
        let flashed = self.lab.dir().join(format!("{name}.raw"));
        flash_with(&self.programs, &self.image, &flashed, Some(&file))?;
        Disk::over(&self.lab, &flashed)
    }

    /// Switches a machine on.
    pub fn boot(&self, disk: &Disk) -> Result<Machine> {
        Machine::boot(&self.lab, &self.image, disk, Boot::Kernel)
    }

    /// Switches a machine on, and waits until it serves.
    pub fn boot_to_serving(&self, disk: &Disk) -> Result<(Machine, StatusLine)> {
        boot_to_serving(&self.lab, &self.image, disk, Boot::Kernel)
            .with_context(|| format!("the platform said:\n{}", self.platform_said()))
    }

    /// The appliance as the platform sees it now.
    pub fn seen(&self, appliance: &Appliance) -> Result<Appliance> {
        self.operator
            .ask(&["appliance", "show", &appliance.id.to_string()])
    }

    /// Waits until the platform sees the appliance in this state.
    pub fn wait_until_seen(
        &self,
        appliance: &Appliance,
        state: ApplianceState,
        deadline: Duration,
    ) -> Result<Appliance> {
        let end = Instant::now() + deadline;
        loop {
            let seen = self.seen(appliance)?;
            if seen.state == state {
                return Ok(seen);
            }
            if Instant::now() > end {
                bail!("the platform sees {seen:?} after {deadline:?}, not {state:?}");
            }
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Ends the platform with SIGKILL.
    pub fn kill_platform(&mut self) {
        if let Some(platform) = self.platform.take() {
            platform.kill();
        }
    }

    /// Starts the platform again, with its data as they are.
    pub fn serve_platform(&mut self) -> Result<()> {
        self.serve_platform_with(TestImages::Refused)
    }

    /// Starts it again, and says whether it takes images that carry probes.
    pub fn serve_platform_with(&mut self, test_images: TestImages) -> Result<()> {
        self.kill_platform();
        self.platform = Some(Platform::serve(
            &self.programs,
            &self.data,
            &self.lab,
            test_images,
        )?);
        Ok(())
    }

    /// Starts it again, by another program that takes the same arguments.
    pub fn serve_platform_by(&mut self, program: Command) -> Result<()> {
        self.kill_platform();
        self.platform = Some(Platform::serve_by(program, &self.data, &self.lab)?);
        Ok(())
    }

    /// The platform's process, while it is served.
    pub fn platform_id(&self) -> Option<u32> {
        self.platform.as_ref().map(Platform::id)
    }

    /// The end of what the platform logged.
    pub fn platform_said(&self) -> String {
        self.platform.as_ref().map_or_else(String::new, Platform::said)
    }
}

/// The keys that every test's platform starts with, and an image that pins them: made once, by whoever comes first.
fn shared(programs: &Programs, name: &str, probe: &str) -> Result<(PlatformData, Image)> {
    let dir = target().join("e2e");
    fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
    let lock = File::create(dir.join("lock"))?;
    flock(&lock, FlockOperation::LockExclusive).context("waiting for another test's build")?;
    let seed = PlatformData::at(programs, &dir.join("platform"))?;
    let (image, _) = image(programs, &seed, &dir.join(name), probe)?;
    Ok((seed, image))
}
