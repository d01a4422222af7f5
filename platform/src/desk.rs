//! Desks: where appliances wait for work, in memory, so that an idle poll does not touch the database.
//!
//! A desk knows which boot it serves and whether there may be work. "May be" errs to one side: whoever
//! adds work rings afterwards, so a missed ring costs a look at the database, never a job.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use vedette_protocol::{ApplianceId, BootId, OrgId, Timestamp, copy::CopyStanding, owner::OwnerWord};

use crate::store::appliances::Appliance;

/// The desks of all appliances that were heard of since the platform started.
#[derive(Default)]
pub struct Desks {
    open: Mutex<HashMap<ApplianceId, Arc<Desk>>>,
    present: AtomicUsize,
}

/// One appliance's desk.
pub struct Desk {
    /// Whose appliance it is.
    pub org: OrgId,
    bell: Notify,
    state: Mutex<State>,
}

struct State {
    standing: Standing,
    work: Work,
    seen: Option<Timestamp>,
    seen_kept: Option<Timestamp>,
    words: Words,
    copy: CopyStanding,
}

/// What its owner says to an appliance. It goes with each answer, so that no lost answer loses it: it is short, and
/// hearing it again changes nothing.
#[derive(Clone)]
enum Words {
    /// Not read from the database since this many changes.
    Unread(u64),
    /// Read after this many changes.
    Read(u64, Arc<[OwnerWord]>),
}

impl Words {
    fn changes(&self) -> u64 {
        match self {
            Self::Unread(changes) | Self::Read(changes, _) => *changes,
        }
    }

    fn changed(&mut self) {
        *self = Self::Unread(self.changes() + 1);
    }
}

/// What an appliance may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is active; this boot was confirmed last, if any was.
    Active(Option<BootId>),
    /// It was removed.
    Removed,
}

/// Whether it is worth looking for work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// There may be some.
    Maybe,
    /// There is none.
    None,
}

impl Desks {
    /// The desk of an appliance, if it was heard of.
    pub fn of(&self, id: ApplianceId) -> Option<Arc<Desk>> {
        self.lock().get(&id).cloned()
    }

    /// Opens the desk of an appliance as the database knows it; the one that is open stays.
    pub fn open(&self, appliance: &Appliance) -> Arc<Desk> {
        let standing = match appliance.removed {
            Some(_) => Standing::Removed,
            None => Standing::Active(appliance.boot),
        };
        let desk = || {
            Arc::new(Desk {
                org: appliance.org,
                bell: Notify::new(),
                state: Mutex::new(State {
                    standing,
                    work: Work::Maybe,
                    seen: None,
                    seen_kept: None,
                    words: Words::Unread(0),
                    copy: appliance.copy_said,
                }),
            })
        };
        self.lock().entry(appliance.id).or_insert_with(desk).clone()
    }

    /// Rings where there may be work.
    pub fn ring(&self, id: ApplianceId) {
        if let Some(desk) = self.of(id) {
            desk.ring();
        }
    }

    /// Rings at every desk of an organisation.
    pub fn ring_all_of(&self, org: OrgId) {
        self.all_of(org).iter().for_each(|desk| desk.ring());
    }

    /// The owner has said something to all appliances of an organisation.
    pub fn stir_all_of(&self, org: OrgId) {
        self.all_of(org).iter().for_each(|desk| desk.stir());
    }

    /// The owner has said something to one appliance.
    pub fn stir(&self, id: ApplianceId) {
        if let Some(desk) = self.of(id) {
            desk.stir();
        }
    }

    fn all_of(&self, org: OrgId) -> Vec<Arc<Desk>> {
        let open = self.lock();
        open.values().filter(|desk| desk.org == org).cloned().collect()
    }

    /// When an appliance was last heard of since the platform started.
    pub fn seen(&self, id: ApplianceId) -> Option<Timestamp> {
        self.of(id)?.lock().seen
    }

    /// How many were there at the last count.
    pub fn present(&self) -> usize {
        self.present.load(Ordering::Relaxed)
    }

