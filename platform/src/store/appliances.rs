//! Appliances: who they are, which tickets are alive, and how they end.

use sqlx::{query, sqlite::SqliteRow};
use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, BootId, Digest, ImageId, OrgId, PoolId, Signed, Timestamp, codec,
    copy::{CopyOrder, CopyStanding},
};

use super::{
    Db,
    column::{Columns, damaged, integer},
};
use crate::escrow::WrappedShare;

/// An appliance.
pub struct Appliance {
    /// Whose it is.
    pub org: OrgId,
    /// Its id.
    pub id: ApplianceId,
    /// Its name, for people.
    pub name: String,
    /// Its identity key.
    pub identity: VerifyingKey,
    /// The hash of the token that activated it, if it was one.
    pub token: Option<Digest>,
    /// When it was activated.
    pub activated: Timestamp,
    /// Its share; none once it is removed.
    pub share: Option<WrappedShare>,
    /// The oldest ticket that still boots.
    pub ticket: u64,
    /// The newest ticket that was ever signed.
    pub issued: u64,
    /// The boot that was confirmed last.
    pub boot: Option<BootId>,
    /// How many were confirmed.
    pub boots: u64,
    /// The image of its last boot.
    pub image: ImageId,
    /// When it was last heard of.
    pub seen: Option<Timestamp>,
    /// When a second copy was last noticed.
    pub clone_alarm: Option<Timestamp>,
    /// When it was removed.
    pub removed: Option<Timestamp>,
    /// The signed receipt of its removal.
    pub receipt: Option<Vec<u8>>,
    /// What it says of its keys, signed.
    pub keys: Option<Vec<u8>>,
    /// The owner key that it says is pinned.
    pub owner: Option<VerifyingKey>,
    /// When its credential key was last another one than before.
    pub keys_alarm: Option<Timestamp>,
    /// What its owner says to it alone.
    pub word: Option<Vec<u8>>,
    /// The owner's last order for a copy.
    pub copy_order: Option<Signed<CopyOrder>>,
    /// What it says of its copy.
    pub copy_said: CopyStanding,
}

/// An appliance to add.
pub struct NewAppliance<'a> {
    /// Whose.
    pub org: OrgId,
    /// Its id.
    pub id: ApplianceId,
    /// Its name.
    pub name: &'a str,
    /// Its identity key.
    pub identity: VerifyingKey,
    /// The hash of its activation token, if it was one.
    pub token: Option<Digest>,
    /// Its image.
    pub image: ImageId,
    /// Its share.
    pub share: &'a WrappedShare,
}

/// The number of an appliance's first ticket.
pub const FIRST_TICKET: u64 = 1;

/// Adds an appliance with its first ticket.
///
/// # Errors
/// The database's.
pub async fn insert(db: &mut Db, new: &NewAppliance<'_>, now: Timestamp) -> Result<(), sqlx::Error> {
    query(
        "INSERT INTO appliances (org_id, id, name, identity, token, activated, share, ticket, issued, image)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
    )
    .bind(&new.org.0[..])
    .bind(&new.id.0[..])
    .bind(new.name)
    .bind(&new.identity.as_bytes()[..])
    .bind(new.token.as_ref().map(|hash| &hash.0[..]))
    .bind(integer(now.0))
    .bind(&new.share.0)
    .bind(integer(FIRST_TICKET))
    .bind(&new.image.0[..])
    .execute(db)
    .await?;
    Ok(())
}

