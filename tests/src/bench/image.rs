//! How large the image is, beside a plain Debian with the same kernel.

use anyhow::Result;

use super::amount::Amount;
use super::debian::Debian;
use super::facts::Facts;
use super::figure::Figure;
use super::progress::Progress;
use crate::road::Road;

pub(super) fn measure(progress: &Progress) -> Result<Vec<Figure>> {
    progress.step("building the programs and the image");
    let image = Road::image_alone()?;
    let facts = Facts::of(&image)?;
    let debian = Debian::with_kernel_of(&image, progress)?;
    Ok(vec![
        Figure::at_most(
            Amount::megabytes(32_000_000),
            "root image with its verity tree",
            Amount::megabytes(facts.root_bytes),
        )
        .beside(Amount::megabytes(debian.root_bytes()?)),
        Figure::at_most(
            Amount::megabytes(48_000_000),
            "whole disk, packed by zstd",
            Amount::megabytes(facts.packed_bytes),
        )
        .beside(Amount::megabytes(debian.packed_bytes()?)),
    ])
}
