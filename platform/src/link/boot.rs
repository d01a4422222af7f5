//! `boot`: a ticket is presented; the next one is given, and nothing else yet.

use axum::extract::State;
use vedette_crypto::Signer;
use vedette_protocol::{
    ApplianceId, BootId, Signed, Timestamp,
    link::{BootOutcome, BootRefusal, BootRequest, Ticket},
};

use super::{
    enrolment,
    request::{FromAppliance, LinkError, Reply},
};
use crate::{
    platform::{Platform, Shared},
    store::{
        appliances,
        audit::{self, Actor},
        boots::{self, NewBoot},
    },
};

pub(super) async fn boot(
    State(platform): State<Shared>,
    FromAppliance { request, digest, .. }: FromAppliance<BootRequest>,
) -> Result<Reply, LinkError> {
    let now = Timestamp::now();
    let outcome = match admit(&platform, &request, BootId(digest.0), now).await? {
        Ok(next) => BootOutcome::Proceed {
            next: enrolment::ticket(&platform, request.appliance, next),
        },
        Err(refusal) => {
            note(&platform, request.appliance, refusal, now).await?;
            BootOutcome::Refused(refusal)
        }
    };
    Ok(platform.reply::<BootRequest>(digest, now, outcome))
}

async fn admit(
    platform: &Platform,
    request: &BootRequest,
    id: BootId,
    now: Timestamp,
) -> Result<Result<u64, BootRefusal>, LinkError> {
    let Some(ticket) = own_ticket(platform, request.appliance, &request.ticket) else {
        return Ok(Err(BootRefusal::Order));
    };
    if !platform.policy.admits(request.kind) {
        return Ok(Err(BootRefusal::Image));
    }
    let boot = NewBoot {
        id,
        appliance: request.appliance,
        image: request.image,
        sealing_key: request.sealing_key,
        ticket,
    };
    let mut writing = platform.store.write().await?;
    let admitted = boots::present(&mut writing, &boot, now).await?;
    writing.commit().await?;
    Ok(admitted)
}

/// The number of a ticket that we have signed for this appliance.
pub(super) fn own_ticket(
    platform: &Platform,
    appliance: ApplianceId,
    ticket: &Signed<Ticket>,
) -> Option<u64> {
    let ticket = ticket.verify(&platform.signer.verifying_key()).ok()?;
    // The database counts in signed integers; a number near their end was never issued.
    (ticket.appliance == appliance && ticket.number < u64::MAX / 4).then_some(ticket.number)
}

/// Records a refusal; a used ticket means a second copy, which is an alarm.
pub(super) async fn note(
    platform: &Platform,
    appliance: ApplianceId,
    refusal: BootRefusal,
    now: Timestamp,
) -> Result<(), LinkError> {
    tracing::warn!(%appliance, %refusal, "refused an appliance");
    if refusal == BootRefusal::TicketUsed {
        let mut writing = platform.store.write().await?;
        if let Some(known) = appliances::with_id(&mut writing, appliance).await? {
            appliances::raise_clone_alarm(&mut writing, appliance, now).await?;
            let object = appliance.to_string();
            audit::record(
                &mut writing,
                known.org,
                &Actor::platform(),
                "appliance.clone-alarm",
                &object,
                now,
            )
            .await?;
        }
        writing.commit().await?;
    }
    Ok(())
}
