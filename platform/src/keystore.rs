//! The keystore: small secrets in files, each wrapped under the master key and bound to its name.
//!
//! It lies outside the database on purpose. Destroying an entry here kills what it wraps in every copy
//! of the database, whoever holds the master key.

use std::{fmt, fs, io, path::PathBuf};

use vedette_crypto::{Secret, wrap::UnwrapError, wrap::WrappingKey};
use vedette_protocol::ApplianceId;
use zeroize::Zeroizing;

use crate::directory::{self, Directory, DirectoryError};

/// An open keystore.
#[derive(Debug)]
pub struct Keystore {
    directory: PathBuf,
    master: WrappingKey,
}

/// The name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The key that signs all the platform says: Ed25519, PKCS #8.
    PlatformSigning,
    /// The key of the CA that names appliances: PKCS #8.
    ApplianceCa,
    /// The key of the root that the server's certificate comes from: PKCS #8.
    TlsRoot,
    /// The key that wraps one appliance's share: 32 bytes.
    Appliance(ApplianceId),
}

/// An entry could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] DirectoryError),
    /// Listing the entries failed.
    #[error("listing {path}")]
    List {
        /// The keystore.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The master key has the wrong length.
    #[error("{0} is not a master key: it must hold 32 bytes")]
    Master(PathBuf),
    /// The entry is not what was kept under this name and master key.
    #[error("{0} does not open: it is damaged, or belongs to another master key")]
    Unwrap(PathBuf, #[source] UnwrapError),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PlatformSigning => f.write_str("platform-signing"),
            Self::ApplianceCa => f.write_str("appliance-ca"),
            Self::TlsRoot => f.write_str("tls-root"),
            Self::Appliance(id) => write!(f, "{APPLIANCE}{id}"),
        }
    }
}

impl Keystore {
    /// Makes the master key of a new directory.
    ///
    /// # Errors
    /// The file system's.
    pub fn create(directory: &Directory) -> Result<Self, KeystoreError> {
        let master = WrappingKey::random();
        master.with(|key| directory::write(&directory.master_key(), key))?;
        Ok(Self {
            directory: directory.keystore(),
            master,
        })
    }

    /// Opens the keystore with the directory's master key.
    ///
    /// # Errors
    /// When the master key is missing or is none.
    pub fn open(directory: &Directory) -> Result<Self, KeystoreError> {
        let path = directory.master_key();
        let bytes = Zeroizing::new(directory::read(&path)?);
        let key = Secret::copied(&bytes).ok_or(KeystoreError::Master(path))?;
        Ok(Self {
            directory: directory.keystore(),
            master: WrappingKey::from_secret(key),
        })
    }

    /// Keeps a secret under a name, durably.
    ///
    /// # Errors
    /// The file system's.
    pub fn keep(&self, entry: Entry, secret: &[u8]) -> Result<(), KeystoreError> {
        let wrapped = self.master.wrap(&context(entry), secret);
        Ok(directory::write(&self.path(entry), &wrapped)?)
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// When it is not there, or is not what was kept.
    pub fn read(&self, entry: Entry) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let path = self.path(entry);
        let wrapped = directory::read(&path)?;
        self.master
            .unwrap(&context(entry), &wrapped)
            .map_err(|error| KeystoreError::Unwrap(path, error))
    }

    /// Whether there is such an entry.
    pub fn holds(&self, entry: Entry) -> bool {
        self.path(entry).exists()
    }

    /// Destroys a secret for good.
    ///
    /// # Errors
    /// The file system's; then it may still be there.
    pub fn destroy(&self, entry: Entry) -> Result<(), KeystoreError> {
        Ok(directory::destroy(&self.path(entry))?)
    }

    /// The appliances that have an entry.
    ///
    /// # Errors
    /// The file system's.
    pub fn appliances(&self) -> Result<Vec<ApplianceId>, KeystoreError> {
        let failed = |source| KeystoreError::List {
            path: self.directory.clone(),
            source,
        };
        let mut appliances = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let name = file.map_err(failed)?.file_name();
            let id = name.to_str().and_then(|name| name.strip_prefix(APPLIANCE));
            appliances.extend(id.and_then(|id| id.parse::<ApplianceId>().ok()));
        }
        Ok(appliances)
    }

    fn path(&self, entry: Entry) -> PathBuf {
        self.directory.join(entry.to_string())
    }
}

fn context(entry: Entry) -> Vec<u8> {
    format!("vedette/1 keystore {entry}").into_bytes()
}

const APPLIANCE: &str = "appliance-";
