//! Whose appliance this is: the owner key that is pinned, and what its grants allow.
//!
//! Pure. The key that is pinned follows from the one that was there at the beginning and from the owner's own words
//! since. Each word counts only under the key that is pinned before it, so that neither the platform nor an edited
//! disk can bring in a key of its own.

use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, Assignment, Fingerprint, Job, JobScope, OrgId, Timestamp,
    grant::{Allowed, Asker, GrantRefusal},
    owner::{Epoch, OwnerWord},
    worker::ScopeRefusal,
};

/// Who the appliance is, for its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// Its organisation.
    pub org: OrgId,
    /// Its id.
    pub appliance: ApplianceId,
    /// The fingerprint of its identity key.
    pub identity: Fingerprint,
}

/// What an appliance knows of its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ownership {
    /// The owner key that is pinned.
    pub owner: Option<VerifyingKey>,
    /// The newest epoch that was seen.
    pub epoch: Epoch,
}

impl Ownership {
    /// What is true after a word; none if it counts for nothing, or changes nothing.
    pub fn heard(self, name: Name, word: &OwnerWord) -> Option<Self> {
        let next = match (word, self.owner) {
            (OwnerWord::Pin(pin), None) => {
                let pin = pin.verify_self_signed(|pin| pin.owner).ok()?;
                let ours = pin.org == name.org && pin.appliance == name.appliance;
                (ours && pin.identity == name.identity).then_some(Self {
                    owner: Some(pin.owner),
                    epoch: pin.epoch,
                })?
            }
            (OwnerWord::NewEpoch(said), Some(owner)) => {
                let said = said.verify(&owner).ok().filter(|said| said.org == name.org)?;
                self.at_least(said.epoch)
            }
            (OwnerWord::Rotation(rotation), Some(owner)) => {
                let rotation = rotation.verify(&owner).ok()?;
                // One that was made before a revocation cannot undo it.
                (rotation.org == name.org && rotation.epoch >= self.epoch).then_some(Self {
                    owner: Some(rotation.new),
                    epoch: rotation.epoch,
                })?
            }
            (OwnerWord::Release(release), Some(owner)) => {
                let release = release.verify(&owner).ok()?;
                let ours = release.appliance == name.appliance && release.identity == name.identity;
                ours.then_some(Self { owner: None, ..self })?
            }
            // An order says nothing of whose the appliance is.
            (OwnerWord::Copy(_), Some(_)) | (OwnerWord::Pin(_), Some(_)) | (_, None) => return None,
        };
        (next != self).then_some(next)
    }

    /// The same owner in this epoch or a later one.
    #[must_use]
    pub fn at_least(self, epoch: Epoch) -> Self {
        Self {
            epoch: self.epoch.max(epoch),
            ..self
        }
    }

    /// What the owner allows of a verified job. Without an owner key that is all of it.
    ///
    /// # Errors
    /// When a key is pinned, and the assignment's grant does not cover the job.
    pub fn allows(
        self,
        name: Name,
        assignment: &Assignment,
        job: &Job,
        scope: JobScope,
        now: Timestamp,
    ) -> Result<Permission, ScopeRefusal> {
        let Some(owner) = self.owner else {
            return Ok(Permission {
                allowed: Allowed {
                    scope,
                    life: job.expires.since(now),
                    rate: None,
                },
                ownership: self,
            });
        };
        let refused = |grant, why| ScopeRefusal::NotGranted { grant, why };
        let signed = assignment
            .grant
            .as_ref()
            .ok_or_else(|| refused(None, GrantRefusal::Missing))?;
        let grant = signed
            .verify(&owner)
            .map_err(|_| refused(None, GrantRefusal::NotSigned))?;
        let asker = Asker {
            org: name.org,
            identity: name.identity,
            epoch: self.epoch,
            now,
        };
        let allowed = grant
            .judge(asker, job, scope)
            .map_err(|why| refused(Some(grant.id), why))?;
        Ok(Permission {
            allowed,
            ownership: self.at_least(grant.epoch),
        })
    }
}

/// What is allowed, and what is known of the owner since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// What is allowed.
    pub allowed: Allowed,
    /// With the grant's epoch.
    pub ownership: Ownership,
}

#[cfg(test)]
mod tests;
