//! The keeper, as vedetted asks it: one conversation, opened anew after an error.
//!
//! Asking blocks the thread, for as long as the keeper needs: signing within a TLS handshake has to
//! anyway, and while the workspace is made there is nothing else to do.

use std::{
    io,
    net::IpAddr,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use vedette_crypto::{Secret, file::FileKey};
use vedette_protocol::{
    FrameError, JobId,
    keeper::{Compose, Copying, Exchange, KeeperAnswer, KeeperRequest, Refusal, Standing},
    scope::Resolved,
    vault::{FileKind, Opening},
};
use vedette_sys::secretmem;

use crate::conversation::{Conversation, FRAME_LIMIT, Waited};

/// The longest that the keeper may think: as long as it takes to make a file system on a slow machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// The keeper's end of the socket.
#[derive(Debug)]
pub struct Keeper {
    socket: PathBuf,
    conversation: Mutex<Option<Conversation>>,
}

/// The keeper gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It cannot be reached.
    #[error("the keeper does not answer")]
    Connect(#[source] io::Error),
    /// The conversation broke.
    #[error("the conversation with the keeper broke")]
    Frame(#[from] FrameError),
    /// It thinks for too long.
    #[error("the keeper takes too long")]
    Slow,
    /// It answered something else than was asked.
    #[error("the keeper answered another question")]
    Unexpected,
    /// It refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Keeper {
    /// The keeper at a socket.
    pub fn at(socket: PathBuf) -> Self {
        Self {
            socket,
            conversation: Mutex::default(),
        }
    }

    /// What it knows.
    pub fn standing(&self) -> Result<Standing, AskError> {
        match self.ask(&KeeperRequest::Standing)? {
            KeeperAnswer::Standing(standing) => Ok(standing),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Has the filter opened for the link.
    pub fn reach(&self, resolvers: Vec<IpAddr>, platform: Vec<IpAddr>) -> Result<(), AskError> {
        match self.ask(&KeeperRequest::Reach { resolvers, platform })? {
            KeeperAnswer::Done => Ok(()),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Where messages are copied to.
    pub fn copying(&self) -> Result<Option<Copying>, AskError> {
        match self.ask(&KeeperRequest::Copying)? {
            KeeperAnswer::Copying(copying) => Ok(copying),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Has the filter opened for the collector.
    pub fn reach_collector(&self, addresses: Vec<IpAddr>) -> Result<(), AskError> {
        match self.ask(&KeeperRequest::ReachCollector(addresses))? {
            KeeperAnswer::Done => Ok(()),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Tells what a job's names stand for.
    pub fn names(&self, job: JobId, names: Vec<Resolved>) -> Result<(), AskError> {
        match self.ask(&KeeperRequest::Names { job, names })? {
            KeeperAnswer::Done => Ok(()),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Which credentials were opened, of all that is not known to be told of.
    pub fn openings(&self) -> Result<Vec<Opening>, AskError> {
        match self.ask(&KeeperRequest::Openings)? {
            KeeperAnswer::Openings(openings) => Ok(openings),
            _ => Err(AskError::Unexpected),
        }
    }

    /// An opening is where it will not be lost.
    pub fn told(&self, opening: Opening) -> Result<(), AskError> {
        match self.ask(&KeeperRequest::Told(opening))? {
            KeeperAnswer::Done => Ok(()),
            _ => Err(AskError::Unexpected),
        }
    }

    /// The vault's key of a job's files of this kind.
    pub fn file_key(&self, job: JobId, kind: FileKind) -> Result<FileKey, AskError> {
        match self.ask_for_descriptor(&KeeperRequest::FileKey { job, kind })? {
            (KeeperAnswer::FileKey, Some(handed)) => secretmem::with(&handed, 32, Secret::copied)
                .map_err(FrameError::from)?
                .map(FileKey::from_secret)
                .ok_or(AskError::Unexpected),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Has the vault forget that key.
    pub fn forget_file_key(&self, job: JobId, kind: FileKind) -> Result<(), AskError> {
        match self.ask(&KeeperRequest::ForgetFileKey { job, kind })? {
            KeeperAnswer::Done => Ok(()),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Has a request made.
    pub fn compose(&self, compose: Compose) -> Result<Vec<u8>, AskError> {
        match self.ask(&KeeperRequest::Compose(compose))? {
            KeeperAnswer::Request(body) => Ok(body),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Has an answer opened.
    pub fn open(&self, exchange: Exchange, answer: Vec<u8>) -> Result<KeeperAnswer, AskError> {
        self.ask(&KeeperRequest::Open { exchange, answer })
    }

    /// Has a TLS client's CertificateVerify signed.
    pub fn sign_tls(&self, message: &[u8]) -> Result<Vec<u8>, AskError> {
        match self.ask(&KeeperRequest::SignTls(message.to_vec()))? {
            KeeperAnswer::TlsSignature(signature) => Ok(signature),
            _ => Err(AskError::Unexpected),
        }
    }

    /// Gets the link's directory in the workspace.
    pub fn workspace(&self) -> Result<OwnedFd, AskError> {
        match self.ask_for_descriptor(&KeeperRequest::Workspace)? {
            (KeeperAnswer::Workspace, Some(directory)) => Ok(directory),
            _ => Err(AskError::Unexpected),
        }
    }

    fn ask(&self, request: &KeeperRequest) -> Result<KeeperAnswer, AskError> {
        Ok(self.ask_for_descriptor(request)?.0)
    }

    fn ask_for_descriptor(
        &self,
        request: &KeeperRequest,
    ) -> Result<(KeeperAnswer, Option<OwnedFd>), AskError> {
        let mut held = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken out: it goes back only if it is still good.
        let mut conversation = match held.take() {
            Some(conversation) if !conversation.is_over() => conversation,
            _ => Conversation::new(UnixStream::connect(&self.socket).map_err(AskError::Connect)?),
        };
        conversation.send(request, FRAME_LIMIT)?;
        match conversation.wait(Some(ANSWER_LIMIT)).map_err(FrameError::from)? {
            Waited::Readable => {}
            Waited::Over => return Err(AskError::Slow),
        }
        let (answer, descriptor) = conversation.receive_with_descriptor(FRAME_LIMIT)?;
        *held = Some(conversation);
        match answer {
            KeeperAnswer::Refused(refusal) => Err(refusal.into()),
            answer => Ok((answer, descriptor)),
        }
    }
}
