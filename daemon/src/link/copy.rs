//! The operator's copy: every message that leaves goes to the owner's own collector as well.
//!
//! [`exchange`](super::exchange) is the one place from which messages leave, and hands each to [`Copier::before_leaving`]
//! first. What waits there is decided in [`queue`], written down by [`record`], and sent over a [`collector`]'s TLS
//! connection by [`Copier::run`]. Where the owner's order requires it, a batch of events does not leave before the
//! collector's machine has acknowledged its line: till then it stays in the spool.
//!
//! Activation is not copied: it comes before any order, and its message holds a token.

mod collector;
mod queue;
mod record;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tracing::{info, warn};
use vedette_protocol::{
    Timestamp, VerifyError,
    copy::{CopyState, CopyTrouble, Delivery, Remark},
    keeper::{Copying, Exchange},
    link::Event,
};

use self::{
    collector::Connection,
    queue::{Line, Queue, What},
    record::Origin,
};
use super::{House, backoff::Backoff, keeper::AskError};

/// With a copy, the most bytes of events in one batch, as JSON: a line of that length is taken by a collector whose
/// limits are as its makers set them, where those are for TLS.
const BATCH_LIMIT: usize = 128 << 10;

/// How long the last line may take.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The copy.
#[derive(Debug)]
pub struct Copier {
    queue: Mutex<Queue>,
    origin: Mutex<Origin>,
    state: Mutex<CopyState>,
    /// By whose order, and where to.
    order: watch::Sender<Option<Copying>>,
    /// Messages below this number may leave.
    released: watch::Sender<u64>,
    /// Something is to be sent.
    ring: Notify,
}

/// Why nothing more is sent over a connection.
enum Over {
    /// Another order counts.
    Order,
    /// The collector does not take it.
    Trouble(CopyTrouble),
}

impl Default for Copier {
    fn default() -> Self {
        Self {
            queue: Mutex::default(),
            origin: Mutex::default(),
            state: Mutex::new(CopyState::Off),
            order: watch::Sender::new(None),
            released: watch::Sender::new(0),
            ring: Notify::new(),
        }
    }
}

impl Copier {
    /// Takes note of a message that is about to leave, and comes back when it may.
    ///
    /// # Errors
    /// When it cannot be read: what cannot be copied does not leave.
    pub(super) async fn before_leaving(&self, exchange: Exchange, body: &[u8]) -> Result<(), VerifyError> {
        if !self.queue().wants() {
            return Ok(());
        }
        let Some(json) = record::json(exchange, body)? else {
            return Ok(());
        };
        let waits = self.queue().left(exchange, Timestamp::now(), json);
        self.ring.notify_one();
        if let Some(number) = waits {
            // The sender is this very value's.
            let _ = self.released.subscribe().wait_for(|below| *below > number).await;
        }
        Ok(())
    }

    /// Asks the keeper where messages are copied to, and does so from now on.
    pub(super) fn follow(&self, house: &House) -> Result<(), AskError> {
        let standing = house.keeper.standing()?;
        let copying = house.keeper.copying()?;
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = Origin {
            appliance: standing.enrolled.map(|enrolled| enrolled.appliance),
            boot: standing.unlocked,
        };
        let now = Timestamp::now();
        let released = match &copying {
            Some(Copying { order, collector }) => {
                info!(order, collector = %collector.at, "messages are copied");
                self.queue().begin(*order, collector.delivery, now)
            }
            None => self.queue().end(),
        };
        self.set_state(
            house,
            if copying.is_some() {
                CopyState::Connecting
            } else {
                CopyState::Off
            },
        );
        self.released.send_replace(released);
        self.order.send_if_modified(|order| {
            let other = *order != copying;
            *order = copying;
            other
        });
        self.ring.notify_one();
        Ok(())
    }

    /// The number of the order by which messages are copied.
    pub(super) fn order(&self) -> Option<u64> {
        self.order.borrow().as_ref().map(|copying| copying.order)
    }

