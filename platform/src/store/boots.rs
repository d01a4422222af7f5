//! Boots: the use of tickets. `present_ticket.sql` and `confirm_ticket.sql` are the fencing.

use sqlx::query;
use vedette_crypto::hpke::SealingKey;
use vedette_protocol::{ApplianceId, BootId, ImageId, Timestamp, link::BootRefusal};

use super::{
    Db, appliances,
    appliances::Appliance,
    column::{Columns, integer},
};

/// A boot that an appliance asks for.
pub struct NewBoot {
    /// The digest of the request.
    pub id: BootId,
    /// Who.
    pub appliance: ApplianceId,
    /// The image that runs.
    pub image: ImageId,
    /// The key to seal the share to.
    pub sealing_key: SealingKey,
    /// The ticket that it presents.
    pub ticket: u64,
}

/// Presents a ticket: the number of the next one, or why not.
///
/// # Errors
/// The database's.
pub async fn present(
    db: &mut Db,
    boot: &NewBoot,
    now: Timestamp,
) -> Result<Result<u64, BootRefusal>, sqlx::Error> {
    let presented = query(include_str!("../../sql/present_ticket.sql"))
        .bind(&boot.appliance.0[..])
        .bind(integer(boot.ticket))
        .bind(&boot.image.0[..])
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = presented else {
        let appliance = appliances::with_id(db, boot.appliance).await?;
        return Ok(Err(judge(appliance.as_ref(), boot.ticket)));
    };
    query(
        "INSERT INTO boots (org_id, appliance, id, ticket, sealing_key, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )
    .bind(&row.org()?.0[..])
    .bind(&boot.appliance.0[..])
    .bind(&boot.id.0[..])
    .bind(integer(boot.ticket))
    .bind(&boot.sealing_key.0[..])
    .bind(integer(now.0))
    .execute(db)
    .await?;
    Ok(Ok(boot.ticket + 1))
}

/// A boot that may have its share.
pub struct Confirmed {
    /// The appliance, as it stands now.
    pub appliance: Appliance,
    /// The key to seal its share to.
    pub sealing_key: SealingKey,
}

/// Confirms that the next ticket was kept. A repetition by the same boot gets the same answer.
///
/// # Errors
/// The database's.
pub async fn confirm(
    db: &mut Db,
    appliance: ApplianceId,
    boot: BootId,
    kept: u64,
    now: Timestamp,
) -> Result<Result<Confirmed, BootRefusal>, sqlx::Error> {
    let first = query(include_str!("../../sql/confirm_ticket.sql"))
        .bind(&appliance.0[..])
        .bind(&boot.0[..])
        .bind(integer(kept))
        .bind(integer(now.0))
        .fetch_optional(&mut *db)
        .await?;
    let Some(appliance) = appliances::with_id(&mut *db, appliance).await? else {
        return Ok(Err(judge(None, kept)));
    };
    if appliance.removed.is_some() {
        return Ok(Err(BootRefusal::Removed));
    }
    let again = appliance.boot == Some(boot) && appliance.ticket == kept;
    let row = query("SELECT ticket, sealing_key FROM boots WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
        .bind(&appliance.org.0[..])
        .bind(&appliance.id.0[..])
        .bind(&boot.0[..])
        .fetch_optional(&mut *db)
        .await?;
    let Some(row) = row else {
        return Ok(Err(BootRefusal::Order));
    };
    if first.is_none() && !again {
        let presented = row.count("ticket")?;
        return Ok(Err(if presented.checked_add(1) == Some(kept) {
            judge(Some(&appliance), presented)
        } else {
            BootRefusal::Order
        }));
    }
    if first.is_some() {
        query("UPDATE boots SET confirmed = ?4 WHERE org_id = ?1 AND appliance = ?2 AND id = ?3")
            .bind(&appliance.org.0[..])
            .bind(&appliance.id.0[..])
            .bind(&boot.0[..])
            .bind(integer(now.0))
            .execute(db)
            .await?;
    }
    Ok(Ok(Confirmed {
        appliance,
        sealing_key: SealingKey(row.bytes("sealing_key")?),
    }))
}

/// Forgets boots that nothing refers to any more.
///
/// # Errors
/// The database's.
pub async fn forget_older(db: &mut Db, than: Timestamp) -> Result<(), sqlx::Error> {
    query(
        "DELETE FROM boots WHERE created < ?1 AND NOT EXISTS (
             SELECT 1 FROM appliances
             WHERE appliances.org_id = boots.org_id AND appliances.id = boots.appliance
               AND appliances.boot = boots.id)",
    )
    .bind(integer(than.0))
    .execute(db)
    .await?;
    Ok(())
}

/// Why a ticket does not boot.
fn judge(appliance: Option<&Appliance>, ticket: u64) -> BootRefusal {
    match appliance {
        // Our CA has named it, and we do not know it: the database is older than its activation.
        None => BootRefusal::TicketAhead,
        Some(appliance) if appliance.removed.is_some() => BootRefusal::Removed,
        Some(appliance) if ticket < appliance.ticket => BootRefusal::TicketUsed,
        Some(_) => BootRefusal::TicketAhead,
    }
}
