//! What the keeper asks of the vault, and what a worker asks of it.
//!
//! The vault connects to the keeper's socket and is asked from then on: the keeper speaks first, each request is
//! answered once, in order. For each job with a credential the keeper makes a pair of sockets and gives one end to the
//! vault and one to the worker, so that nobody else ever holds either: what is said over it ([`LoginRequest`]) needs no
//! further proof of who says it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use vedette_crypto::{VerifyingKey, credential::CredentialPublicKey};

use crate::{
    credential::{CredentialKind, CredentialUse, Trust},
    envelope::EnvelopeRefusal,
    grant::GrantRefusal,
    id::{ApplianceId, Digest, Fingerprint, JobId, OrgId},
    job::Assignment,
    owner::Epoch,
    scope::Resolved,
    time::Timestamp,
};

/// Keeper to vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VaultRequest {
    /// The workspace is open. The frame carries a memfd_secret(2) descriptor with the key of the vault's record.
    /// Answered by [`VaultAnswer::Open`].
    Open {
        /// Who this is.
        member: Member,
        /// The record as it was kept; none before the first.
        record: Option<Vec<u8>>,
    },
    /// The owner key that is pinned now. Answered by [`VaultAnswer::Done`].
    Owner(Option<VerifyingKey>),
    /// A worker may ask for its job's credential. The frame carries one end of its socket pair. Answered by
    /// [`VaultAnswer::Done`].
    Serve {
        /// The job with what entitles to it: the vault verifies it itself.
        assignment: Box<Assignment>,
        /// Its names, as the link resolved them.
        names: Vec<Resolved>,
        /// The newest epoch that the keeper has seen.
        epoch: Epoch,
        /// The time by which to judge: never earlier than any that the keeper was sure of.
        now: Timestamp,
    },
    /// What was opened, of all that is not known to be told of? Answered by [`VaultAnswer::Openings`].
    Openings,
    /// This opening is where it will not be lost: forget it. Answered by [`VaultAnswer::Done`].
    Told(Opening),
    /// The key of a job's files of this kind, made if there is none. Answered by [`VaultAnswer::FileKey`].
    FileKey {
        /// The job.
        job: JobId,
        /// Of which files.
        kind: FileKind,
    },
    /// Forget that key: no file of the job of this kind is opened again. Answered by [`VaultAnswer::Done`].
    ForgetFileKey {
        /// The job.
        job: JobId,
        /// Of which files.
        kind: FileKind,
    },
}

/// What a file in the workspace is for. Each job has a key for the files of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FileKind {
    /// What a job is given and needs while it runs: gone with its end.
    Temporary,
    /// What comes of it: gone when the platform keeps it.
    Results,
}

/// That a credential was opened: which, for which job, when and for where; never what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The job.
    pub job: JobId,
    /// The credential.
    pub credential: CredentialUse,
    /// The target.
    pub target: IpAddr,
    /// The port.
    pub port: u16,
    /// When.
    pub at: Timestamp,
}

/// Who an appliance is, and whom it believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The appliance.
    pub appliance: ApplianceId,
    /// Its organisation.
    pub org: OrgId,
    /// The fingerprint of its identity key.
    pub identity: Fingerprint,
    /// The key that signs jobs.
    pub platform: VerifyingKey,
    /// The owner key that is pinned.
    pub owner: Option<VerifyingKey>,
}

/// Vault to keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum VaultAnswer {
    /// The record is read, or made.
    Open {
        /// To which credentials are sealed.
        keys: CredentialPublicKey,
        /// The record to keep in the place of the one before, if it is to be.
        record: Option<Vec<u8>>,
    },
    /// It is done.
    Done,
    /// No, and why.
    Refused(VaultRefusal),
    /// What was opened, oldest first.
    Openings(Vec<Opening>),
    /// The frame carries a memfd_secret(2) descriptor with the [`vedette_crypto::file::FileKey`].
    FileKey,
}

