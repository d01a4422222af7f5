//! The line to the vault: the keeper asks, the vault answers. It is the vault that connects.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use vedette_crypto::{Secret, VerifyingKey, credential::CredentialPublicKey};
use vedette_protocol::{
    Assignment, FrameError, JobId, Timestamp,
    owner::Epoch,
    scope::Resolved,
    vault::{FileKind, Member, Opening, VaultAnswer, VaultRefusal, VaultRequest},
};
use vedette_sys::secretmem;

use super::records::RecordKeys;
use crate::conversation::{Conversation, FRAME_LIMIT};

/// The vault, while it is connected.
#[derive(Debug)]
pub struct Vault {
    line: Conversation,
}

/// The vault did not do it.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("handing the key of its record to the vault")]
    Key(#[source] io::Error),
    #[error("making the line between vault and worker")]
    Line(#[source] io::Error),
    #[error("talking to the vault")]
    Talk(#[source] FrameError),
    #[error("the vault answered something else")]
    Unexpected,
    #[error("the vault refused")]
    Refused(#[source] VaultRefusal),
}

/// What an open vault gives.
#[derive(Debug)]
pub struct Opened {
    /// To which credentials are sealed.
    pub keys: CredentialPublicKey,
    /// Its record, to be kept.
    pub record: Option<Vec<u8>>,
}

impl Vault {
    /// Takes over a connection that the vault has made.
    pub fn new(socket: UnixStream) -> Self {
        Self {
            line: Conversation::new(socket),
        }
    }

    /// Whether it has hung up.
    pub fn is_gone(&self) -> bool {
        self.line.is_over()
    }

    /// Has the vault read its record under the keys `was`, or make one, and seal it under `is`.
    pub fn open(
        &mut self,
        was: &RecordKeys,
        is: &RecordKeys,
        member: Member,
        record: Option<Vec<u8>>,
    ) -> Result<Opened, VaultError> {
        let both = Secret::<64>::filled(|both| {
            was.vault.with(|key| both[..32].copy_from_slice(key));
            is.vault.with(|key| both[32..].copy_from_slice(key));
        });
        let keys = both
            .with(|both| secretmem::create(both))
            .map_err(VaultError::Key)?;
        match self.ask(&VaultRequest::Open { member, record }, Some(&keys))? {
            VaultAnswer::Open { keys, record } => Ok(Opened { keys, record }),
            VaultAnswer::Done | VaultAnswer::Openings(_) | VaultAnswer::FileKey => {
                Err(VaultError::Unexpected)
            }
            VaultAnswer::Refused(why) => Err(VaultError::Refused(why)),
        }
    }

    /// Tells the vault whose the appliance is now.
    pub fn owner(&mut self, owner: Option<VerifyingKey>) -> Result<(), VaultError> {
        self.done(&VaultRequest::Owner(owner), None)
    }

    /// An opening is where it will not be lost.
    pub fn told(&mut self, opening: Opening) -> Result<(), VaultError> {
        self.done(&VaultRequest::Told(opening), None)
    }

    /// What it has opened, of all that is not known to be told of.
    pub fn openings(&mut self) -> Result<Vec<Opening>, VaultError> {
        match self.ask(&VaultRequest::Openings, None)? {
            VaultAnswer::Openings(openings) => Ok(openings),
            VaultAnswer::Open { .. } | VaultAnswer::Done | VaultAnswer::FileKey => {
                Err(VaultError::Unexpected)
            }
            VaultAnswer::Refused(why) => Err(VaultError::Refused(why)),
        }
    }

    /// The key of a job's files of this kind, as the vault hands it out: to be handed on.
    pub fn file_key(&mut self, job: JobId, kind: FileKind) -> Result<OwnedFd, VaultError> {
        match self.ask_for_descriptor(&VaultRequest::FileKey { job, kind }, None)? {
            (VaultAnswer::FileKey, Some(key)) => Ok(key),
            (VaultAnswer::Refused(why), _) => Err(VaultError::Refused(why)),
            _ => Err(VaultError::Unexpected),
        }
    }

    /// Has the vault forget that key.
    pub fn forget_file_key(&mut self, job: JobId, kind: FileKind) -> Result<(), VaultError> {
        self.done(&VaultRequest::ForgetFileKey { job, kind }, None)
    }

    /// Opens a line between the vault and the worker of a job: the worker's end.
    pub fn serve(
        &mut self,
        assignment: &Assignment,
        names: &[Resolved],
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<OwnedFd, VaultError> {
        let (vaults, workers) = UnixStream::pair().map_err(VaultError::Line)?;
        let request = VaultRequest::Serve {
            assignment: Box::new(assignment.clone()),
            names: names.to_vec(),
            epoch,
            now,
        };
        self.done(&request, Some(&vaults.into()))?;
        Ok(workers.into())
    }

    fn done(&mut self, request: &VaultRequest, descriptor: Option<&OwnedFd>) -> Result<(), VaultError> {
        match self.ask(request, descriptor)? {
            VaultAnswer::Done => Ok(()),
            VaultAnswer::Open { .. } | VaultAnswer::Openings(_) | VaultAnswer::FileKey => {
                Err(VaultError::Unexpected)
            }
            VaultAnswer::Refused(why) => Err(VaultError::Refused(why)),
        }
    }

    fn ask(
        &mut self,
        request: &VaultRequest,
        descriptor: Option<&OwnedFd>,
    ) -> Result<VaultAnswer, VaultError> {
        Ok(self.ask_for_descriptor(request, descriptor)?.0)
    }

    fn ask_for_descriptor(
        &mut self,
        request: &VaultRequest,
        descriptor: Option<&OwnedFd>,
    ) -> Result<(VaultAnswer, Option<OwnedFd>), VaultError> {
        match descriptor {
            Some(descriptor) => self
                .line
                .send_with_descriptor(request, descriptor.as_fd(), FRAME_LIMIT),
            None => self.line.send(request, FRAME_LIMIT),
        }
        .map_err(VaultError::Talk)?;
        self.line
            .receive_with_descriptor(FRAME_LIMIT)
            .map_err(VaultError::Talk)
    }
}
