//! The vault: the one process that opens credentials.
//!
//! It has no network, no capabilities and no files. It connects to the keeper and is asked from then on ([`serve`]);
//! when that line ends, so does it, and with it every key that it held. What it judges is in [`desk`] (pure); a worker
//! is spoken with in [`counter`], on a thread of its own over a line that the keeper made; a private key stays, and signs
//! as an [`agent`]. What must stay true: a credential is opened once for a job, for the one place that job, grant and
//! envelope all name, after the host there has shown the key that the envelope demands.

pub mod agent;
pub mod certificate_verify;
pub mod counter;
pub mod desk;
pub mod ledger;
pub mod userauth;

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tracing::{error, info, warn};
use vedette_crypto::{Secret, credential::CredentialKey, wrap::WrappingKey};
use vedette_protocol::{
    FrameError,
    vault::{Member, VaultAnswer, VaultRefusal, VaultRequest},
};
use vedette_sys::secretmem;

use self::{
    desk::{Case, Desk},
    ledger::Ledger,
};
use crate::conversation::{Conversation, FRAME_LIMIT};

/// More workers than run at once.
const WORKERS: usize = 16;

/// Enough for the deepest message; all of it is locked memory.
const STACK: usize = 512 * 1024;

/// Serves the keeper until it hangs up.
///
/// # Errors
/// When the keeper says what cannot be read, or is gone.
pub fn serve(keeper: UnixStream) -> Result<(), FrameError> {
    let mut line = Conversation::new(keeper);
    let mut vault = Vault::default();
    loop {
        line.wait(None)?;
        let (request, descriptor) = line.receive_with_descriptor(FRAME_LIMIT)?;
        let answer = vault.answer(request, descriptor).unwrap_or_else(|refusal| {
            warn!(%refusal, "refused");
            VaultAnswer::Refused(refusal)
        });
        line.send(&answer, FRAME_LIMIT)?;
    }
}

/// What the vault holds.
#[derive(Debug, Default)]
struct Vault {
    open: Option<Desk>,
    workers: Arc<AtomicUsize>,
    ledger: Ledger,
}

impl Vault {
    fn answer(
        &mut self,
        request: VaultRequest,
        descriptor: Option<OwnedFd>,
    ) -> Result<VaultAnswer, VaultRefusal> {
        match request {
            VaultRequest::Open { member, record } => {
                let keys = descriptor.ok_or(VaultRefusal::Order)?;
                self.open(member, record.as_deref(), &keys)
            }
            VaultRequest::Owner(owner) => {
                let desk = self.open.as_mut().ok_or(VaultRefusal::Closed)?;
                desk.member.owner = owner;
                Ok(VaultAnswer::Done)
            }
            VaultRequest::Serve {
                assignment,
                names,
                epoch,
                now,
            } => {
                let desk = self.open.as_ref().ok_or(VaultRefusal::Closed)?;
                let worker = descriptor.ok_or(VaultRefusal::Order)?;
                let case = desk.judge(&assignment, &names, epoch, now)?;
                self.begin(case, worker)?;
                Ok(VaultAnswer::Done)
            }
            VaultRequest::Openings => Ok(VaultAnswer::Openings(self.ledger.take())),
        }
    }

    /// Reads the record under the first of two keys, or makes one, and seals it under the second.
    fn open(
        &mut self,
        member: Member,
        record: Option<&[u8]>,
        keys: &OwnedFd,
    ) -> Result<VaultAnswer, VaultRefusal> {
        let half = |range: std::ops::Range<usize>| {
            secretmem::with(keys, 64, |both| Secret::copied(&both[range]))
                .ok()
                .flatten()
                .map(WrappingKey::from_secret)
                .ok_or(VaultRefusal::Memory)
        };
        let (were, are) = (half(0..32)?, half(32..64)?);
        let key = match record {
            Some(record) => CredentialKey::unwrap(&were, RECORD, record).map_err(|_| VaultRefusal::Record)?,
            None => CredentialKey::generate(),
        };
        let answer = VaultAnswer::Open {
            keys: key.public().clone(),
            record: Some(key.wrap(&are, RECORD)),
        };
        info!(fresh = record.is_none(), "open");
        self.open = Some(Desk {
            member,
            key: Arc::new(key),
        });
        Ok(answer)
    }

    fn begin(&self, case: Case, worker: OwnedFd) -> Result<(), VaultRefusal> {
        let seat = Seat::take(&self.workers).ok_or(VaultRefusal::Busy)?;
        let ledger = self.ledger.clone();
        let spawned = thread::Builder::new().stack_size(STACK).spawn(move || {
            if let Err(error) = counter::serve(case, &ledger, UnixStream::from(worker)) {
                info!(%error, "the line to a worker ended");
            }
            drop(seat);
        });
        spawned.map(drop).map_err(|error| {
            error!(%error, "no thread for a worker");
            VaultRefusal::Busy
        })
    }
}

/// A place among the workers.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(workers: &Arc<AtomicUsize>) -> Option<Self> {
        let seat = Self(workers.clone());
        (seat.0.fetch_add(1, Ordering::SeqCst) < WORKERS).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the record is bound to besides its key, which names everything else.
const RECORD: &[u8] = b"vedette/1 credential key";

#[cfg(test)]
mod tests;
