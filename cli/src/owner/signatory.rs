//! Whoever can sign: the owner's things with the key unlocked. What is to change is decided first, as a [`Change`],
//! and then made: on disk before it is sent.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use vedette_crypto::owner::{OwnerKeyFile, Passphrase};
use vedette_crypto::{Signer, SigningKey};
use vedette_protocol::copy::CopyOrder;
use vedette_protocol::credential::CredentialUse;
use vedette_protocol::envelope::Sealing;
use vedette_protocol::owner::{Epoch, NewEpoch, OwnerWord, Pin, Release, Rotation};
use vedette_protocol::{CredentialId, Grant, GrantId, Message, Signed, Timestamp};

use super::folder::{Folder, Held, Missing};
use super::{
    APPLIANCES, COPIES, CREDENTIALS, Confirmed, FOLDERS, GRANTS, KEY, Kept, OUTBOX, Owner, STANDING,
    Standing, certificate, record,
};
use crate::delivery::{self, Item};

/// The owner, able to sign. No other process changes the folder meanwhile.
#[derive(Debug)]
pub(crate) struct Signatory {
    pub(crate) owner: Owner,
    key: SigningKey,
    _held: Held,
}

/// The owner before it can sign: no other process changes the folder, so that what was judged is what is signed.
#[derive(Debug)]
pub(crate) struct HeldOwner {
    pub(crate) owner: Owner,
    held: Held,
}

/// What is to change: the files, in this order, and what to tell the platform.
#[derive(Debug, Default)]
pub(crate) struct Change {
    files: Vec<(String, Option<String>)>,
    pub(crate) items: Vec<Item>,
}

/// How what was signed leaves this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Road<'a> {
    /// Kept in the outbox, which is sent next.
    Outbox,
    /// In a file.
    File(&'a Path),
}

/// Makes a key where there is none.
pub(crate) fn create(path: &Path, passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<Owner> {
    let folder = Folder::create(path, FOLDERS)?;
    let _held = folder.hold()?;
    let mut used = folder.find(KEY)?.is_some();
    for sort in FOLDERS {
        used |= !folder.names(sort, Missing::IsDamage)?.is_empty();
    }
    ensure!(
        !used,
        "there is an owner in {} already; `vedette owner rotate` replaces its key, --owner-dir names another folder",
        path.display()
    );
    let (file, key) = OwnerKeyFile::generate(&passphrase()?);
    let standing = Standing {
        org: None,
        epoch: Epoch(1),
    };
    folder.write(STANDING, &record::written(&standing, &key))?;
    // Last: from then on there is an owner.
    folder.write(KEY, &file.to_string())?;
    Owner::read(path)
}

impl HeldOwner {
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let folder = Folder::open(path)?;
        let held = folder.hold()?;
        folder.add(COPIES)?;
        let owner = Owner::in_folder(folder)?;
        Ok(Self { owner, held })
    }

    pub(crate) fn unlock(self, passphrase: &Passphrase) -> Result<Signatory> {
        let key = self
            .owner
            .file
            .open(passphrase)
            .with_context(|| format!("opening {}", self.owner.path().join(KEY).display()))?;
        Ok(Signatory {
            owner: self.owner,
            key,
            _held: self.held,
        })
    }
}

impl Signatory {
    /// Takes an appliance in, and pins the owner key there.
    pub(crate) fn confirm(&self, confirmed: &Confirmed) -> Result<Change> {
        let standing = self.owner.standing;
        if let Some(org) = standing.org {
            ensure!(
                org == confirmed.org,
                "{} belongs to organisation {}, and this owner key to {org}: one key is for one organisation, make \
                 another with --owner-dir",
                confirmed.name,
                confirmed.org
            );
        }
        let pin = Pin {
            owner: self.owner.key(),
            org: confirmed.org,
            appliance: confirmed.appliance,
            identity: confirmed.fingerprint(),
            epoch: standing.epoch,
        };
        let mut change = Change::default();
        change.files.push(self.file(
            STANDING,
            &Standing {
                org: Some(confirmed.org),
                ..standing
            },
        ));
        change
            .files
            .push(self.file(&format!("{APPLIANCES}/{}", confirmed.appliance), confirmed));
        change.items.push(Item::Word(OwnerWord::Pin(self.sign(&pin))));
        Ok(change)
    }

    /// Lets an appliance go: the pin is taken off.
    pub(crate) fn release(&self, confirmed: &Confirmed) -> Change {
        let release = Release {
            appliance: confirmed.appliance,
            identity: confirmed.fingerprint(),
        };
        Change {
            files: vec![
                (format!("{APPLIANCES}/{}", confirmed.appliance), None),
                (format!("{COPIES}/{}", confirmed.appliance), None),
            ],
            items: vec![Item::Word(OwnerWord::Release(self.sign(&release)))],
        }
    }