/// Finds an appliance by the name in its certificate.
///
/// # Errors
/// The database's.
pub async fn with_id(db: &mut Db, id: ApplianceId) -> Result<Option<Appliance>, sqlx::Error> {
    let row = query("SELECT * FROM appliances WHERE id = ?1")
        .bind(&id.0[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// Finds an appliance of an organisation.
///
/// # Errors
/// The database's.
pub async fn in_org(db: &mut Db, org: OrgId, id: ApplianceId) -> Result<Option<Appliance>, sqlx::Error> {
    Ok(with_id(db, id).await?.filter(|appliance| appliance.org == org))
}

/// Finds an appliance by its identity key.
///
/// # Errors
/// The database's.
pub async fn with_identity(db: &mut Db, identity: &VerifyingKey) -> Result<Option<Appliance>, sqlx::Error> {
    let row = query("SELECT * FROM appliances WHERE identity = ?1")
        .bind(&identity.as_bytes()[..])
        .fetch_optional(db)
        .await?;
    row.map(|row| read(&row)).transpose()
}

/// All appliances of an organisation, those that were not removed first, by name.
///
/// # Errors
/// The database's.
pub async fn list(db: &mut Db, org: OrgId) -> Result<Vec<Appliance>, sqlx::Error> {
    let rows = query("SELECT * FROM appliances WHERE org_id = ?1 ORDER BY removed IS NOT NULL, name, id")
        .bind(&org.0[..])
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

/// The appliances of a pool.
///
/// # Errors
/// The database's.
pub async fn of_pool(db: &mut Db, org: OrgId, pool: PoolId) -> Result<Vec<Appliance>, sqlx::Error> {
    let rows = query(
        "SELECT appliances.* FROM appliances
         JOIN pool_members ON pool_members.org_id = appliances.org_id AND pool_members.appliance = appliances.id
         WHERE appliances.org_id = ?1 AND pool_members.pool = ?2 AND appliances.removed IS NULL
         ORDER BY appliances.name, appliances.id",
    )
    .bind(&org.0[..])
    .bind(&pool.0[..])
    .fetch_all(db)
    .await?;
    rows.iter().map(read).collect()
}

/// Notes when appliances were last heard of.
///
/// # Errors
/// The database's.
pub async fn saw(db: &mut Db, seen: &[(OrgId, ApplianceId, Timestamp)]) -> Result<(), sqlx::Error> {
    for (org, id, at) in seen {
        query("UPDATE appliances SET seen = ?3 WHERE org_id = ?1 AND id = ?2")
            .bind(&org.0[..])
            .bind(&id.0[..])
            .bind(integer(at.0))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Keeps what an appliance says of the operator's copy.
///
/// # Errors
/// The database's.
pub async fn keep_copy_said(
    db: &mut Db,
    org: OrgId,
    id: ApplianceId,
    said: &CopyStanding,
) -> Result<(), sqlx::Error> {
    query("UPDATE appliances SET copy_said = ?3 WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .bind(codec::encode(said))
        .execute(db)
        .await?;
    Ok(())
}

/// Keeps the owner's order for a copy.
///
/// # Errors
/// The database's.
pub async fn keep_copy_order(
    db: &mut Db,
    org: OrgId,
    id: ApplianceId,
    order: &Signed<CopyOrder>,
) -> Result<(), sqlx::Error> {
    query("UPDATE appliances SET copy_order = ?3 WHERE org_id = ?1 AND id = ?2")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .bind(order.to_bytes())
        .execute(db)
        .await?;
    Ok(())
}

/// Notes that a second copy showed.
///
/// # Errors
/// The database's.
pub async fn raise_clone_alarm(db: &mut Db, id: ApplianceId, now: Timestamp) -> Result<(), sqlx::Error> {
    query("UPDATE appliances SET clone_alarm = ?2 WHERE id = ?1")
        .bind(&id.0[..])
        .bind(integer(now.0))
        .execute(db)
        .await?;
    Ok(())
}

/// Takes an appliance out of use: nothing is given to it from here on.
///
/// # Errors
/// The database's.
pub async fn remove(db: &mut Db, org: OrgId, id: ApplianceId, now: Timestamp) -> Result<(), sqlx::Error> {
    query(
        "UPDATE appliances SET removed = ?3, share = NULL, boot = NULL
         WHERE org_id = ?1 AND id = ?2 AND removed IS NULL",
    )
    .bind(&org.0[..])
    .bind(&id.0[..])
    .bind(integer(now.0))
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps the receipt: its wrapping key is destroyed.
///
/// # Errors
/// The database's.
pub async fn keep_receipt(
    db: &mut Db,
    org: OrgId,
    id: ApplianceId,
    receipt: &[u8],
) -> Result<(), sqlx::Error> {
    query("UPDATE appliances SET receipt = ?3 WHERE org_id = ?1 AND id = ?2 AND removed IS NOT NULL")
        .bind(&org.0[..])
        .bind(&id.0[..])
        .bind(receipt)
        .execute(db)
        .await?;
    Ok(())
}

/// Appliances whose removal was begun and not ended.
///
/// # Errors
/// The database's.
pub async fn half_removed(db: &mut Db) -> Result<Vec<Appliance>, sqlx::Error> {
    let rows = query("SELECT * FROM appliances WHERE removed IS NOT NULL AND receipt IS NULL")
        .fetch_all(db)
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Appliance, sqlx::Error> {
    use sqlx::Row;
    Ok(Appliance {
        org: row.org()?,
        id: row.appliance("id")?,
        name: row.text("name")?,
        identity: VerifyingKey::from_bytes(row.bytes("identity")?),
        token: row.bytes_or_null("token")?.map(Digest),
        activated: row.time("activated")?,
        share: row.try_get::<Option<Vec<u8>>, _>("share")?.map(WrappedShare),
        ticket: row.count("ticket")?,
        issued: row.count("issued")?,
        boot: row.boot_or_null("boot")?,
        boots: row.count("boots")?,
        image: row.image("image")?,
        seen: row.time_or_null("seen")?,
        clone_alarm: row.time_or_null("clone_alarm")?,
        removed: row.time_or_null("removed")?,
        receipt: row.try_get("receipt")?,
        keys: row.try_get("keys")?,
        owner: row.bytes_or_null("owner")?.map(VerifyingKey::from_bytes),
        keys_alarm: row.time_or_null("keys_alarm")?,
        word: row.try_get("word")?,
        copy_order: row
            .try_get::<Option<Vec<u8>>, _>("copy_order")?
            .map(|bytes| Signed::from_bytes(&bytes).map_err(|error| damaged("copy_order", error)))
            .transpose()?,
        copy_said: row
            .try_get::<Option<Vec<u8>>, _>("copy_said")?
            .map(|bytes| codec::decode(&bytes).map_err(|error| damaged("copy_said", error)))
            .transpose()?
            .unwrap_or(CopyStanding::NONE),
    })
}
