//! `events`: what happened to jobs. Taken in order, each once, under the leases that they were done under.

use axum::extract::State;
use vedette_protocol::{
    Timestamp,
    link::{EVENTS_PER_REQUEST, EventsOutcome, EventsRequest},
};

use super::{
    boot, poll,
    request::{FromAppliance, LinkError, Reply},
};
use crate::{
    platform::Shared,
    store::{events, jobs::Holder},
};

pub(super) async fn events(
    State(platform): State<Shared>,
    FromAppliance { request, digest, .. }: FromAppliance<EventsRequest>,
) -> Result<Reply, LinkError> {
    if request.events.len() > EVENTS_PER_REQUEST || request.first >= u64::MAX / 4 {
        return Err(LinkError::Malformed);
    }
    let now = Timestamp::now();
    let outcome = match poll::attend(&platform, request.appliance, request.boot).await? {
        Err(refusal) => {
            boot::note(&platform, request.appliance, refusal, now).await?;
            EventsOutcome::Refused(refusal)
        }
        Ok(desk) => {
            let holder = Holder {
                org: desk.org,
                appliance: request.appliance,
                boot: request.boot,
            };
            let mut writing = platform.store.write().await?;
            let taken = events::take(&mut writing, &holder, request.first, &request.events, now).await?;
            writing.commit().await?;
            if taken.again {
                platform.desks.ring_all_of(desk.org);
            }
            EventsOutcome::Kept { next: taken.next }
        }
    };
    Ok(platform.reply::<EventsRequest>(digest, now, outcome))
}
