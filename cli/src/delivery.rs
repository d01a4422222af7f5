//! What the owner signed, on its way to the platform, which carries it to the appliances: sent at once, or written to
//! a file that is sent from another machine.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vedette_protocol::api::{CredentialChange, NewCredential, NewGrant, NewOwnerWord};
use vedette_protocol::envelope::Sealing;
use vedette_protocol::owner::OwnerWord;
use vedette_protocol::{ApplianceId, CredentialId, Grant, GrantId, Signed, codec};

use crate::armour;
use crate::platform::{ApiError, Platform};

/// One thing to bring to the platform. Bringing it again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// To be said to the appliances.
    Word(OwnerWord),
    /// In the place of the one with this name, if there is one.
    Grant { id: GrantId, grant: Signed<Grant> },
    /// It ends.
    NoGrant(GrantId),
    /// In the place of the one with this name, if there is one.
    Credential {
        id: CredentialId,
        label: String,
        sealing: Sealing,
    },
    /// The platform holds it back, or does not.
    Disabled { id: CredentialId, disabled: bool },
    /// It ends.
    NoCredential(CredentialId),
}

impl Item {
    /// What a file from `--out` holds, in the order in which it is to be brought.
    ///
    /// # Errors
    /// When the text is something else, or a part of it is missing.
    pub fn read_all(text: &str) -> Result<Vec<Self>> {
        armour::take_all_off(TAG, text)?
            .iter()
            .map(|block| codec::decode(block).context("reading one of its blocks"))
            .collect()
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, what: &str, appliance: Option<ApplianceId>| match appliance {
            Some(appliance) => write!(f, "{what} {appliance}"),
            None => f.write_str(what),
        };
        match self {
            Self::Word(OwnerWord::Pin(pin)) => {
                let pin = pin.danger_read_unverified().ok();
                named(
                    f,
                    "the owner key's pin for appliance",
                    pin.map(|pin| pin.appliance),
                )
            }
            Self::Word(OwnerWord::NewEpoch(_)) => f.write_str("the new epoch"),
            Self::Word(OwnerWord::Rotation(_)) => f.write_str("the new owner key"),
            Self::Word(OwnerWord::Release(release)) => {
                let release = release.danger_read_unverified().ok();
                named(
                    f,
                    "the release of appliance",
                    release.map(|release| release.appliance),
                )
            }
            Self::Grant { id, .. } => write!(f, "grant {id}"),
            Self::NoGrant(id) => write!(f, "the end of grant {id}"),
            Self::Credential { id, .. } => write!(f, "credential {id}"),
            Self::Disabled { id, disabled: true } => write!(f, "the disabling of credential {id}"),
            Self::Disabled { id, .. } => write!(f, "the enabling of credential {id}"),
            Self::Word(OwnerWord::Copy(order)) => {
                let order = order.danger_read_unverified().ok();
                named(
                    f,
                    "the order for a copy from appliance",
                    order.map(|order| order.appliance),
                )
            }
            Self::NoCredential(id) => write!(f, "the end of credential {id}"),
        }
    }
}

/// As the text of a file.
pub(crate) fn written(items: &[Item]) -> String {
    items
        .iter()
        .map(|item| armour::put_on(TAG, &codec::encode(item)))
        .collect()
}

/// What a file holds: at least one thing.
pub(crate) fn read_file(path: &Path) -> Result<Vec<Item>> {
    let reading = || {
        format!(
            "reading {}, which should be what --out wrote; copy it again",
            path.display()
        )
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        .with_context(reading)?;
    ensure!(
        text.len() as u64 <= LONGEST,
        "{} has more than {LONGEST} bytes",
        path.display()
    );
    let items = Item::read_all(&text).with_context(reading)?;
    ensure!(!items.is_empty(), "{} is empty", path.display());
    Ok(items)
}

/// Brings one thing to the platform.
pub(crate) async fn bring(platform: &Platform, item: &Item) -> Result<()> {
    let text = |bytes: Vec<u8>| STANDARD.encode(bytes);
    let brought = match item {
        Item::Word(word) => {
            let body = NewOwnerWord {
                word: text(codec::encode(word)),
            };
            platform.tell("/owner-words", &body).await
        }
        Item::Grant { id, grant } => {
            let body = NewGrant {
                grant: text(grant.to_bytes()),
            };
            platform.put(&format!("/grants/{id}"), &body).await
        }
        Item::NoGrant(id) => gone(platform.delete(&format!("/grants/{id}")).await),
        Item::Credential { id, label, sealing } => {
            let body = NewCredential {
                sealing: Some(text(codec::encode(sealing))),
                label: Some(label.clone()),
                ..NewCredential::default()
            };
            platform.put(&format!("/credentials/{id}"), &body).await
        }
        Item::Disabled { id, disabled } => {
            let body = CredentialChange {
                disabled: Some(*disabled),
                ..CredentialChange::default()
            };
            platform.patch(&format!("/credentials/{id}"), &body).await
        }
        Item::NoCredential(id) => gone(platform.delete(&format!("/credentials/{id}")).await),
    };
    brought.with_context(|| format!("bringing {item} to the platform"))
}

/// What is not there need not be taken away.
fn gone(deleted: Result<()>) -> Result<()> {
    match deleted {
        Err(error)
            if error
                .downcast_ref::<ApiError>()
                .is_some_and(|error| error.is("not-found")) =>
        {
            Ok(())
        }
        other => other,
    }
}

const TAG: &str = "VEDETTE OWNER DELIVERY";
/// Some envelopes of the longest kind.
const LONGEST: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_read_back_in_their_order_and_a_part_of_a_file_is_none() {
        let items = [
            Item::NoGrant(GrantId([1; 16])),
            Item::Disabled {
                id: CredentialId([2; 16]),
                disabled: true,
            },
            Item::NoCredential(CredentialId([3; 16])),
        ];
        let text = written(&items);
        assert_eq!(Item::read_all(&text).unwrap(), items);
        assert!(Item::read_all(&text[..text.len() - 9]).is_err());
        assert!(Item::read_all(&armour::put_on(TAG, b"\xff\xff")).is_err());
    }

    #[test]
    fn the_seed_that_is_mutated_is_a_delivery() {
        let text = include_str!("../../fuzz/corpus/owner_delivery/valid");
        assert_eq!(Item::read_all(text).unwrap().len(), 2);
    }

    #[test]
    fn an_empty_file_is_not_a_delivery() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        assert!(read_file(&path).is_err());
    }
}
