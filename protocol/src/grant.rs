//! A grant: what the operator allows appliances to do, signed by the owner key.
//!
//! An appliance with an owner key pinned does nothing for which it has no grant, whatever the platform says. What a
//! grant allows is decided here, by [`Grant::judge`]; the keeper asks it and then sets the kernel's filter, the vault
//! asks it before it opens a credential.

mod window;

pub use window::{ParseWindowError, Window};

use std::{num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    credential::CredentialUse,
    id::{Fingerprint, GrantId, OrgId},
    job::{Check, Checks, Job},
    owner::Epoch,
    scope::JobScope,
    signed::Message,
    target::{Ports, Span},
    time::Timestamp,
};

/// The most entries in any list of a grant.
pub const GRANT_LIST_LIMIT: usize = 1024;

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its name.
    pub id: GrantId,
    /// Whose appliances may use it.
    pub org: OrgId,
    /// Which appliances, by the fingerprints of their identity keys.
    pub appliances: Vec<Fingerprint>,
    /// The owner's epoch in which it was signed.
    pub epoch: Epoch,
    /// What may be scanned. Names of a job must resolve into it.
    pub targets: Vec<Span>,
    /// What may not, although `targets` span it: always wins.
    pub exclude: Vec<Span>,
    /// Which ports.
    pub ports: Ports,
    /// Which checks.
    pub checks: Checks,
    /// The most packets in a second that a worker may send, enforced by the kernel.
    pub rate: Option<NonZeroU32>,
    /// When, in UTC; none: at any time.
    pub windows: Vec<Window>,
    /// Not before this.
    pub from: Timestamp,
    /// Not from this on.
    pub until: Timestamp,
    /// The credentials that may be used.
    pub credentials: Vec<CredentialUse>,
    /// Whether those of them count that the owner did not sign.
    pub envelopes: Envelopes,
}

/// Which envelopes a grant allows to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Envelopes {
    /// Those that the owner key signed.
    Signed,
    /// Those too that were sealed in a browser, without the owner key.
    AlsoUnsigned,
}

impl Message for Grant {
    const DOMAIN: &'static str = "grant";
}

/// Why a grant does not allow a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GrantRefusal {
    /// There is none, and an owner key is pinned.
    #[error("the owner has signed no grant for it")]
    Missing,
    /// The pinned owner key did not sign it.
    #[error("the grant is not signed by the owner key that is pinned")]
    NotSigned,
    /// It is another organisation's.
    #[error("the grant is for another organisation")]
    Organisation,
    /// It does not name this appliance.
    #[error("the grant does not name this appliance")]
    Appliance,
    /// It was revoked by a later epoch.
    #[error("the grant was revoked: the owner's epoch is newer than the grant's")]
    Revoked,
    /// It does not hold yet.
    #[error("the grant does not hold yet")]
    Early,
    /// It has expired.
    #[error("the grant has expired")]
    Expired,
    /// It holds at other times of the week.
    #[error("the grant does not hold at this time of the week")]
    Window,
    /// A target lies outside it.
    #[error("a target lies outside the grant")]
    Target,
    /// A port lies outside it.
    #[error("a port lies outside the grant")]
    Port,
    /// A check is not allowed.
    #[error("the grant does not allow one of the job's checks")]
    Check,
    /// A credential is not allowed, or only a later version of it.
    #[error("the grant does not allow the job's credential in this version")]
    Credential,
    /// It has more entries than are judged.
    #[error("the grant has more than {GRANT_LIST_LIMIT} entries in a list")]
    TooLarge,
}

/// What a grant leaves of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The job's scope without what the grant excludes.
    pub scope: JobScope,
    /// For how long from now on.
    pub life: Duration,
    /// The most packets in a second.
    pub rate: Option<NonZeroU32>,
}

/// Who asks, and what it knows of its owner.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The appliance's organisation.
    pub org: OrgId,
    /// Its identity key.
    pub identity: Fingerprint,
    /// The newest epoch that it has seen.
    pub epoch: Epoch,
    /// The time: never earlier than any that it was sure of.
    pub now: Timestamp,
}

impl Grant {
    /// Whether this grant allows a job, whose names are resolved in `scope`.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn judge(&self, asker: Asker, job: &Job, mut scope: JobScope) -> Result<Allowed, GrantRefusal> {
        let lists = [
            self.appliances.len(),
            self.targets.len(),
            self.exclude.len(),
            self.windows.len(),
            self.credentials.len(),
        ];
        if lists.into_iter().any(|length| length > GRANT_LIST_LIMIT) {
            return Err(GrantRefusal::TooLarge);
        }
        if self.org != asker.org {
            return Err(GrantRefusal::Organisation);
        }
        if !self.appliances.contains(&asker.identity) {
            return Err(GrantRefusal::Appliance);
        }
        if self.epoch < asker.epoch {
            return Err(GrantRefusal::Revoked);
        }
        let life = self.life(asker.now)?;
        if !job.checks.iter().all(|check| self.checks.contains(check)) {
            return Err(GrantRefusal::Check);
        }
        if !self.permits_login(job) {
            return Err(GrantRefusal::Credential);
        }
        if !scope.ports.lie_in(&self.ports) {
            return Err(GrantRefusal::Port);
        }
        scope.area = scope.area.without(self.exclude.iter().copied());
        if !scope.area.lies_in(&self.targets) {
            return Err(GrantRefusal::Target);
        }
        Ok(Allowed {
            scope,
            life,
            rate: self.rate,
        })
    }

    /// For how long it still holds.
    fn life(&self, now: Timestamp) -> Result<Duration, GrantRefusal> {
        if now < self.from {
            return Err(GrantRefusal::Early);
        }
        if now >= self.until {
            return Err(GrantRefusal::Expired);
        }
        let rest = self.until.since(now);
        if self.windows.is_empty() {
            return Ok(rest);
        }
        let open = self.windows.iter().filter_map(|window| window.rest(now)).max();
        open.map(|open| open.min(rest)).ok_or(GrantRefusal::Window)
    }

    fn permits_login(&self, job: &Job) -> bool {
        job.login.is_none_or(|login| {
            job.checks.contains(Check::Inventory)
                && self
                    .credentials
                    .iter()
                    .any(|granted| granted.id == login.id && granted.version <= login.version)
        })
    }
}

#[cfg(test)]
mod tests;
