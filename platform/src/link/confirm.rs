//! `confirm`: the next ticket is kept, so the one that was presented dies, and the share is given: sealed
//! to the key of this boot, and bound to it.

use axum::extract::State;
use vedette_protocol::{
    Timestamp,
    link::{BootRefusal, ConfirmOutcome, ConfirmRequest, share_context},
};

use super::{
    boot,
    request::{FromAppliance, LinkError, Reply},
};
use crate::{
    desk::Standing,
    escrow,
    keystore::Entry,
    platform::{Platform, Shared},
    store::{
        boots::{self, Confirmed},
        jobs::{self, Held, Holder},
    },
};

pub(super) async fn confirm(
    State(platform): State<Shared>,
    FromAppliance { request, digest, .. }: FromAppliance<ConfirmRequest>,
) -> Result<Reply, LinkError> {
    let now = Timestamp::now();
    let outcome = match admit(&platform, &request, now).await? {
        Ok((confirmed, kept)) => share(&platform, &request, &confirmed, kept)?,
        Err(refusal) => {
            boot::note(&platform, request.appliance, refusal, now).await?;
            ConfirmOutcome::Refused(refusal)
        }
    };
    Ok(platform.reply::<ConfirmRequest>(digest, now, outcome))
}

async fn admit(
    platform: &Platform,
    request: &ConfirmRequest,
    now: Timestamp,
) -> Result<Result<(Confirmed, u64), BootRefusal>, LinkError> {
    let Some(kept) = boot::own_ticket(platform, request.appliance, &request.ticket) else {
        return Ok(Err(BootRefusal::Order));
    };
    let mut writing = platform.store.write().await?;
    let confirmed = match boots::confirm(&mut writing, request.appliance, request.boot, kept, now).await? {
        Ok(confirmed) => confirmed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let holder = Holder {
        org: confirmed.appliance.org,
        appliance: request.appliance,
        boot: request.boot,
    };
    jobs::free(&mut writing, &holder, Held::ByEarlierBoots).await?;
    writing.commit().await?;
    let desk = platform.desks.open(&confirmed.appliance);
    desk.hear(now);
    desk.stands(Standing::Active(Some(request.boot)));
    Ok(Ok((confirmed, kept)))
}

fn share(
    platform: &Platform,
    request: &ConfirmRequest,
    confirmed: &Confirmed,
    kept: u64,
) -> Result<ConfirmOutcome, LinkError> {
    let appliance = &confirmed.appliance;
    let Some(wrapped) = &appliance.share else {
        return Ok(ConfirmOutcome::Refused(BootRefusal::Removed));
    };
    // An old copy of the database may know an appliance that was removed since; its key stays dead.
    if !platform.keystore.holds(Entry::Appliance(appliance.id)) {
        return Ok(ConfirmOutcome::Refused(BootRefusal::Removed));
    }
    let share = escrow::withdraw(&platform.keystore, appliance.org, appliance.id, wrapped)?;
    let context = share_context(appliance.id, request.boot, kept);
    let sealed = share.with(|share| confirmed.sealing_key.seal(&context, share))?;
    Ok(ConfirmOutcome::Share(sealed))
}
