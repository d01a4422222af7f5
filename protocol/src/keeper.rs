//! What vedetted asks of the keeper, and hears.
//!
//! vedetted moves bytes between keeper and platform and cannot read what it moves: the keeper makes
//! each request, signs it, and opens the answer. Its answers are states, descriptors and refusals.
//! Each conversation is one connection to [`KEEPER_SOCKET`] by the `vedette` user; requests are
//! answered one by one, in order. (Workers speak [`crate::worker::ScopeRequest`] on the same socket.)

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    copy::{Collector, CopyState},
    id::{ApplianceId, BootId, JobId, OrgId},
    job::{Assignment, Job},
    link::{ActivateRefusal, BootRefusal, Event},
    scope::Resolved,
    time::Timestamp,
    vault::{FileKind, Opening},
};

/// Where the keeper is.
pub const KEEPER_SOCKET: &str = "/run/vedette/keeper.sock";

/// The most addresses in one [`KeeperRequest::Reach`].
pub const REACH_LIMIT: usize = 16;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KeeperRequest {
    /// What do you know? Answered by [`KeeperAnswer::Standing`].
    Standing,
    /// Let the link reach these: the resolvers on port 53, the platform on its port.
    /// Answered by [`KeeperAnswer::Done`].
    Reach {
        /// Resolvers that DHCP or the operator gave.
        resolvers: Vec<IpAddr>,
        /// Addresses of the platform.
        platform: Vec<IpAddr>,
    },
    /// Make the request of an exchange. Answered by [`KeeperAnswer::Request`].
    Compose(Compose),
    /// Open the platform's answer to the exchange's last request.
    Open {
        /// Which exchange.
        exchange: Exchange,
        /// The body of the HTTP response.
        answer: Vec<u8>,
    },
    /// Sign a TLS 1.3 client CertificateVerify with the identity key. Answered by
    /// [`KeeperAnswer::TlsSignature`].
    SignTls(Vec<u8>),
    /// Hand out the directory of the link in the workspace. Answered by [`KeeperAnswer::Workspace`],
    /// whose frame carries the descriptor.
    Workspace,
    /// These are the names of a job, resolved: its worker is granted no others, so that one that was taken
    /// over cannot make a name mean another address. Answered by [`KeeperAnswer::Done`].
    Names {
        /// The job.
        job: JobId,
        /// Its names.
        names: Vec<Resolved>,
    },
    /// Which credentials were opened, of all that is not known to be told of? Answered by [`KeeperAnswer::Openings`].
    Openings,
    /// This opening is where it will not be lost: the vault may forget it. Answered by [`KeeperAnswer::Done`].
    Told(Opening),
    /// The vault's key of a job's files of this kind. Answered by [`KeeperAnswer::FileKey`], whose frame carries the
    /// vault's descriptor: the keeper does not look into it.
    FileKey {
        /// The job.
        job: JobId,
        /// Of which files.
        kind: FileKind,
    },
    /// Have the vault forget that key. Answered by [`KeeperAnswer::Done`].
    ForgetFileKey {
        /// The job.
        job: JobId,
        /// Of which files.
        kind: FileKind,
    },
    /// Where are messages copied to? Answered by [`KeeperAnswer::Copying`].
    Copying,
    /// Let the link reach the collector of the owner's order at these addresses, on its port. Refused while there is no
    /// such order, or when it names another address. Answered by [`KeeperAnswer::Done`].
    ReachCollector(Vec<IpAddr>),
}

/// An exchange with the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Exchange {
    /// [`crate::link::TimeRequest`]; opens to [`KeeperAnswer::Clock`].
    Time,
    /// [`crate::link::ActivateRequest`]; opens to [`KeeperAnswer::Activation`].
    Activate,
    /// [`crate::link::BootRequest`]; opens to [`KeeperAnswer::Boot`].
    Boot,
    /// [`crate::link::ConfirmRequest`]; opens to [`KeeperAnswer::Unlocked`].
    Confirm,
    /// [`crate::link::PollRequest`]; opens to [`KeeperAnswer::Work`].
    Poll,
    /// [`crate::link::EventsRequest`]; opens to [`KeeperAnswer::EventsKept`].
    Events,
    /// [`crate::link::KeysRequest`]; opens to [`KeeperAnswer::Done`].
    Keys,
}

/// What the request of an exchange takes besides what the keeper knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Compose {
    /// Nothing.
    Time,
    /// Nothing: the token of the state partition is used if there is one, else the device code.
    Activate,
    /// Nothing.
    Boot,
    /// Nothing.
    Confirm,
    /// As in [`crate::link::PollRequest`].
    Poll {
        /// Seconds that the platform may hold the answer back.
        wait: u32,
        /// How many more jobs there is room for.
        free: u32,
        /// The jobs that run.
        running: Vec<JobId>,
        /// How the copy goes.
        copy: CopyState,
        /// How many messages it misses.
        missed: u64,
    },
    /// As in [`crate::link::EventsRequest`].
    Events {
        /// Number of the first event.
        first: u64,
        /// The events.
        events: Vec<Event>,
    },
    /// Nothing.
    Keys,
}

