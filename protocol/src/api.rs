//! The JSON of the REST API under `/api/v1`, shared by the platform and the tools that ask it.
//!
//! Times are RFC 3339, ids lowercase hexadecimal. Lists come in pages: `items` and, if more follow,
//! `next`, the cursor to ask on with. Errors are [`Problem`]s (RFC 9457).

mod owner;
mod pool;
mod schedule;

pub use owner::{
    CredentialChange, KeptCredential, KeptGrant, KeptWord, KnownCollector, KnownCopy, KnownKeys,
    NewCredential, NewGrant, NewOwnerWord, OrgSettings, OrgSettingsChange, SealedPart, SealedParts, WordKind,
};
pub use pool::{By, NewPool, NotOne, Passed, Pool, ScanJob};
pub use schedule::{Due, NewSchedule, Schedule, WEEK};

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, Report},
    id::{ApplianceId, CredentialId, PoolId, ScanId},
    job::{Check, Checks},
    signed::Message,
    target::{Ports, Target, Targets},
    time::Timestamp,
    web::WebTest,
    worker::Progress,
};

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// An error (RFC 9457). `type` is a path under the platform's documentation, ending in the problem's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `/problems/NAME`.
    #[serde(rename = "type")]
    pub type_: String,
    /// The problem, the same each time.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What was wrong this time, and what to do.
    pub detail: String,
}

/// `POST /sessions`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The account.
    pub account: String,
    /// Its password; at the first login the one that `vedette-platform init` wrote.
    pub password: String,
    /// A new password; must be given at the first login.
    #[serde(default)]
    pub new_password: Option<String>,
}

/// The answer to `POST /sessions`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// The account.
    pub account: String,
    /// The bearer token.
    pub token: String,
    /// Until when it is valid.
    pub expires: Timestamp,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Using this API.
    Api,
    /// Activating one appliance, once.
    Activation,
}

impl TokenKind {
    /// How long a token is valid unless another time is asked for.
    pub fn usual_validity(self) -> Duration {
        match self {
            Self::Api => Duration::from_hours(90 * 24),
            Self::Activation => Duration::from_hours(24),
        }
    }

    /// The longest time that may be asked for. An activation token lies in clear on a disk until it is used.
    pub fn longest_validity(self) -> Duration {
        match self {
            Self::Api => Duration::from_hours(366 * 24),
            Self::Activation => Duration::from_hours(30 * 24),
        }
    }
}

/// `POST /tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// A name, for people.
    pub name: String,
    /// What it is for.
    pub kind: TokenKind,
    /// Seconds that it is valid, at least 1: for an activation token up to 30 days, and 24 hours unless given; for
    /// an API token up to 366 days, and 90 days unless given.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 31_622_400))]
    pub valid_for: Option<u64>,
}

/// A token as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub kind: TokenKind,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is valid.
    pub expires: Timestamp,
    /// When it was last used.
    pub used: Option<Timestamp>,
}

/// The answer to `POST /tokens`: the only time that the secret is shown.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    pub token: Token,
    /// Its secret.
    pub secret: String,
}

/// Where an appliance stands, as the platform sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ApplianceState {
    /// Activated, never booted since.
    Activated,
    /// Polls.
    Online,
    /// Was heard of, but not lately.
    Offline,
    /// Removed; its share is destroyed.
    Removed,
}

/// An appliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Appliance {
    /// Its id.
    pub id: ApplianceId,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: ApplianceState,
    /// Fingerprint of its identity key.
    pub fingerprint: String,
    /// When it was activated.
    pub activated: Timestamp,
    /// When it was last heard of.
    pub seen: Option<Timestamp>,
    /// Boots so far.
    pub boots: u64,
    /// The image of its last boot.
    pub image: Option<String>,
    /// Whether a second copy tried to boot: the time of the last alarm.
    pub clone_alarm: Option<Timestamp>,
    /// Fingerprint of the owner key that it says is pinned; none: the platform decides what is scanned.
    #[serde(default)]
    pub owner: Option<String>,
    /// When credentials were last to be sealed to another key of it than before.
    #[serde(default)]
    pub keys_alarm: Option<Timestamp>,
}

