//! The worker's end of its line to the vault.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
    time::timeout,
};
use vedette_protocol::{
    Frame, FrameError, codec,
    credential::{CredentialKind, Login, Trust},
    vault::{LoginAnswer, LoginRequest, Shown, VaultRefusal},
};
use vedette_sys::secretmem;

use super::certificate::Certificate;

/// Talks to the vault.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
}

/// Where to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// With what kind of credential.
    pub(crate) kind: CredentialKind,
    /// Where.
    pub(crate) endpoint: SocketAddr,
    /// How the host there is known.
    pub(crate) trust: Trust,
}

/// What the vault gives for a host that it believes.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The credential.
    Secret(Login),
    /// The public half of a key that stays: [`Line::sign_ssh`] has it sign, once.
    SshKey {
        /// As whom to log in.
        user: String,
        /// The public key (RFC 4253, section 6.6).
        public: Vec<u8>,
    },
    /// The public half of a client certificate: [`Line::sign_tls`] has its key sign, once.
    Certificate(Certificate),
}

/// The line broke.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// A frame was not read or written.
    #[error("the line to the vault broke")]
    Frame(#[from] FrameError),
    /// The answer is to another question.
    #[error("the vault answered something else")]
    Unexpected,
    /// The memory that was handed over holds no credential.
    #[error("the vault handed over what is no credential")]
    Memory,
}

impl From<io::Error> for LineError {
    fn from(error: io::Error) -> Self {
        Self::Frame(error.into())
    }
}

impl Line {
    /// Takes over the end that the keeper gave.
    ///
    /// # Errors
    /// When it is no socket.
    pub(crate) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let stream = std::os::unix::net::UnixStream::from(descriptor);
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
        })
    }

    /// Where to log in, and how the host there is known.
    pub(crate) async fn place(&mut self) -> Result<Result<Place, VaultRefusal>, LineError> {
        match self.ask(&LoginRequest::Place).await? {
            (
                LoginAnswer::Place {
                    kind,
                    target,
                    port,
                    trust,
                },
                None,
            ) => Ok(Ok(Place {
                kind,
                endpoint: SocketAddr::new(target, port),
                trust,
            })),
            (LoginAnswer::Refused(why), None) => Ok(Err(why)),
            _ => Err(LineError::Unexpected),
        }
    }

    /// The credential, for a host that has shown this.
    pub(crate) async fn open(
        &mut self,
        place: &Place,
        shown: Shown,
    ) -> Result<Result<Opened, VaultRefusal>, LineError> {
        let request = LoginRequest::Open {
            target: place.endpoint.ip(),
            port: place.endpoint.port(),
            shown,
        };
        match self.ask(&request).await? {
            (LoginAnswer::Secret(length), Some(memory)) => {
                let length = usize::try_from(length).map_err(|_| LineError::Memory)?;
                let read = |content: &[u8]| Login::from_sealed_form(place.kind, content);
                let login = secretmem::with(&memory, length, read).map_err(|_| LineError::Memory)?;
                let login = login.map_err(|_| LineError::Memory)?;
                Ok(Ok(Opened::Secret(login)))
            }
            (LoginAnswer::SshKey { user, public }, None) => Ok(Ok(Opened::SshKey { user, public })),
            (LoginAnswer::Certificate { chain, schemes }, None) => {
                Ok(Ok(Opened::Certificate(Certificate { chain, schemes })))
            }
            (LoginAnswer::Refused(why), None) => Ok(Err(why)),
            _ => Err(LineError::Unexpected),
        }
    }

    /// The signature of what a client signs to log in by SSH, with its algorithm's name before it.
    pub(crate) async fn sign_ssh(
        &mut self,
        bytes: Vec<u8>,
    ) -> Result<Result<Vec<u8>, VaultRefusal>, LineError> {
        self.sign(&LoginRequest::SignSsh(bytes)).await
    }

    /// The signature of what a client signs in a handshake of TLS.
    pub(crate) async fn sign_tls(
        &mut self,
        scheme: u16,
        message: Vec<u8>,
    ) -> Result<Result<Vec<u8>, VaultRefusal>, LineError> {
        self.sign(&LoginRequest::SignTls { scheme, message }).await
    }

    async fn sign(&mut self, request: &LoginRequest) -> Result<Result<Vec<u8>, VaultRefusal>, LineError> {
        match self.ask(request).await? {
            (LoginAnswer::Signature(signature), None) => Ok(Ok(signature)),
            (LoginAnswer::Refused(why), None) => Ok(Err(why)),
            _ => Err(LineError::Unexpected),
        }
    }

    async fn ask(&mut self, request: &LoginRequest) -> Result<(LoginAnswer, Option<OwnedFd>), LineError> {
        let frame = Frame::of(request)?;
        let asked = async {
            self.stream.write_all(frame.bytes()).await?;
            receive_with_descriptor(&mut self.stream).await
        };
        Ok(timeout(PATIENCE, asked).await.map_err(io::Error::from)??)
    }
}

/// Reads one frame that may carry a descriptor, which travels with its first byte.
pub(crate) async fn receive_with_descriptor<T: DeserializeOwned>(
    stream: &mut UnixStream,
) -> Result<(T, Option<OwnedFd>), FrameError> {
    let mut header = [0; Frame::HEADER];
    let descriptor = loop {
        stream.readable().await?;
        let read = stream.try_io(Interest::READABLE, || first_byte(stream, &mut header[..1]));
        match read {
            Ok(descriptor) => break descriptor,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    };
    stream.read_exact(&mut header[1..]).await?;
    let mut payload = vec![0; Frame::payload_length(header)?];
    stream.read_exact(&mut payload).await?;
    Ok((codec::decode(&payload)?, descriptor))
}

fn first_byte(stream: &UnixStream, byte: &mut [u8]) -> io::Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        stream.as_fd(),
        &mut [IoSliceMut::new(byte)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    if received.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(descriptors.flatten().next())
}

const PATIENCE: Duration = Duration::from_secs(30);
