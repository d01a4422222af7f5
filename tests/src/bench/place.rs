//! What the groups about the appliance stand on: a platform's keys, and the images that pin them. Kept between runs,
//! so that an image is built only when something that goes into it has changed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::progress::Progress;
use crate::appliance::{boot_to_serving, flash};
use crate::image::{Made, image};
use crate::lab::{Boot, Disk, Image, Lab, Machine};
use crate::operator::Operator;
use crate::platform::{Platform, PlatformData, TestImages};
use crate::programs::{Programs, target};

#[derive(Debug)]
pub(super) struct Place {
    programs: Programs,
    data: PlatformData,
    dir: PathBuf,
}

impl Place {
    pub(super) fn open(progress: &Progress) -> Result<Self> {
        progress.step("building the programs");
        let programs = Programs::build()?;
        let dir = target().join("bench");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let data = PlatformData::at(&programs, &dir.join("platform"))?;
        Ok(Self { programs, data, dir })
    }

    /// The image as it ships.
    pub(super) fn image(&self, progress: &Progress) -> Result<Image> {
        self.image_with("", "image", progress)
    }

    /// The image with a probe in it.
    pub(super) fn probed_image(&self, probe: &str, progress: &Progress) -> Result<Image> {
        self.image_with(probe, "probed-image", progress)
    }

    fn image_with(&self, probe: &str, name: &str, progress: &Progress) -> Result<Image> {
        progress.step("building the image");
        let (image, made) = image(&self.programs, &self.data, &self.dir.join(name), probe)?;
        if made == Made::Earlier {
            progress.step("nothing that goes into it has changed: it is the one of an earlier run");
        }
        Ok(image)
    }

    /// Starts the platform in a lab, and an appliance that activates with a token.
    pub(super) fn serve(
        &self,
        lab: &Lab,
        image: &Image,
        test_images: TestImages,
        progress: &Progress,
    ) -> Result<Serving> {
        // A copy, so that nobody's account and appliances are kept between runs.
        let data = self.data.copy_to(&lab.dir().join("platform"))?;
        let platform = Platform::serve(&self.programs, &data, lab, test_images)?;
        let operator = Operator::log_in(&self.programs, &data, lab, &lab.dir().join("operator"))?;
        let flashed = flash(&self.programs, &operator, lab, image, "bench")?;
        let disk = Disk::over(lab, &flashed)?;
        progress.step("first boot, which activates the appliance");
        let (machine, _) = boot_to_serving(lab, image, &disk, Boot::Kernel)
            .with_context(|| format!("the platform said:\n{}", platform.said()))?;
        Ok(Serving {
            machine,
            disk,
            platform,
        })
    }
}

/// An appliance that serves its platform.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) machine: Machine,
    pub(super) disk: Disk,
    pub(super) platform: Platform,
}