/// `POST /appliances/activate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ActivateCode {
    /// The code on the appliance's console, with or without hyphen, in any case.
    pub code: String,
    /// A name for the appliance.
    #[serde(default)]
    pub name: Option<String>,
}

/// The answer to `DELETE /appliances/ID`: what was destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RemovalReceipt {
    /// The appliance.
    pub appliance: ApplianceId,
    /// When its wrapping key was destroyed.
    pub destroyed: Timestamp,
    /// When the last backup of the keystore that holds the key has expired, by the platform's settings.
    pub backups_expired_by: Timestamp,
    /// The platform's signature over this receipt: base64 of a [`Signed`](crate::Signed)
    /// [`Removal`].
    pub signed: String,
}

/// What [`RemovalReceipt::signed`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// The appliance.
    pub appliance: ApplianceId,
    /// When its wrapping key was destroyed.
    pub destroyed: Timestamp,
    /// When the last backup of the keystore that holds the key has expired.
    pub backups_expired_by: Timestamp,
}

impl Message for Removal {
    const DOMAIN: &'static str = "removal";
}

/// `POST /scans`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewScan {
    /// Which appliance does it; this or `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appliance: Option<ApplianceId>,
    /// Which pool does it: each of its jobs is done by whichever appliance of the pool takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolId>,
    /// What is scanned.
    pub targets: Targets,
    /// What is not.
    #[serde(default)]
    pub exclude: Vec<Target>,
    /// Ports; the platform's default list unless given.
    #[serde(default)]
    pub ports: Option<Ports>,
    /// Checks; those of ports (`ports`, `services`, `tls`, `http`) unless given, and `inventory` with `credentials`.
    /// Behind the login of a web server `http` is done once more. `discovery` and `topology` ask by ICMP too, and so are
    /// done only where they are named. `web` tests with payloads, and is done only where it is named too: beside `services`
    /// or `http` for each web server that they find, by itself on each of `ports`, 80 and 443 unless given.
    #[serde(default)]
    pub checks: Option<Checks>,
    /// The credentials to log in with, at those of their places that are targets.
    #[serde(default)]
    pub credentials: Vec<CredentialId>,
    /// How web applications are tested, with the check `web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<WebTest>,
}

/// Where a scan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ScanState {
    /// Waits for its appliance.
    Queued,
    /// Runs.
    Running,
    /// Ended, with everything answered.
    Complete,
    /// Ended, with gaps.
    Partial,
    /// Ended without a report.
    Failed,
}

/// A scan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Scan {
    /// Its id.
    pub id: ScanId,
    /// The appliance that does it; none: a pool does.
    pub appliance: Option<ApplianceId>,
    /// The pool that does it; `GET /scans/ID/jobs` tells which appliance does which part.
    #[serde(default)]
    pub pool: Option<PoolId>,
    /// Where it stands.
    pub state: ScanState,
    /// Why it failed.
    pub reason: Option<String>,
    /// What a part of it waits for, and what to do about it.
    #[serde(default)]
    pub waiting: Option<String>,
    /// What is scanned.
    pub targets: Vec<Target>,
    /// The checks.
    pub checks: Vec<Check>,
    /// The ports.
    pub ports: Ports,
    /// The credentials to log in with.
    #[serde(default)]
    pub credentials: Vec<CredentialId>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Jobs that ended, and all.
    pub jobs_done: u64,
    /// All jobs.
    pub jobs: u64,
    /// Probes over all jobs.
    pub progress: Progress,
    /// Findings so far.
    pub findings: u64,
    /// The report over all jobs, once it ended.
    pub report: Option<Report>,
}

/// A finding as the platform keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StoredFinding {
    /// The appliance that saw it.
    pub appliance: ApplianceId,
    /// The scan that saw it last.
    pub scan: ScanId,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// What it is, in one line.
    pub title: String,
    /// What to do about it.
    pub remedy: String,
    /// The finding.
    pub finding: Finding,
}

/// An entry of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// Counts up.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who: an account, a token's id, an appliance's id, or `platform`.
    pub actor: String,
    /// What was done, as `appliance.remove`.
    pub action: String,
    /// To what.
    pub object: String,
}
