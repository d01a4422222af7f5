//! The link: what appliance and platform say to each other, `POST /link/v1/NAME` under ALPN [`ALPN`].
//!
//! Each request but the first is [`Signed`](crate::Signed) by the appliance's identity key and carries
//! a fresh nonce; each answer is signed by the platform's key and names the digest of the request that
//! it answers ([`Answer`]), so that no answer can be replayed or moved. Refusals are answers too.
//!
//! Order of a boot: [`TimeRequest`], [`ActivateRequest`] (once in a life), [`BootRequest`],
//! [`ConfirmRequest`], then [`PollRequest`] and [`EventsRequest`] until power-off.

use serde::{Deserialize, Serialize};
use vedette_crypto::{
    VerifyingKey,
    hpke::{Sealed, SealingKey},
};

use crate::{
    copy::CopyStanding,
    finding::{Finding, Report},
    id::{ApplianceId, BootId, Digest, ImageId, JobId, Nonce, OrgId},
    image::ImageKind,
    job::Assignment,
    owner::{ApplianceKeys, OwnerWord},
    signed::{Message, Signed},
    time::Timestamp,
    vault::Opening,
    worker::{Progress, WorkerFailure},
};

/// The application protocol that only appliances speak (RFC 7301).
pub const ALPN: &[u8] = b"vedette/1";

/// The name by which the TLS client certificate of an appliance says whose it is: its common name is
/// the appliance's id.
pub const CERTIFICATE_ORGANIZATION: &str = "Vedette appliance";

/// The longest time that the answer to a [`TimeRequest`] may take.
pub const TIME_ANSWER_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// The most events in one [`EventsRequest`].
pub const EVENTS_PER_REQUEST: usize = 64;

/// The path of a request type.
pub trait Request {
    /// Its last path segment under `/link/v1/`.
    const PATH: &'static str;
    /// What its answer brings.
    type Outcome: Serialize + serde::de::DeserializeOwned;
}

/// An answer: signed by the platform, bound to one request, with the platform's time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer<T> {
    /// Digest of the whole request body.
    pub request: Digest,
    /// The platform's clock.
    pub now: Timestamp,
    /// What it brings.
    pub outcome: T,
}

macro_rules! exchange {
    ($request:ty, $path:literal, $outcome:ty) => {
        impl Request for $request {
            const PATH: &'static str = $path;
            type Outcome = $outcome;
        }

        impl Message for $request {
            const DOMAIN: &'static str = concat!("link/", $path);
        }

        impl Message for Answer<$outcome> {
            const DOMAIN: &'static str = concat!("link/", $path, " answer");
        }
    };
}

/// What time is it? Sent as it is, not signed: before the clock is set nothing but a nonce leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRequest {
    /// Fresh.
    pub nonce: Nonce,
}

/// The time stands in [`Answer::now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeOutcome;

exchange!(TimeRequest, "time", TimeOutcome);

/// Take this key for an appliance of yours. Signed with that very key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivateRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// The identity key.
    pub identity: VerifyingKey,
    /// The image that asks.
    pub image: ImageId,
    /// What it is for, by its own word.
    pub kind: ImageKind,
    /// What entitles it.
    pub by: Activation,
}

/// The two forms of activation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// A single-use token that was written at flashing.
    Token(ActivationToken),
    /// An operator's approval of the code that the console shows (after RFC 8628). Asked again until
    /// it is given; the same key is given the same code while that is valid.
    DeviceCode,
}

/// A single-use token: 32 random bytes as text. A secret until it is used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationToken(String);

impl ActivationToken {
    /// What a token begins with, so that people and scanners for leaked secrets know it.
    pub const PREFIX: &'static str = "vedette-activation-";

    /// Takes text that has a token's form: the prefix and 43 characters of base64url.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(Self::PREFIX)?;
        let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (rest.len() == 43 && rest.bytes().all(base64url)).then(|| Self(text.to_owned()))
    }

    /// The token as text, to send it or to hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for ActivationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActivationToken")
    }
}

/// Where an activation stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivateOutcome {
    /// Done.
    Enrolled(Enrolment),
    /// Show this code, and ask again.
    Pending {
        /// Eight letters of [`CODE_ALPHABET`], with a hyphen in the middle.
        code: String,
        /// Until when it is valid.
        expires: Timestamp,
        /// Seconds to wait before asking again.
        interval: u32,
    },
    /// No.
    Refused(ActivateRefusal),
}

/// Letters of a device code: consonants, so that no word appears (RFC 8628, section 6.1).
pub const CODE_ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// What an appliance is given once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// Its name.
    pub appliance: ApplianceId,
    /// Whose it is.
    pub org: OrgId,
    /// Its TLS client certificate, DER.
    pub certificate: Vec<u8>,
    /// The ticket for its first boot.
    pub ticket: Signed<Ticket>,
}

/// Why an activation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ActivateRefusal {
    /// No such token.
    #[error("the activation token is not known; make a new one and flash again")]
    UnknownToken,
    /// The token was used.
    #[error("the activation token was already used; make a new one and flash again")]
    UsedToken,
    /// The token is too old.
    #[error("the activation token has expired; make a new one and flash again")]
    ExpiredToken,
    /// The operator refused the code.
    #[error("the operator refused the activation")]
    Denied,
    /// The platform accepts no test images.
    #[error("the platform accepts no test images")]
    TestImage,
    /// The identity key was removed.
    #[error("this appliance was removed; flash it again")]
    Removed,
    /// Too many ask.
    #[error("too many activations are pending; try again later")]
    TooMany,
}

exchange!(ActivateRequest, "activate", ActivateOutcome);

