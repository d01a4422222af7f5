//! What the vault has opened, on its way to the spool. The vault forgets an opening when it is spooled, and not before:
//! a vedetted that ends in between leaves it to the next one, which may tell of it twice.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::Sender;
use tracing::error;
use vedette_protocol::{
    link::{Event, What},
    vault::Opening,
};

use super::keeper::{AskError, Keeper};
use crate::journal::chain;

/// The openings that are on their way.
#[derive(Debug, Default)]
pub struct Openings(Mutex<Vec<Opening>>);

impl Openings {
    /// Tells which credentials were opened. What the keeper does not say now it says when it is asked again.
    pub async fn tell(&self, keeper: &Keeper, tell: &Sender<Event>) {
        let fresh = self.set_out(|| keeper.openings()).unwrap_or_else(|error| {
            error!(error = chain(&error), "the keeper did not say what was opened");
            Vec::new()
        });
        for opening in fresh {
            let event = Event {
                job: opening.job,
                // It counts under any lease.
                fence: 0,
                what: What::Opened(opening),
            };
            // Nobody listens any more only when everything ends.
            let _ = tell.send(event).await;
        }
    }

    /// One of them is in the spool.
    pub fn arrived(&self, keeper: &Keeper, opening: &Opening) {
        if let Err(error) = self.arrive(opening, || keeper.told(*opening)) {
            error!(
                error = chain(&error),
                "the keeper was not told that an opening was told of"
            );
        }
    }

    /// Those of what was opened that are not on their way yet; now they are.
    fn set_out(
        &self,
        opened: impl FnOnce() -> Result<Vec<Opening>, AskError>,
    ) -> Result<Vec<Opening>, AskError> {
        // Held while the keeper is asked: what has arrived in between would set out again.
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = under_way.clone();
        let mut fresh = opened()?;
        fresh.retain(|opening| match known.iter().position(|other| other == opening) {
            Some(at) => {
                known.swap_remove(at);
                false
            }
            None => true,
        });
        under_way.extend(&fresh);
        Ok(fresh)
    }

    fn arrive(&self, opening: &Opening, tell: impl FnOnce() -> Result<(), AskError>) -> Result<(), AskError> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One of which the vault is not told stays under way, so that it does not set out again.
        tell()?;
        if let Some(at) = under_way.iter().position(|other| other == opening) {
            under_way.remove(at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use vedette_protocol::{CredentialId, JobId, Timestamp, credential::CredentialUse};

    use super::*;

    fn opening(port: u16) -> Opening {
        Opening {
            job: JobId([1; 16]),
            credential: CredentialUse {
                id: CredentialId([2; 16]),
                version: 1,
            },
            target: [192, 0, 2, 7].into(),
            port,
            at: Timestamp(1_800_000_000),
        }
    }

    #[test]
    fn an_opening_sets_out_once_and_is_forgotten_when_it_has_arrived() {
        let openings = Openings::default();
        let ledger = vec![opening(22), opening(443), opening(443)];
        let set_out = |ledger: &[Opening]| openings.set_out(|| Ok(ledger.to_vec())).unwrap();
        assert_eq!(set_out(&ledger[..2]), ledger[..2]);
        // A second one that is the same in everything is another one.
        assert_eq!(set_out(&ledger), ledger[2..]);
        assert_eq!(set_out(&ledger), []);
        // Not told: it does not set out again while this vedetted runs, and does when another one does.
        assert!(openings.arrive(&ledger[0], || Err(AskError::Unexpected)).is_err());
        assert_eq!(set_out(&ledger), []);
        assert_eq!(
            Openings::default().set_out(|| Ok(ledger.clone())).unwrap(),
            ledger
        );
        for opening in &ledger {
            openings.arrive(opening, || Ok(())).unwrap();
        }
        assert_eq!(set_out(&[]), []);
        assert_eq!(set_out(&ledger[..1]), ledger[..1], "opened anew");
    }
}
