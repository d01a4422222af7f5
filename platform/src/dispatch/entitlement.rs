//! What entitles to a job: pure.

use std::time::Duration;

use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    Grant, GrantId, Job, JobScope, Signed,
    api::OrgSettings,
    credential::Header,
    envelope::Sealing,
    grant::{Asker, Envelopes, GrantRefusal},
};

use crate::{api, store::credentials::Credential};

/// What is at hand for one appliance.
pub struct Shelf {
    /// The appliance, and the time.
    pub asker: Asker,
    /// The owner key that is pinned; none: no grant is needed.
    pub owner: Option<VerifyingKey>,
    /// Its organisation's grants, newest first.
    pub grants: Vec<Signed<Grant>>,
    /// Its organisation's settings.
    pub settings: OrgSettings,
    /// The credential of the job that it is about.
    pub credential: Option<Credential>,
}

/// What goes with a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// The grant, where an owner key is pinned.
    pub grant: Option<Signed<Grant>>,
    /// The credential, where the job logs in.
    pub credential: Option<Sealing>,
}

/// Why a job is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsent {
    /// It could be, later on.
    Waits {
        /// Why, and what to do.
        why: String,
        /// When to look again, if nothing is signed before.
        patience: Duration,
    },
    /// It never can be sent to this appliance, as things stand.
    NotHere(String),
    /// It never can.
    Fails(String),
}

impl Unsent {
    /// Why.
    pub fn why(&self) -> &str {
        match self {
            Self::Waits { why, .. } | Self::NotHere(why) | Self::Fails(why) => why,
        }
    }

    /// Whether it is sent sooner or later, although nobody signs anything.
    pub fn comes_with_time(&self) -> bool {
        matches!(self, Self::Waits { patience, .. } if *patience == SOON)
    }
}

impl Shelf {
    /// What entitles to a job.
    ///
    /// # Errors
    /// Why nothing does.
    pub fn entitle(&self, job: &Job) -> Result<Entitlement, Unsent> {
        let credential = match job.login {
            Some(_) => Some(self.sealing(job)?.clone()),
            None => None,
        };
        let grant = match &self.owner {
            Some(owner) => Some(self.grant(owner, job, credential.as_ref())?),
            None => None,
        };
        Ok(Entitlement { grant, credential })
    }

    /// The newest grant that allows a job.
    fn grant(
        &self,
        owner: &VerifyingKey,
        job: &Job,
        credential: Option<&Sealing>,
    ) -> Result<Signed<Grant>, Unsent> {
        let (mut nearest, mut of) = (Lack::Grant(GrantRefusal::Missing), None);
        for signed in &self.grants {
            match self.lack(signed, owner, job, credential) {
                Ok(()) => return Ok(signed.clone()),
                Err((lack, grant)) if lack.nearness() > nearest.nearness() => (nearest, of) = (lack, grant),
                Err(_) => {}
            }
        }
        Err(Unsent::Waits {
            why: explained(nearest, of),
            patience: nearest.patience(),
        })
    }

    /// What a grant lacks for a job.
    fn lack(
        &self,
        signed: &Signed<Grant>,
        owner: &VerifyingKey,
        job: &Job,
        credential: Option<&Sealing>,
    ) -> Result<(), (Lack, Option<GrantId>)> {
        // What does not fit need not be verified; what does is, so that nobody's forgery is picked before a real one.
        let Ok(grant) = signed.danger_read_unverified() else {
            return Err((Lack::Grant(GrantRefusal::NotSigned), None));
        };
        let id = Some(grant.id);
        // Names are resolved where the scan runs: there they must resolve into the grant.
        let scope = JobScope::of(job, &[]);
        grant
            .judge(self.asker, job, scope)
            .map_err(|refusal| (Lack::Grant(refusal), id))?;
        if matches!(credential, Some(Sealing::Unsigned(_))) && grant.envelopes == Envelopes::Signed {
            return Err((Lack::UnsignedEnvelopes, id));
        }
        match signed.verify(owner) {
            Ok(_) => Ok(()),
            Err(_) => Err((Lack::Grant(GrantRefusal::NotSigned), id)),
        }
    }