/// A right to boot once. Signed by the platform, so that a ticket ahead of its database shows a
/// restored database, not a clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// For whom.
    pub appliance: ApplianceId,
    /// Counts up from 1.
    pub number: u64,
}

impl Message for Ticket {
    const DOMAIN: &'static str = "ticket";
}

/// This appliance boots. Its digest is the boot's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// Who.
    pub appliance: ApplianceId,
    /// The image that runs.
    pub image: ImageId,
    /// What it is for, by its own word.
    pub kind: ImageKind,
    /// The key of this boot, to seal the share to.
    pub sealing_key: SealingKey,
    /// The ticket at hand.
    pub ticket: Signed<Ticket>,
}

/// Whether it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootOutcome {
    /// Keep this ticket, durably, then confirm it.
    Proceed {
        /// The next ticket.
        next: Signed<Ticket>,
    },
    /// No.
    Refused(BootRefusal),
}

/// Why a boot is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum BootRefusal {
    /// It was removed; its share is destroyed.
    #[error("this appliance was removed from its account; flash it again to use it")]
    Removed,
    /// The ticket was used: a copy of this appliance booted.
    #[error("another copy of this appliance has booted; remove it from the account and flash it again")]
    TicketUsed,
    /// The ticket is ahead of the platform's database.
    #[error("the platform's records are older than this appliance; its operator restored a backup")]
    TicketAhead,
    /// The image is not accepted.
    #[error("the platform does not accept this image")]
    Image,
    /// The request is not what the protocol allows, as a confirmation without a boot.
    #[error("the platform did not accept the order of messages")]
    Order,
}

exchange!(BootRequest, "boot", BootOutcome);

/// The next ticket is kept: give the share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// Who.
    pub appliance: ApplianceId,
    /// Which boot.
    pub boot: BootId,
    /// The ticket that was kept.
    pub ticket: Signed<Ticket>,
}

/// The share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfirmOutcome {
    /// The platform's share, sealed to this boot's key under [`share_context`].
    Share(Sealed),
    /// No.
    Refused(BootRefusal),
}

exchange!(ConfirmRequest, "confirm", ConfirmOutcome);

/// What a sealed share is bound to: a share for another appliance, boot or ticket does not open.
pub fn share_context(appliance: ApplianceId, boot: BootId, ticket: u64) -> Vec<u8> {
    [
        b"vedette/1 share\0",
        &appliance.0[..],
        &boot.0,
        &ticket.to_be_bytes(),
    ]
    .concat()
}

/// These are my keys, for whoever seals credentials to me. Said at the beginning of each serving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// Who.
    pub appliance: ApplianceId,
    /// Which boot.
    pub boot: BootId,
    /// The keys, signed by the identity key for the operator, not for the platform.
    pub keys: Signed<ApplianceKeys>,
}

/// Whether the keys were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeysOutcome {
    /// They were.
    Kept,
    /// Close the workspace.
    Refused(BootRefusal),
}

exchange!(KeysRequest, "keys", KeysOutcome);

/// Is there work?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// Who.
    pub appliance: ApplianceId,
    /// Which boot.
    pub boot: BootId,
    /// Seconds that the platform may hold the answer back while there is nothing to say.
    pub wait: u32,
    /// How many more jobs it would take now.
    pub free: u32,
    /// The jobs that it does: their leases are renewed.
    pub running: Vec<JobId>,
    /// How the operator's copy goes.
    pub copy: CopyStanding,
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum PollOutcome {
    /// Go on.
    Serve {
        /// New jobs, `free` at most.
        jobs: Vec<Assignment>,
        /// What the owner says to this appliance, [`crate::owner::WORDS_LIMIT`] at most: before the jobs.
        words: Vec<OwnerWord>,
        /// Jobs of `running` that it shall stop: cancelled, or leased to another.
        stop: Vec<JobId>,
        /// Seconds until the next poll.
        interval: u32,
    },
    /// Close the workspace.
    Refused(BootRefusal),
}

exchange!(PollRequest, "poll", PollOutcome);

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventsRequest {
    /// Fresh.
    pub nonce: Nonce,
    /// Who.
    pub appliance: ApplianceId,
    /// Which boot.
    pub boot: BootId,
    /// Number of the first event; events of one boot count up from 0. Those that the platform has
    /// already are not counted twice.
    pub first: u64,
    /// The events, [`EVENTS_PER_REQUEST`] at most.
    pub events: Vec<Event>,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Which job.
    pub job: JobId,
    /// Under which lease.
    pub fence: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A worker has it.
    Started,
    /// It goes on.
    Progress(Progress),
    /// It found something.
    Findings(Vec<Finding>),
    /// It ended.
    Ended(Report),
    /// It could not be done.
    Failed(WorkerFailure),
    /// A credential was opened for it. Counts under any lease: it has happened.
    Opened(Opening),
}

/// Whether the events were taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventsOutcome {
    /// All events below this number are kept.
    Kept {
        /// The number that comes next.
        next: u64,
    },
    /// Close the workspace.
    Refused(BootRefusal),
}

exchange!(EventsRequest, "events", EventsOutcome);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_and_not_printed() {
        let text = format!("{}{}", ActivationToken::PREFIX, "A".repeat(43));
        let token = ActivationToken::parse(&text).unwrap();
        assert_eq!(format!("{token:?}"), "ActivationToken");
        for wrong in [
            "",
            "AAAA",
            &text[1..],
            &format!("{text}A"),
            &text.replace('A', "/"),
        ] {
            assert!(ActivationToken::parse(wrong).is_none(), "{wrong}");
        }
    }
}
