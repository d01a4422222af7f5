//! The owner's authority, as it is kept on the operator's machine: the key, the epoch, the appliances that were
//! compared, what was granted and sealed.
//!
//! Everything but the key is signed by it, and read only if it is. Who looks needs no passphrase ([`Owner`]); who
//! signs does ([`Signatory`]). A change is on disk before it is sent anywhere.

mod certificate;
mod folder;
mod record;
mod signatory;

pub(crate) use record::{Confirmed, Kept, Standing};
pub(crate) use signatory::{Change, HeldOwner, Road, Signatory, create};

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use vedette_crypto::VerifyingKey;
use vedette_crypto::owner::OwnerKeyFile;
use vedette_protocol::copy::CopyOrder;
use vedette_protocol::{ApplianceId, Grant};

use self::folder::{Folder, Missing};
use crate::choice::choose;
use crate::delivery::{self, Item};

/// What is kept, verified.
#[derive(Debug)]
pub(crate) struct Owner {
    folder: Folder,
    file: OwnerKeyFile,
    pub(crate) standing: Standing,
    pub(crate) appliances: Vec<Confirmed>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) credentials: Vec<Kept>,
    /// The last order for a copy to each appliance that was given one.
    pub(crate) copies: Vec<CopyOrder>,
}

impl Owner {
    /// Reads all of it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::in_folder(Folder::open(path)?)
    }

    fn in_folder(folder: Folder) -> Result<Self> {
        let file: OwnerKeyFile = folder
            .read(KEY)?
            .parse()
            .with_context(|| format!("reading {}", folder.path().join(KEY).display()))?;
        let key = file.public();
        let standing = one(&folder, STANDING, &key)?;
        Ok(Self {
            appliances: all(&folder, APPLIANCES, &key, |one: &Confirmed| {
                Ok(one.appliance.to_string())
            })?,
            grants: all(&folder, GRANTS, &key, |one: &Grant| Ok(one.id.to_string()))?,
            credentials: all(&folder, CREDENTIALS, &key, |one: &Kept| {
                Ok(one.name()?.id.to_string())
            })?,
            copies: all(&folder, COPIES, &key, |one: &CopyOrder| {
                Ok(one.appliance.to_string())
            })?,
            folder,
            file,
            standing,
        })
    }

    pub(crate) fn key(&self) -> VerifyingKey {
        self.file.public()
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What was signed and did not reach the platform yet.
    pub(crate) fn outbox(&self) -> Result<Vec<Item>> {
        let text = self.folder.find(OUTBOX)?.unwrap_or_default();
        Item::read_all(&text).with_context(|| {
            format!(
                "reading {}; `vedette owner deliver --forget` forgets what waits there",
                self.path().join(OUTBOX).display()
            )
        })
    }

    pub(crate) fn set_outbox(&self, waiting: &[Item]) -> Result<()> {
        if waiting.is_empty() {
            self.folder.remove(OUTBOX)
        } else {
            self.folder.write(OUTBOX, &delivery::written(waiting))
        }
    }

    /// The confirmed appliance that is meant.
    pub(crate) fn appliance(&self, given: &str) -> Result<&Confirmed> {
        choose(
            "appliance",
            given,
            &self.appliances,
            |one| one.appliance.to_string(),
            |one| Some(&one.name),
        )
        .with_context(|| {
            format!(
                "{given:?} is not among the appliances that you confirmed; compare its fingerprint, and run \
                 `vedette appliance confirm`"
            )
        })
    }

    /// The last order for a copy to an appliance.
    pub(crate) fn copy(&self, appliance: ApplianceId) -> Option<&CopyOrder> {
        self.copies.iter().find(|order| order.appliance == appliance)
    }

    /// The grant that is meant.
    pub(crate) fn grant(&self, given: &str) -> Result<&Grant> {
        choose("grant", given, &self.grants, |one| one.id.to_string(), |_| None)
    }

    /// The credential that is meant.
    pub(crate) fn credential(&self, given: &str) -> Result<&Kept> {
        choose(
            "credential",
            given,
            &self.credentials,
            |one| {
                one.name()
                    .map_or_else(|_| String::new(), |name| name.id.to_string())
            },
            |one| Some(&one.label),
        )
    }
}

/// The folder that is used unless another is named: `vedette/owner` in the user's data.
pub(crate) fn usual_folder() -> Result<PathBuf> {
    let path = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    path("XDG_DATA_HOME")
        // The specification says that a relative one is to be ignored.
        .filter(|path| path.is_absolute())
        .or_else(|| path("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("vedette/owner"))
        .context("neither XDG_DATA_HOME nor HOME is set; name the owner's folder with --owner-dir")
}

fn one<T: vedette_protocol::Message>(folder: &Folder, name: &str, key: &VerifyingKey) -> Result<T> {
    record::read(&folder.read(name)?, key).with_context(|| {
        format!(
            "{} is not as the owner key signed it; take it from a backup",
            folder.path().join(name).display()
        )
    })
}

fn all<T: vedette_protocol::Message>(
    folder: &Folder,
    sort: &str,
    key: &VerifyingKey,
    name_of: impl Fn(&T) -> Result<String>,
) -> Result<Vec<T>> {
    let missing = if sort == COPIES {
        Missing::IsEmpty
    } else {
        Missing::IsDamage
    };
    folder
        .names(sort, missing)?
        .into_iter()
        .map(|name| {
            let path = format!("{sort}/{name}");
            let record = one(folder, &path, key)?;
            // Else one could stand in the place of another.
            ensure!(
                name_of(&record)? == name,
                "{} holds another record than its name says; take it from a backup",
                folder.path().join(path).display()
            );
            Ok(record)
        })
        .collect()
}

const KEY: &str = "owner.key";
const STANDING: &str = "standing";
const OUTBOX: &str = "outbox";
const APPLIANCES: &str = "appliances";
const GRANTS: &str = "grants";
const CREDENTIALS: &str = "credentials";
const COPIES: &str = "copies";
const FOLDERS: &[&str] = &[APPLIANCES, GRANTS, CREDENTIALS, COPIES];