    /// Counts those that were heard of after a time.
    pub fn count_present(&self, after: Timestamp) {
        let desks: Vec<_> = self.lock().values().cloned().collect();
        let present = desks.iter().filter(|desk| desk.lock().seen > Some(after)).count();
        self.present.store(present, Ordering::Relaxed);
    }

    /// What was heard since the last call, to be kept in one go.
    pub fn heard(&self) -> Vec<(OrgId, ApplianceId, Timestamp)> {
        let desks: Vec<_> = self.lock().iter().map(|(id, desk)| (*id, desk.clone())).collect();
        let mut heard = Vec::new();
        for (id, desk) in desks {
            let mut state = desk.lock();
            if let Some(seen) = state.seen.filter(|_| state.seen != state.seen_kept) {
                state.seen_kept = Some(seen);
                heard.push((desk.org, id, seen));
            }
        }
        heard
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApplianceId, Arc<Desk>>> {
        // A panic in between leaves a map that is whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// What the appliance may do.
    pub fn standing(&self) -> Standing {
        self.lock().standing
    }

    /// The appliance may do something else from now on; who waits is told.
    pub fn stands(&self, standing: Standing) {
        {
            let mut state = self.lock();
            state.standing = standing;
            state.work = Work::Maybe;
            state.words.changed();
        }
        self.bell.notify_waiters();
    }

    /// Notes that the appliance was heard of.
    pub fn hear(&self, now: Timestamp) {
        let mut state = self.lock();
        state.seen = state.seen.max(Some(now));
    }

    /// Notes what the appliance says of the operator's copy: whether that is new.
    pub fn hear_of_copy(&self, said: CopyStanding) -> bool {
        std::mem::replace(&mut self.lock().copy, said) != said
    }

    /// Says that there may be work.
    pub fn ring(&self) {
        self.lock().work = Work::Maybe;
        self.bell.notify_waiters();
    }

    /// The owner may say something else from now on; who waits is told.
    pub fn stir(&self) {
        {
            let mut state = self.lock();
            state.work = Work::Maybe;
            state.words.changed();
        }
        self.bell.notify_waiters();
    }

    /// What the owner says, if it was read; else a mark to [learn](Self::learn) it under.
    pub fn words(&self) -> Result<Arc<[OwnerWord]>, u64> {
        match &self.lock().words {
            Words::Read(_, words) => Ok(words.clone()),
            Words::Unread(changes) => Err(*changes),
        }
    }

    /// Takes over what was read, unless it has changed since the mark.
    pub fn learn(&self, mark: u64, words: Arc<[OwnerWord]>) {
        let mut state = self.lock();
        if state.words.changes() == mark {
            state.words = Words::Read(mark, words);
        }
    }

    /// Whether it is worth looking. Who asks must look: the next one is told that there is none.
    pub fn take_hint(&self) -> Work {
        std::mem::replace(&mut self.lock().work, Work::None)
    }

    /// A ring that comes after this call is not missed, however late it is awaited.
    pub fn rings(&self) -> tokio::sync::futures::Notified<'_> {
        self.bell.notified()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long appliances shall wait between polls, so that all of them together ask 5,000 times a second
/// at most: at once while they are few, every 200 s when they are a million.
pub fn poll_interval(present: usize) -> Duration {
    Duration::from_secs((present / POLLS_PER_SECOND) as u64)
}

/// Who was not heard of for this long is not there.
pub fn absence(present: usize) -> Duration {
    HOLD_LIMIT * 3 + poll_interval(present) * 2
}

/// How long a lease lives without renewal.
pub fn lease_time(present: usize) -> Duration {
    HOLD_LIMIT * 3 + poll_interval(present) * 3
}

/// The longest time that a poll is held.
pub const HOLD_LIMIT: Duration = Duration::from_secs(30);

const POLLS_PER_SECOND: usize = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_appliances_ask_five_thousand_times_a_second() {
        assert_eq!(poll_interval(1_000_000), Duration::from_secs(200));
        assert_eq!(poll_interval(10), Duration::ZERO);
        assert!(lease_time(1_000_000) > HOLD_LIMIT + poll_interval(1_000_000));
    }
}
