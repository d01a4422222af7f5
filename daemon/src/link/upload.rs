//! The way of events to the platform: in order, in batches, each as often as it takes.

use std::{convert::Infallible, sync::Arc};

use tokio::{sync::mpsc::Receiver, time::sleep};
use tracing::{error, warn};
use vedette_protocol::{
    keeper::{Compose, KeeperAnswer},
    link::{Event, What},
};

use super::{
    House,
    backoff::Backoff,
    boot::Stopped,
    exchange::{Outlook, exchange},
    line::Line,
    spool::{Spool, SpoolError},
};
use crate::journal::chain;

/// Spools what comes in and sends what is spooled, until the platform says no.
///
/// # Errors
/// When the platform refuses the appliance, or the spool is lost.
pub async fn upload(
    house: Arc<House>,
    mut line: Line,
    mut spool: Spool,
    mut events: Receiver<Event>,
) -> Result<Infallible, Stopped> {
    let mut backoff = Backoff::default();
    loop {
        let (first, mut batch) = spool.batch().map_err(lost)?;
        batch.truncate(house.copier.batch(&batch));
        if batch.is_empty() {
            match events.recv().await {
                Some(event) => keep(&house, &mut spool, &event)?,
                // The other end is dropped only together with this one.
                None => std::future::pending().await,
            }
            continue;
        }
        let sending = send(&house, &mut line, first, batch, &mut backoff);
        let mut sending = std::pin::pin!(sending);
        // While a batch is on its way, what happens is spooled.
        let kept = loop {
            tokio::select! {
                kept = &mut sending => break kept?,
                Some(event) = events.recv(), if spool.has_room() => keep(&house, &mut spool, &event)?,
            }
        };
        if let Some(kept) = kept {
            spool.kept(kept).map_err(lost)?;
        }
    }
}

/// Sends a batch: the number below which everything is kept, if it got through.
async fn send(
    house: &House,
    line: &mut Line,
    first: u64,
    events: Vec<Event>,
    backoff: &mut Backoff,
) -> Result<Option<u64>, Stopped> {
    match exchange(house, line, Compose::Events { first, events }).await {
        Ok(KeeperAnswer::EventsKept(next)) => {
            // A platform that keeps nothing of a batch is asked again, but not at once.
            if next <= first {
                sleep(backoff.pause()).await;
            } else {
                *backoff = Backoff::default();
            }
            Ok(Some(next))
        }
        Ok(_) => {
            warn!("the keeper answered another question");
            sleep(backoff.pause()).await;
            Ok(None)
        }
        Err(error) if error.outlook() == Outlook::Never => Err(Stopped::because(error.reason())),
        Err(error) => {
            warn!(error = chain(&error), first, "events not sent yet");
            sleep(backoff.pause()).await;
            Ok(None)
        }
    }
}

fn keep(house: &House, spool: &mut Spool, event: &Event) -> Result<(), Stopped> {
    if !spool.wants(event) {
        return Ok(());
    }
    match spool.push(event) {
        Ok(()) => {
            if let What::Opened(opening) = &event.what {
                house.openings.arrived(&house.keeper, opening);
            }
            Ok(())
        }
        Err(SpoolError::TooLong(length)) => {
            warn!(job = %event.job, length, "an event too long to be sent is dropped");
            Ok(())
        }
        Err(failure) => Err(lost(failure)),
    }
}

fn lost(failure: SpoolError) -> Stopped {
    error!(error = chain(&failure), "the spool is lost");
    Stopped::because(chain(&failure))
}
