//! What `init` fixed for good: one small TOML file.

use serde::{Deserialize, Serialize};
use vedette_protocol::{OrgId, image::PlatformUrl};

use crate::directory::{self, Directory, DirectoryError};

/// The settings of a data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where appliances and people reach the platform.
    pub url: PlatformUrl,
    /// The organisation of the first account.
    pub org: OrgId,
}

/// The settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] DirectoryError),
    /// The file is not what `init` writes.
    #[error("{path} is not valid")]
    Malformed {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file is not text.
    #[error("{0} is not UTF-8")]
    NotText(std::path::PathBuf),
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed.
    pub fn read(directory: &Directory) -> Result<Self, SettingsError> {
        let path = directory.settings();
        let bytes = directory::read(&path)?;
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(SettingsError::NotText(path));
        };
        toml::from_str(&text).map_err(|source| SettingsError::Malformed {
            path,
            source: Box::new(source),
        })
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, directory: &Directory) -> Result<(), SettingsError> {
        let text = format!("url = \"{}\"\norg = \"{}\"\n", self.url, self.org);
        Ok(directory::write(&directory.settings(), text.as_bytes())?)
    }
}
