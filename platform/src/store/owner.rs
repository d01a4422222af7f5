//! What owners say, and what appliances say to their owners. Kept as it came in.

use sqlx::query;
use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, KeyId, OrgId, Signed, Timestamp,
    codec::{self, DecodeError},
    owner::{ApplianceKeys, Epoch, OwnerWord},
};

use super::{
    Db,
    appliances::Appliance,
    column::{Columns, damaged, integer},
};
use crate::ownership::Carried;

/// Whether an appliance seals to another key than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKey {
    /// It is the same, or the first.
    Same,
    /// It is another: what was sealed to the old one does not open any more, or somebody plays false.
    Changed,
}

/// Keeps what an appliance says of its keys. A release is done with when it says that no owner is pinned.
///
/// # Errors
/// The database's.
pub async fn keep_keys(
    db: &mut Db,
    appliance: &Appliance,
    signed: &Signed<ApplianceKeys>,
    owner: Option<&VerifyingKey>,
    credential: CredentialKey,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let alarm = match credential {
        CredentialKey::Same => appliance.keys_alarm,
        CredentialKey::Changed => Some(now),
    };
    query(
        "UPDATE appliances
         SET keys = ?3, owner = ?4, keys_alarm = ?5,
             word = CASE WHEN ?4 IS NULL AND word_owner IS NULL THEN NULL ELSE word END,
             copy_order = CASE WHEN ?4 IS NULL AND word_owner IS NULL THEN NULL ELSE copy_order END
         WHERE org_id = ?1 AND id = ?2",
    )
    .bind(&appliance.org.0[..])
    .bind(&appliance.id.0[..])
    .bind(signed.to_bytes())
    .bind(owner.map(|key| &key.as_bytes()[..]))
    .bind(alarm.map(|at| integer(at.0)))
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps a pin, with the key that it names, or a release.
///
/// # Errors
/// The database's.
pub async fn keep_word(
    db: &mut Db,
    org: OrgId,
    appliance: ApplianceId,
    word: &OwnerWord,
    pinned: Option<&VerifyingKey>,
) -> Result<(), sqlx::Error> {
    query("UPDATE appliances SET word = ?3, word_owner = ?4 WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&appliance.0[..])
        .bind(codec::encode(word))
        .bind(pinned.map(|key| &key.as_bytes()[..]))
        .execute(db)
        .await?;
    Ok(())
}

/// A word to all appliances of an owner.
pub struct OrgWord<'a> {
    /// Which kind.
    pub kind: OrgWordKind,
    /// Who has signed it.
    pub signer: KeyId,
    /// The epoch that it brings.
    pub epoch: Epoch,
    /// The key that it brings, if it does.
    pub next: Option<&'a VerifyingKey>,
    /// As it came in.
    pub word: &'a OwnerWord,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrgWordKind {
    /// A new epoch.
    Epoch,
    /// A new key.
    Rotation,
}

impl OrgWordKind {
    fn name(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::Rotation => "rotation",
        }
    }
}

/// Keeps a word in the place of an older one.
///
/// # Errors
/// The database's.
pub async fn keep_org_word(db: &mut Db, org: OrgId, new: &OrgWord<'_>) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO owner_words (org_id, kind, signer, epoch, next, word) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET epoch = ?4, next = ?5, word = ?6",
    )
    .bind(&org.0[..])
    .bind(new.kind.name())
    .bind(&new.signer.0[..])
    .bind(integer(new.epoch.0))
    .bind(new.next.map(|key| &key.as_bytes()[..]))
    .bind(codec::encode(new.word))
    .execute(db)
    .await?;
    Ok(())
}

/// The word of a kind that a key has signed.
///
/// # Errors
/// The database's.
pub async fn org_word(
    db: &mut Db,
    org: OrgId,
    kind: OrgWordKind,
    signer: KeyId,
) -> Result<Option<(Epoch, OwnerWord)>, sqlx::Error> {
    let row = query("SELECT epoch, word FROM owner_words WHERE org_id = ?1 AND kind = ?2 AND signer = ?3")
        .bind(&org.0[..])
        .bind(kind.name())
        .bind(&signer.0[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| Ok((Epoch(row.count("epoch")?), decoded("word", row.blob("word")?)?)))
        .transpose()
}

/// Every owner key that is known of an organisation: said by an appliance, pinned, or rotated to.
///
/// # Errors
/// The database's.
pub async fn known_keys(db: &mut Db, org: OrgId) -> Result<Vec<VerifyingKey>, sqlx::Error> {
    let rows = query(
        "SELECT owner AS key FROM appliances WHERE org_id = ?1 AND owner IS NOT NULL
         UNION SELECT word_owner FROM appliances WHERE org_id = ?1 AND word_owner IS NOT NULL
         UNION SELECT next FROM owner_words WHERE org_id = ?1 AND next IS NOT NULL",
    )
    .bind(&org.0[..])
    .fetch_all(db)
    .await?;
    rows.iter()
        .map(|row| row.bytes("key").map(VerifyingKey::from_bytes))
        .collect()
}

/// What is carried to an appliance.
///
/// # Errors
/// The database's.
pub async fn carried(db: &mut Db, appliance: &Appliance) -> Result<Carried, sqlx::Error> {
    let own = appliance
        .word
        .clone()
        .map(|word| decoded("word", word))
        .transpose()?;
    // An appliance that nobody has said anything to is not told what another owner says to its own.
    let rows = if appliance.owner.is_none() && own.is_none() {
        Vec::new()
    } else {
        query("SELECT word FROM owner_words WHERE org_id = ?1")
            .bind(&appliance.org.0[..])
            .fetch_all(db)
            .await?
    };
    let mut carried = Carried {
        said: appliance.owner,
        own,
        rotations: Vec::new(),
        epochs: Vec::new(),
        copy: appliance.copy_order.clone(),
    };
    for row in &rows {
        match decoded("word", row.blob("word")?)? {
            OwnerWord::Rotation(word) => carried.rotations.push(word),
            OwnerWord::NewEpoch(word) => carried.epochs.push(word),
            // Those to one appliance stand in its own row.
            OwnerWord::Pin(_) | OwnerWord::Release(_) | OwnerWord::Copy(_) => {}
        }
    }
    Ok(carried)
}

fn decoded(name: &str, bytes: Vec<u8>) -> Result<OwnerWord, sqlx::Error> {
    codec::decode(&bytes).map_err(|error: DecodeError| damaged(name, error))
}