    /// Has an order say what certificate its appliance shows.
    pub(crate) fn certify(&self, order: &mut CopyOrder) -> Result<()> {
        let (appliance, identity) = (order.appliance, order.identity);
        let mut confirmed = self.owner.appliances.iter();
        let confirmed = confirmed
            .find(|confirmed| confirmed.appliance == appliance && confirmed.fingerprint() == identity)
            .with_context(|| format!("the appliance {appliance} is not confirmed"))?;
        if let Some(collector) = &mut order.collector {
            collector.certificate = Some(certificate::of(&self.key, confirmed)?);
        }
        Ok(())
    }

    /// The CA of the certificates that this owner key signs, as PEM.
    pub(crate) fn client_authority(&self) -> Result<String> {
        certificate::authority(&self.key)
    }

    /// Orders for copies.
    pub(crate) fn order_copies(&self, orders: &[CopyOrder]) -> Change {
        let mut change = Change::default();
        for order in orders {
            self.put_order(&mut change, order);
        }
        change
    }

    /// A new grant.
    pub(crate) fn grant(&self, grant: &Grant) -> Change {
        let mut change = Change::default();
        self.put_grant(&mut change, grant);
        change
    }

    /// A credential's first version.
    pub(crate) fn keep(&self, kept: &Kept) -> Result<Change> {
        let mut change = Change::default();
        self.put_credential(&mut change, kept)?;
        Ok(change)
    }

    /// A credential's next version: the grants that name it name that one from now on, and no older one counts.
    pub(crate) fn renew(&self, kept: &Kept, now: Timestamp) -> Result<Change> {
        let name = kept.name()?;
        let mut change = Change::default();
        self.put_credential(&mut change, kept)?;
        self.raise(&mut change, now, |mut grant| {
            for used in grant.credentials.iter_mut().filter(|used| used.id == name.id) {
                *used = name;
            }
            Some(grant)
        })?;
        Ok(change)
    }

    /// Takes a credential out of all grants, and has the platform hold it back.
    pub(crate) fn disable(&self, kept: &Kept, now: Timestamp) -> Result<Change> {
        let id = kept.name()?.id;
        let mut change = Change::default();
        let disabled = Kept {
            disabled: true,
            ..kept.clone()
        };
        change
            .files
            .push(self.file(&format!("{CREDENTIALS}/{id}"), &disabled));
        self.raise(&mut change, now, without_credential(id))?;
        change.items.push(Item::Disabled { id, disabled: true });
        Ok(change)
    }

    /// Lets a disabled credential be granted again.
    pub(crate) fn enable(&self, kept: &Kept) -> Result<Change> {
        let id = kept.name()?.id;
        let enabled = Kept {
            disabled: false,
            ..kept.clone()
        };
        Ok(Change {
            files: vec![self.file(&format!("{CREDENTIALS}/{id}"), &enabled)],
            items: vec![Item::Disabled { id, disabled: false }],
        })
    }

    /// Takes a credential out of all grants, and away from the platform.
    pub(crate) fn remove(&self, kept: &Kept, now: Timestamp) -> Result<Change> {
        let id = kept.name()?.id;
        let mut change = Change::default();
        change.files.push((format!("{CREDENTIALS}/{id}"), None));
        self.raise(&mut change, now, without_credential(id))?;
        change.items.push(Item::NoCredential(id));
        Ok(change)
    }

    /// Makes grants worthless.
    pub(crate) fn revoke(&self, revoked: &[GrantId], now: Timestamp) -> Result<Change> {
        let mut change = Change::default();
        self.raise(&mut change, now, |grant| {
            (!revoked.contains(&grant.id)).then_some(grant)
        })?;
        Ok(change)
    }

    /// Makes a change: what leaves is written first, so that nothing is told to be signed that was lost.
    pub(crate) fn make(self, change: Change, road: Road<'_>) -> Result<Owner> {
        let folder = &self.owner.folder;
        match road {
            Road::File(path) => crate::file::create(path, &delivery::written(&change.items))?,
            Road::Outbox => {
                let waiting = folder.find(OUTBOX)?.unwrap_or_default();
                folder.write(OUTBOX, &(waiting + &delivery::written(&change.items)))?;
            }
        }
        for (name, text) in change.files {
            match text {
                Some(text) => folder.write(&name, &text)?,
                None => folder.remove(&name)?,
            }
        }
        Owner::read(folder.path())
    }

