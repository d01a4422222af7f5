//! The vault: the one process that opens credentials.
//!
//! It has no network, no capabilities and no files. It connects to the keeper and is asked from then on ([`serve`]);
//! when that line ends, so does it, and with it every key that it held. What it judges is in [`desk`] (pure); a worker
//! is spoken with in [`counter`], on a thread of its own over a line that the keeper made; a private key stays, and signs
//! as an [`agent`]. What must stay true: a credential is opened once for a job, for the one place that job, grant and
//! envelope all name, after the host there has shown the key that the envelope demands.
//!
//! It also makes the keys of the workspace's files and keeps them ([`cabinet`]), for vedetted, which seals the files.

pub mod agent;
pub mod cabinet;
pub mod certificate_verify;
pub mod counter;
pub mod desk;
pub mod ledger;
pub mod userauth;

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tracing::{error, info, warn};
use vedette_crypto::{Secret, credential::CredentialKey, wrap::WrappingKey};
use vedette_protocol::{
    FrameError, JobId,
    vault::{FileKind, Member, VaultAnswer, VaultRefusal, VaultRequest},
};
use vedette_sys::secretmem;

use self::{
    cabinet::Cabinet,
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
        let answered = vault.answer(request, descriptor).unwrap_or_else(|refusal| {
            warn!(%refusal, "refused");
            VaultAnswer::Refused(refusal).into()
        });
        match answered.descriptor {
            Some(descriptor) => {
                line.send_with_descriptor(&answered.answer, descriptor.as_fd(), FRAME_LIMIT)?;
            }
            None => line.send(&answered.answer, FRAME_LIMIT)?,
        }
    }
}

/// What the vault holds.
#[derive(Debug, Default)]
struct Vault {
    open: Option<Desk>,
    workers: Arc<AtomicUsize>,
    ledger: Ledger,
    cabinet: Cabinet,
}

/// An answer, with a descriptor if it carries one.
struct Answered {
    answer: VaultAnswer,
    descriptor: Option<OwnedFd>,
}

impl From<VaultAnswer> for Answered {
    fn from(answer: VaultAnswer) -> Self {
        Self {
            answer,
            descriptor: None,
        }
    }
}

impl Vault {
    fn answer(
        &mut self,
        request: VaultRequest,
        descriptor: Option<OwnedFd>,
    ) -> Result<Answered, VaultRefusal> {
        let answer = match request {
            VaultRequest::Open { member, record } => {
                let keys = descriptor.ok_or(VaultRefusal::Order)?;
                self.open(member, record.as_deref(), &keys)?
            }
            VaultRequest::Owner(owner) => {
                let desk = self.open.as_mut().ok_or(VaultRefusal::Closed)?;
                desk.member.owner = owner;
                VaultAnswer::Done
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
                VaultAnswer::Done
            }
            VaultRequest::Openings => VaultAnswer::Openings(self.ledger.all()),
            VaultRequest::Told(opening) => {
                self.ledger.told(&opening);
                VaultAnswer::Done
            }
            VaultRequest::FileKey { job, kind } => return self.file_key(job, kind),
            VaultRequest::ForgetFileKey { job, kind } => {
                self.cabinet.forget(job, kind);
                VaultAnswer::Done
            }
        };
        Ok(answer.into())
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

    /// Hands a file key out, while the workspace is open.
    fn file_key(&mut self, job: JobId, kind: FileKind) -> Result<Answered, VaultRefusal> {
        self.open.as_ref().ok_or(VaultRefusal::Closed)?;
        let key = self.cabinet.key(job, kind)?;
        let handed = key.with(|bytes| secretmem::create(bytes)).map_err(|error| {
            error!(%error, "no secret memory for a file key");
            VaultRefusal::Memory
        })?;
        Ok(Answered {
            answer: VaultAnswer::FileKey,
            descriptor: Some(handed),
        })
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