/// Why the vault refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VaultRefusal {
    /// The vault is not there, or its record was not opened in this boot.
    #[error("the vault is closed")]
    Closed,
    /// Nothing is open, or something is already.
    #[error("asked out of order")]
    Order,
    /// The record does not open under the key.
    #[error("the vault's record does not open under this appliance's key")]
    Record,
    /// The job is not signed by the platform, not for this appliance, or has expired.
    #[error("the job does not count")]
    Job,
    /// The job names no credential, or more than one target.
    #[error("the job logs in nowhere, or in more than one place")]
    NoLogin,
    /// The owner's grant does not allow it.
    #[error("refused by the owner's grant: {0}")]
    Grant(GrantRefusal),
    /// The envelope is not opened.
    #[error(transparent)]
    Envelope(EnvelopeRefusal),
    /// The host showed another key than the one that the operator sealed to.
    #[error("the host is not the one that the credential is sealed for")]
    WrongHost,
    /// It was given already: a credential is opened once for a job.
    #[error("the credential was already given to this job")]
    Given,
    /// The private key is of a type, size or form that the vault does not sign with.
    #[error(
        "the private key is not one that the vault signs with; seal Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 to 4096 bits"
    )]
    UnfitKey,
    /// The kernel gives no secret memory.
    #[error("there is no secret memory to hand the credential over in")]
    Memory,
    /// More workers ask than it serves.
    #[error("the vault serves as many workers as it can")]
    Busy,
    /// The private key is encrypted, and does not open.
    #[error("the private key does not open under the passphrase that was sealed with it; seal it anew")]
    Passphrase,
    /// A private key signs the one login that it is held for, and nothing else.
    #[error("these bytes are not what is signed to log in there as this user with this key")]
    NotThisLogin,
    /// Nothing is opened that is not told of.
    #[error("too many openings wait to be reported; the vault opens nothing more until they are")]
    Unreported,
    /// More jobs have files than the workspace has room for.
    #[error("the vault holds as many file keys as it can")]
    TooManyKeys,
}

/// Worker to vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginRequest {
    /// Where may I log in, and how is the host known? Answered by [`LoginAnswer::Place`].
    Place,
    /// I am connected there, and the host showed this. Answered, once, by [`LoginAnswer::Secret`], or by
    /// [`LoginAnswer::SshKey`] or [`LoginAnswer::Certificate`] where a private key stays in the vault.
    Open {
        /// The target.
        target: IpAddr,
        /// The port.
        port: u16,
        /// What the host showed.
        shown: Shown,
    },
    /// The host wants this signed: what RFC 4252, section 7 has a client sign. Answered by
    /// [`LoginAnswer::Signature`], once; a request that is refused was the one, too.
    SignSsh(Vec<u8>),
    /// The host wants this signed in a handshake of TLS: the content of a client's CertificateVerify (RFC 8446, section
    /// 4.4.3; RFC 5246, section 7.4.8). Answered as [`Self::SignSsh`].
    SignTls {
        /// The signature scheme (RFC 8446, section 4.2.3).
        scheme: u16,
        /// What is signed.
        message: Vec<u8>,
    },
}

/// By what a host makes itself known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shown {
    /// The SHA-256 of its SSH host key's public blob.
    SshHostKey(Digest),
    /// The SHA-256 of its TLS certificate's SubjectPublicKeyInfo.
    TlsSpki(Digest),
    /// Nothing: the connection is in clear.
    Nothing,
}

/// Vault to worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginAnswer {
    /// To [`LoginRequest::Place`].
    Place {
        /// What kind of credential it is.
        kind: CredentialKind,
        /// The target.
        target: IpAddr,
        /// The port.
        port: u16,
        /// How the host is known.
        trust: Trust,
    },
    /// The frame carries a memfd_secret(2) descriptor that holds this many bytes of
    /// [`crate::credential::Login::to_sealed_form`].
    Secret(u32),
    /// No, and why.
    Refused(VaultRefusal),
    /// To [`LoginRequest::Open`], for a private key of SSH: it stays, and signs one login.
    SshKey {
        /// As whom to log in.
        user: String,
        /// The public half (RFC 4253, section 6.6).
        public: Vec<u8>,
    },
    /// The signature, in the form of the protocol that it was asked for in.
    Signature(Vec<u8>),
    /// To [`LoginRequest::Open`], for a client certificate: its key stays, and signs in one handshake.
    Certificate {
        /// The certificates in DER, the client's own first.
        chain: Vec<Vec<u8>>,
        /// The signature schemes of its key, best first.
        schemes: Vec<u16>,
    },
}