    /// The sealing of a job's credential, or why it may not be used.
    fn sealing(&self, job: &Job) -> Result<&Sealing, Unsent> {
        let gone = || Unsent::Fails("its credential was removed".to_owned());
        let kept = self.credential.as_ref().ok_or_else(gone)?;
        let sealing = kept.sealing.as_ref().ok_or_else(gone)?;
        let name = kept.id;
        if kept.disabled {
            return Err(Unsent::Fails(format!("the credential {name} is disabled")));
        }
        let header = api::credentials::header(sealing)
            .map_err(|error| Unsent::Fails(format!("the credential {name} cannot be read: {error}")))?;
        if !header.appliances.contains(&self.asker.identity) {
            return Err(Unsent::NotHere(format!(
                "the credential {name} is not sealed to this appliance: seal it again"
            )));
        }
        if !is_for(&header, job) {
            return Err(Unsent::Fails(format!(
                "the credential {name} may not be used at this target any more"
            )));
        }
        match (sealing, &self.owner) {
            (Sealing::Owned(signed), Some(owner)) if signed.verify(owner).is_err() => Err(Unsent::NotHere(
                format!("the credential {name} is not signed by the owner key that is pinned: seal it again"),
            )),
            (Sealing::Unsigned(_), _) if self.settings.owner_signed_credentials_only => {
                Err(Unsent::Fails(format!(
                    "the credential {name} is not signed by the owner key, as this organisation demands: seal it \
                     with `vedette credential seal`"
                )))
            }
            (Sealing::Owned(_) | Sealing::Unsigned(_), _) => Ok(sealing),
        }
    }
}

/// Whether a credential may be used at the place of a job.
fn is_for(header: &Header, job: &Job) -> bool {
    let [target] = job.targets.as_slice() else {
        return false;
    };
    header.places.iter().any(|place| {
        let host = match (place.host.span(), target.span()) {
            (Some(place), Some(target)) => {
                let (first, last) = target.bounds();
                place.contains(first) && place.contains(last)
            }
            (None, None) => place.host == *target,
            (Some(_), None) | (None, Some(_)) => false,
        };
        host && job.ports.contains(header.kind.transport(), place.port)
    })
}

/// What a grant lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lack {
    /// As it judges itself.
    Grant(GrantRefusal),
    /// It allows no envelope that the owner did not sign.
    UnsignedEnvelopes,
}

impl Lack {
    /// How near a grant with this lack is to one that fits: people are told of the nearest.
    fn nearness(self) -> u8 {
        match self {
            Self::Grant(refusal) => match refusal {
                GrantRefusal::Missing => 0,
                GrantRefusal::Organisation | GrantRefusal::TooLarge => 1,
                GrantRefusal::Appliance => 2,
                GrantRefusal::Target => 3,
                GrantRefusal::Port => 4,
                GrantRefusal::Check => 5,
                GrantRefusal::Credential => 6,
                GrantRefusal::NotSigned => 7,
                GrantRefusal::Expired => 8,
                GrantRefusal::Revoked => 9,
                GrantRefusal::Early => 10,
                GrantRefusal::Window => 11,
            },
            Self::UnsignedEnvelopes => 12,
        }
    }

    /// For how long it is not worth looking again, if nothing is signed: some things come with time alone.
    fn patience(self) -> Duration {
        match self {
            Self::Grant(GrantRefusal::Early | GrantRefusal::Window) => SOON,
            Self::Grant(
                GrantRefusal::Missing
                | GrantRefusal::Organisation
                | GrantRefusal::TooLarge
                | GrantRefusal::Appliance
                | GrantRefusal::Target
                | GrantRefusal::Port
                | GrantRefusal::Check
                | GrantRefusal::Credential
                | GrantRefusal::NotSigned
                | GrantRefusal::Expired
                | GrantRefusal::Revoked,
            )
            | Self::UnsignedEnvelopes => LATER,
        }
    }
}

fn explained(lack: Lack, of: Option<GrantId>) -> String {
    let which = of.map(|grant| format!(" ({grant})")).unwrap_or_default();
    let cure = "sign one with `vedette grant sign`";
    match lack {
        Lack::Grant(refusal @ (GrantRefusal::Early | GrantRefusal::Window)) => {
            format!("waiting for a grant: {refusal}{which}; the scan goes on when it does, or {cure}")
        }
        Lack::Grant(refusal) => format!("waiting for a grant: {refusal}{which}; {cure}"),
        Lack::UnsignedEnvelopes => format!(
            "waiting for a grant: the credential was sealed without the owner key, which the grant does not \
             allow{which}; {cure} and `--accept-browser-sealed`, or seal the credential with `vedette credential seal`"
        ),
    }
}

/// How long what comes with time is left alone.
const SOON: Duration = Duration::from_mins(1);
/// And what does not.
const LATER: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests;