    /// Replaces the key: everything is signed anew by the next one, under a new epoch, and takes the old one's place in
    /// one step.
    pub(crate) fn rotate(self, passphrase: &Passphrase, now: Timestamp, road: Road<'_>) -> Result<Owner> {
        let (file, key) = OwnerKeyFile::generate(passphrase);
        let epoch = self.next_epoch()?;
        let org = self.owner.standing.org;
        let next = Self {
            owner: Owner {
                standing: Standing { org, epoch },
                file,
                ..self.owner
            },
            key,
            _held: self._held,
        };
        let mut change = Change::default();
        change.files.push(next.file(STANDING, &next.owner.standing));
        if let Some(org) = org {
            let rotation = Rotation {
                org,
                new: next.owner.key(),
                epoch,
            };
            let Ok(rotation) = Signed::seal(&rotation, &self.key);
            change.items.push(Item::Word(OwnerWord::Rotation(rotation)));
        }
        for confirmed in &next.owner.appliances {
            change
                .files
                .push(next.file(&format!("{APPLIANCES}/{}", confirmed.appliance), confirmed));
        }
        for kept in &next.owner.credentials {
            next.put_credential(&mut change, kept)?;
        }
        for grant in &next.owner.grants {
            if now < grant.until {
                let grant = Grant {
                    epoch,
                    ..grant.clone()
                };
                next.put_grant(&mut change, &grant);
            } else {
                change.items.push(Item::NoGrant(grant.id));
            }
        }
        for order in &next.owner.copies {
            next.put_order(&mut change, &renewed(order, epoch)?);
        }
        let place = &next.owner.folder;
        let mut waiting = place.find(OUTBOX)?.unwrap_or_default();
        match road {
            // Before the first appliance nobody is to be told.
            Road::File(_) if change.items.is_empty() => {}
            Road::File(path) => crate::file::create(path, &delivery::written(&change.items))?,
            Road::Outbox => waiting.push_str(&delivery::written(&change.items)),
        }
        let beside = place.beside(FOLDERS)?;
        beside.write(KEY, &next.owner.file.to_string())?;
        if !waiting.is_empty() {
            beside.write(OUTBOX, &waiting)?;
        }
        for (name, text) in &change.files {
            if let Some(text) = text {
                beside.write(name, text)?;
            }
        }
        beside.replace(place)?;
        Owner::read(place.path())
    }

    /// The next epoch, in which what `still` leaves of each grant is signed anew. One that has expired is not.
    fn raise(
        &self,
        change: &mut Change,
        now: Timestamp,
        still: impl Fn(Grant) -> Option<Grant>,
    ) -> Result<()> {
        let standing = Standing {
            epoch: self.next_epoch()?,
            ..self.owner.standing
        };
        change.files.push(self.file(STANDING, &standing));
        let mut gone = Vec::new();
        for grant in &self.owner.grants {
            match still(grant.clone()).filter(|grant| now < grant.until) {
                Some(grant) => {
                    let grant = Grant {
                        epoch: standing.epoch,
                        ..grant
                    };
                    self.put_grant(change, &grant);
                }
                None => {
                    change.files.push((format!("{GRANTS}/{}", grant.id), None));
                    gone.push(Item::NoGrant(grant.id));
                }
            }
        }
        // The grants of the new epoch go first: they hold already, and no scan stops that may go on.
        if let Some(org) = standing.org {
            let word = NewEpoch {
                org,
                epoch: standing.epoch,
            };
            change
                .items
                .push(Item::Word(OwnerWord::NewEpoch(self.sign(&word))));
        }
        change.items.extend(gone);
        // An appliance that has not taken its order yet would not take it any more.
        for order in &self.owner.copies {
            self.put_order(change, &renewed(order, standing.epoch)?);
        }
        Ok(())
    }

    fn next_epoch(&self) -> Result<Epoch> {
        let next = self.owner.standing.epoch.0.checked_add(1);
        next.map(Epoch).context("there is no epoch after this one")
    }

    fn put_grant(&self, change: &mut Change, grant: &Grant) {
        change
            .files
            .push(self.file(&format!("{GRANTS}/{}", grant.id), grant));
        change.items.push(Item::Grant {
            id: grant.id,
            grant: self.sign(grant),
        });
    }

    fn put_order(&self, change: &mut Change, order: &CopyOrder) {
        change
            .files
            .push(self.file(&format!("{COPIES}/{}", order.appliance), order));
        change.items.push(Item::Word(OwnerWord::Copy(self.sign(order))));
    }

    fn put_credential(&self, change: &mut Change, kept: &Kept) -> Result<()> {
        let CredentialUse { id, .. } = kept.name()?;
        change.files.push(self.file(&format!("{CREDENTIALS}/{id}"), kept));
        change.items.push(Item::Credential {
            id,
            label: kept.label.clone(),
            sealing: Sealing::Owned(self.sign(&kept.envelope)),
        });
        Ok(())
    }

    fn file<T: Message>(&self, name: &str, record: &T) -> (String, Option<String>) {
        (name.to_owned(), Some(record::written(record, &self.key)))
    }

    fn sign<T: Message>(&self, message: &T) -> Signed<T> {
        debug_assert_eq!(self.key.verifying_key(), self.owner.key());
        let Ok(signed) = Signed::seal(message, &self.key);
        signed
    }
}

/// The same order once more, in a new epoch.
fn renewed(order: &CopyOrder, epoch: Epoch) -> Result<CopyOrder> {
    let number = order.number.checked_add(1);
    Ok(CopyOrder {
        epoch,
        number: number.context("there is no number after this one")?,
        ..order.clone()
    })
}

fn without_credential(id: CredentialId) -> impl Fn(Grant) -> Option<Grant> {
    move |mut grant| {
        grant.credentials.retain(|used| used.id != id);
        Some(grant)
    }
}
