//! Seats: how many connections there may be at a time, in all and from one origin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{limits::Limits, origin::Origin};

/// The seats of one listener.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    per_origin: usize,
    taken: Mutex<HashMap<Origin, usize>>,
}

/// One of them that nobody has sat down on.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
}

/// One that is taken, until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    seats: Arc<Seats>,
    origin: Origin,
    _seat: Seat,
}

/// Who comes from there has all the seats that it may have.
#[derive(Debug)]
pub(super) struct Crowded;

impl Seats {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limits.connections)),
            per_origin: limits.connections_of_origin,
            taken: Mutex::default(),
        }
    }

    /// Waits for a seat, whoever will have it.
    pub(super) async fn free(&self) -> Option<Seat> {
        let permit = self.all.clone().acquire_owned().await.ok()?;
        Some(Seat { _permit: permit })
    }

    /// Gives a seat to a guest.
    pub(super) fn take(self: &Arc<Self>, seat: Seat, origin: Origin) -> Result<Taken, Crowded> {
        let mut taken = self.lock();
        let number = taken.entry(origin).or_default();
        if *number >= self.per_origin {
            return Err(Crowded);
        }
        *number += 1;
        drop(taken);
        Ok(Taken {
            seats: self.clone(),
            origin,
            _seat: seat,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        // A panic in between leaves counts that are whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(number) = taken.get_mut(&self.origin) {
            *number -= 1;
            if *number == 0 {
                taken.remove(&self.origin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn seats_are_given_back_and_no_origin_has_more_than_its_part() {
        let limits = Limits {
            connections: 3,
            connections_of_origin: 2,
            ..Limits::default()
        };
        let seats = Arc::new(Seats::new(&limits));
        let [one, two] = ["192.0.2.1", "192.0.2.2"].map(|text| Origin::of(text.parse().unwrap()));
        let take = async |origin| seats.take(seats.free().await.unwrap(), origin);
        let first = take(one).await.unwrap();
        let second = take(one).await.unwrap();
        assert!(take(one).await.is_err());
        let other = take(two).await.unwrap();
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(20), seats.free())
                .await
                .is_err()
        );
        drop(first);
        let third = take(one).await.unwrap();
        drop((second, third, other));
        assert!(seats.lock().is_empty());
    }
}