    /// How it goes, and how many messages it misses.
    pub(super) fn standing(&self) -> (CopyState, u64) {
        let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state, self.queue().missed())
    }

    /// How many of these events go into one batch: with a copy, no more than make a line that collectors take.
    pub(super) fn batch(&self, events: &[Event]) -> usize {
        if self.order().is_none() {
            return events.len();
        }
        let mut room = BATCH_LIMIT;
        let fitting = events.iter().take_while(|event| {
            let length = record::text(event).len();
            let fits = length <= room;
            room = room.saturating_sub(length);
            fits
        });
        // An event that is longer goes alone.
        fitting.count().max(1)
    }

    /// Sends what there is to send, for as long as the machine serves.
    pub(super) async fn run(&self, house: &Arc<House>) -> Infallible {
        let mut orders = self.order.subscribe();
        loop {
            let copying = orders.borrow_and_update().clone();
            match copying {
                Some(copying) => self.serve(house, &copying, &mut orders).await,
                // The sender is this very value's.
                None => drop(orders.changed().await),
            }
        }
    }

    /// Sends by one order, until another counts.
    async fn serve(
        &self,
        house: &Arc<House>,
        copying: &Copying,
        orders: &mut watch::Receiver<Option<Copying>>,
    ) {
        let mut backoff = Backoff::default();
        loop {
            let opened = tokio::select! {
                opened = Connection::open(house, &copying.collector) => opened,
                _ = orders.changed() => return,
            };
            let over = match opened {
                Ok(mut connection) => {
                    let over = self.feed(house, &mut connection, orders, &mut backoff).await;
                    if let Over::Order = over {
                        self.say_the_end(connection, copying.order).await;
                    }
                    over
                }
                Err(trouble) => Over::Trouble(trouble),
            };
            match over {
                Over::Order => return,
                Over::Trouble(trouble) => {
                    warn!(collector = %copying.collector.at, %trouble, "the copy is not sent yet");
                    self.set_state(house, CopyState::Stuck(trouble));
                }
            }
            tokio::select! {
                () = sleep(backoff.pause()) => {}
                _ = orders.changed() => return,
            }
        }
    }

    async fn feed(
        &self,
        house: &House,
        connection: &mut Connection,
        orders: &mut watch::Receiver<Option<Copying>>,
        backoff: &mut Backoff,
    ) -> Over {
        loop {
            let front = self.queue().front();
            let Some(line) = front else {
                tokio::select! {
                    () = self.ring.notified() => continue,
                    trouble = connection.over() => return Over::Trouble(trouble),
                    _ = orders.changed() => return Over::Order,
                }
            };
            if orders.has_changed().unwrap_or(true) {
                return Over::Order;
            }
            if let Err(trouble) = connection.send(&self.frame(&line)).await {
                return Over::Trouble(trouble);
            }
            *backoff = Backoff::default();
            self.set_state(house, CopyState::Flowing);
            let released = self.queue().sent(line.number);
            self.released.send_replace(released);
        }
    }

    async fn say_the_end(&self, mut connection: Connection, order: u64) {
        let line = Line {
            number: self.queue().ended(),
            at: Timestamp::now(),
            what: What::Remark(Remark::End { order }),
        };
        let end = async {
            connection.send(&self.frame(&line)).await?;
            connection.close().await
        };
        if !matches!(timeout(END_LIMIT, end).await, Ok(Ok(()))) {
            info!(order, "the collector was not told that the copy ends");
        }
    }

    fn frame(&self, line: &Line) -> Vec<u8> {
        record::frame(&self.origin.lock().unwrap_or_else(PoisonError::into_inner), line)
    }

    fn set_state(&self, house: &House, state: CopyState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        let delivery = self
            .order
            .borrow()
            .as_ref()
            .map(|copying| copying.collector.delivery);
        let note = match (state, delivery) {
            (CopyState::Stuck(trouble), Some(Delivery::BestEffort)) => Some(format!(
                "the operator's copy cannot be sent and has gaps: of its collector, {trouble}"
            )),
            (CopyState::Stuck(trouble), _) => Some(format!(
                "the operator's copy cannot be sent, and findings wait: of its collector, {trouble}"
            )),
            (CopyState::Off | CopyState::Connecting | CopyState::Flowing, _) => None,
        };
        house.board.copy_trouble(note.as_deref());
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