impl Compose {
    /// The exchange that it begins.
    pub fn exchange(&self) -> Exchange {
        match self {
            Self::Time => Exchange::Time,
            Self::Activate => Exchange::Activate,
            Self::Boot => Exchange::Boot,
            Self::Confirm => Exchange::Confirm,
            Self::Poll { .. } => Exchange::Poll,
            Self::Events { .. } => Exchange::Events,
            Self::Keys => Exchange::Keys,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum KeeperAnswer {
    /// To [`KeeperRequest::Standing`].
    Standing(Standing),
    /// It is done.
    Done,
    /// The body to send.
    Request(Vec<u8>),
    /// The clock was set.
    Clock(Timestamp),
    /// Where the activation stands.
    Activation(ActivationStanding),
    /// The boot was accepted, and the next ticket is durable: confirm.
    Boot(BootId),
    /// The workspace is open.
    Unlocked,
    /// Jobs to do and jobs to stop.
    Work {
        /// New jobs, verified by the keeper, still signed for the workers.
        jobs: Vec<(Job, Assignment)>,
        /// Jobs to stop.
        stop: Vec<JobId>,
        /// Seconds until the next poll.
        interval: u32,
        /// Fingerprint of the owner key that is pinned now.
        owner: Option<String>,
        /// Number of the owner's order by which messages are copied; none: they are not.
        copying: Option<u64>,
    },
    /// All events below this number are kept.
    EventsKept(u64),
    /// The signature.
    TlsSignature(Vec<u8>),
    /// The frame carries the descriptor.
    Workspace,
    /// No, and why.
    Refused(Refusal),
    /// What the vault has opened, to be told to the platform.
    Openings(Vec<Opening>),
    /// The frame carries the descriptor.
    FileKey,
    /// To [`KeeperRequest::Copying`]; none: nowhere.
    Copying(Option<Copying>),
}

/// Where messages are copied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// The number of the owner's order.
    pub order: u64,
    /// The collector that it names.
    pub collector: Collector,
}

/// What the keeper knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Fingerprint of the identity key.
    pub fingerprint: String,
    /// The enrolment, after activation.
    pub enrolled: Option<Enrolled>,
    /// Fingerprint of the owner key that is pinned.
    pub owner: Option<String>,
    /// Whether the clock was set by the platform in this boot.
    pub clock_set: bool,
    /// Whether the workspace is open, as when vedetted was restarted.
    pub unlocked: Option<BootId>,
    /// Why the platform refused this boot, once it did: nothing is open and nothing will be.
    pub refused: Option<BootRefusal>,
}

/// The public part of an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The appliance's id.
    pub appliance: ApplianceId,
    /// Its organisation.
    pub org: OrgId,
    /// The TLS client certificate, DER.
    pub certificate: Vec<u8>,
}

/// Where an activation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivationStanding {
    /// Done, and durable.
    Enrolled(Enrolled),
    /// Show this code, and ask again.
    Pending {
        /// The code.
        code: String,
        /// Until when it is valid.
        expires: Timestamp,
        /// Seconds to wait.
        interval: u32,
    },
}

/// Why the keeper refuses. The journal has the details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The answer is not signed by the platform, or not an answer to the last request.
    #[error("the platform's answer is not genuine: {0}")]
    NotGenuine(NotGenuine),
    /// The answer came too late.
    #[error("the platform's time came too late to be believed")]
    Late,
    /// The platform refuses the activation.
    #[error(transparent)]
    Activation(ActivateRefusal),
    /// The platform refuses the boot; the workspace is closed.
    #[error(transparent)]
    Boot(BootRefusal),
    /// The share is not for this appliance and this boot.
    #[error("the key share is not for this appliance and boot")]
    Share,
    /// A step before this one was not made.
    #[error("asked out of order")]
    Order,
    /// Only a TLS client's CertificateVerify is signed.
    #[error("not a TLS 1.3 client CertificateVerify")]
    NotTls,
    /// More than the bounds allow.
    #[error("more than the bounds allow")]
    TooMuch,
    /// The appliance is not as it must be: no key was read, and nothing will be opened.
    #[error("this appliance is not fit to start: {0}")]
    Unfit(Unfit),
    /// Something on this appliance failed: state partition, volume, filter, clock.
    #[error("the appliance failed at: {0}")]
    Appliance(Organ),
}

/// What an appliance lacks that it must have before a key is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Unfit {
    /// The image's configuration cannot be read, or is of another version.
    #[error("the image's configuration cannot be read")]
    Image,
    /// The kernel is not locked down.
    #[error("the kernel's lockdown is not confidentiality")]
    Lockdown,
    /// Kernel modules can still be loaded.
    #[error("kernel modules are not locked")]
    Modules,
    /// A word of the kernel's command line is missing, or stands there twice.
    #[error("the kernel's command line lacks {0}")]
    CommandLine(String),
    /// The kernel's command line has other words than the image's, or in another order.
    #[error("the kernel's command line is not the image's own; start the image by its own boot program")]
    OtherCommandLine,
    /// A kernel setting is not what the image says.
    #[error("the kernel setting {0} is not as the image sets it")]
    Setting(String),
    /// The base packet filter is not loaded, or has lost a part.
    #[error("the base packet filter is not in force: {0}")]
    Filter(String),
    /// The state partition is missing or damaged, or what it holds does not belong together.
    #[error("the state partition cannot be used; flash the appliance again")]
    State,
    /// The file of the activation token holds something else.
    #[error("the activation token on the state partition is malformed; make a new one and flash again")]
    Token,
}

/// Why an answer is not genuine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotGenuine {
    /// It cannot be read.
    #[error("malformed")]
    Malformed,
    /// Another key signed it.
    #[error("signed by another key than the one pinned in this image")]
    WrongKey,
    /// The signature does not fit.
    #[error("bad signature")]
    BadSignature,
    /// It answers another request.
    #[error("it answers another request")]
    Replayed,
}

/// The part of the appliance that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Organ {
    /// The state partition.
    #[error("the state partition")]
    State,
    /// The encrypted workspace.
    #[error("the workspace")]
    Workspace,
    /// The packet filter.
    #[error("the packet filter")]
    Filter,
    /// The vault.
    #[error("the vault")]
    Vault,
    /// The clock.
    #[error("the clock")]
    Clock,
}
