//! What this image knows of its platform, read from the verity root.

use std::{fs::File, io, io::Read};

use vedette_protocol::{
    ImageConfig,
    image::{IMAGE_CONFIG_LIMIT, IMAGE_CONFIG_PATH},
};

/// The image's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("reading {IMAGE_CONFIG_PATH}")]
    Read(#[source] io::Error),
    #[error("{IMAGE_CONFIG_PATH} is no image configuration")]
    Malformed(#[source] serde_json::Error),
    #[error("{IMAGE_CONFIG_PATH} has version {0}, expected 1")]
    Version(u8),
}

/// Reads it.
pub fn config() -> Result<ImageConfig, ConfigError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(IMAGE_CONFIG_LIMIT).unwrap_or(u64::MAX);
    File::open(IMAGE_CONFIG_PATH)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(ConfigError::Read)?;
    let config: ImageConfig = serde_json::from_slice(&bytes).map_err(ConfigError::Malformed)?;
    match config.version {
        1 => Ok(config),
        other => Err(ConfigError::Version(other)),
    }
}
