//! Which jobs go to an appliance, and what entitles to them: the platform picks grant and sealing, the appliance judges.
//!
//! A job for which there is no grant waits, and its scan says so. One whose credential may not be used fails.

mod entitlement;

pub use entitlement::{Entitlement, Shelf, Unsent};

use vedette_crypto::SigningKey;
use vedette_protocol::{
    Assignment, Fingerprint, Job, JobId, Ports, ScanId, Signed, Timestamp, codec, credential::CredentialUse,
    grant::Asker,
};

use crate::store::{
    Writing,
    appliances::Appliance,
    credentials, grants,
    jobs::{self, Elsewhere, End, Holder, Kept, Part},
    orgs, owner, scans,
};

/// The most jobs in one answer.
pub const FREE_LIMIT: u32 = 8;

/// What the assignments of one answer may take up together: the rest of a message is for words, stops and signature.
pub const ROOM: usize = codec::MESSAGE_LIMIT - 128 * 1024;

/// How often jobs are claimed for one answer, when they turn out not to be sendable.
const ROUNDS: usize = 64;

/// What an appliance is given.
pub struct Taken {
    /// The jobs, with what entitles to them.
    pub assignments: Vec<Assignment>,
    /// Whether it is worth looking again at once.
    pub more: More,
    /// Whether jobs were looked at that this appliance cannot do, and another of its pool may be able to.
    pub passed: bool,
}

/// Whether there may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// Not all that waits was looked at.
    Perhaps,
    /// Nothing waits that could be sent.
    None,
}

/// Claims jobs and puts to each what entitles to it.
///
/// # Errors
/// The database's.
pub async fn take(
    writing: &mut Writing,
    signer: &SigningKey,
    holder: &Holder,
    appliance: &Appliance,
    free: u32,
    (now, until): (Timestamp, Timestamp),
) -> Result<Taken, sqlx::Error> {
    let free = free.min(FREE_LIMIT) as usize;
    let mut shelf: Option<Shelf> = None;
    let mut sent = Vec::new();
    let (mut room, mut more, mut passed) = (ROOM, More::Perhaps, false);
    for _ in 0..ROUNDS {
        let wanted = u32::try_from(free - sent.len()).unwrap_or_default();
        let claimed = jobs::claim(writing, holder, wanted, now, until).await?;
        if claimed.is_empty() {
            more = More::None;
            break;
        }
        let mut full = false;
        for job in claimed {
            let shelf = match &mut shelf {
                Some(shelf) => shelf,
                None => shelf.insert(shelf_of(writing, appliance, now).await?),
            };
            if let Some(login) = job.login {
                shelf.credential = credentials::with_id(writing, holder.org, login.id).await?;
            }
            match shelf.entitle(&job) {
                Ok(entitlement) => {
                    let assignment = assign(signer, &job, entitlement);
                    let length = codec::encode(&assignment).len();
                    if length <= room {
                        jobs::sent(writing, holder, job.id).await?;
                        room -= length;
                        sent.push(assignment);
                    } else {
                        // It comes first with the next answer.
                        full = true;
                        jobs::put_off(writing, holder, &job, now, None).await?;
                    }
                }
                Err(Unsent::Waits { why, patience }) => {
                    let at = now.after(patience);
                    let elsewhere = jobs::put_off(writing, holder, &job, at, Some(&why)).await?;
                    passed |= elsewhere == Elsewhere::Perhaps;
                }
                Err(Unsent::NotHere(why)) => {
                    let held = (job.id, job.fence);
                    match jobs::refuse(writing, holder, held, &why, now).await? {
                        Elsewhere::Perhaps => {
                            scans::end_with_last_job(writing, holder.org, job.scan, now).await?;
                            passed = true;
                        }
                        Elsewhere::Never => fail(writing, holder, &job, why, now).await?,
                    }
                }
                Err(Unsent::Fails(why)) => fail(writing, holder, &job, why, now).await?,
            }
        }
        if full || sent.len() == free {
            break;
        }
    }
    Ok(Taken {
        assignments: sent,
        more,
        passed,
    })
}

/// What a scan of these parts would wait for in vain, until somebody signs or seals: none if each part could be sent to
/// one of the appliances, now or once its time has come.
///
/// # Errors
/// The database's.
pub async fn lacking(
    writing: &mut Writing,
    appliances: &[Appliance],
    ports: &Ports,
    parts: &[Part],
    now: Timestamp,
) -> Result<Option<String>, sqlx::Error> {
    let mut lacks = None;
    let mut left: Vec<&Part> = parts.iter().collect();
    for appliance in appliances {
        let mut shelf = shelf_of(writing, appliance, now).await?;
        let mut not_here = Vec::new();
        for part in left {
            if let Some(why) = lacks_for(writing, &mut shelf, appliance, ports, part, now).await? {
                lacks = Some(why);
                not_here.push(part);
            }
        }
        left = not_here;
    }
    Ok(lacks.filter(|_| !left.is_empty()))
}

async fn lacks_for(
    writing: &mut Writing,
    shelf: &mut Shelf,
    appliance: &Appliance,
    ports: &Ports,
    part: &Part,
    now: Timestamp,
) -> Result<Option<String>, sqlx::Error> {
    let login = match &part.login {
        Some(at) => {
            shelf.credential = credentials::with_id(writing, appliance.org, *at).await?;
            shelf.credential.as_ref().map(|kept| CredentialUse {
                id: kept.id,
                version: kept.version,
            })
        }
        None => None,
    };
    let job = Job {
        id: JobId([0; 16]),
        scan: ScanId([0; 16]),
        org: appliance.org,
        appliance: appliance.id,
        fence: 0,
        targets: part.targets.clone(),
        exclude: part.exclude.clone(),
        ports: part.ports.as_ref().unwrap_or(ports).clone(),
        checks: part.checks.clone(),
        login,
        web: None,
        expires: now,
    };
    Ok(match shelf.entitle(&job) {
        Err(unsent) if !unsent.comes_with_time() => Some(unsent.why().to_owned()),
        Ok(_) | Err(_) => None,
    })
}

async fn shelf_of(
    writing: &mut Writing,
    appliance: &Appliance,
    now: Timestamp,
) -> Result<Shelf, sqlx::Error> {
    let stands = owner::carried(writing, appliance).await?.ownership();
    let grants = match stands.owner {
        Some(_) => grants::in_force(writing, appliance.org, now).await?,
        None => Vec::new(),
    };
    let asker = Asker {
        org: appliance.org,
        identity: Fingerprint::of(&appliance.identity),
        epoch: stands.epoch,
        now,
    };
    Ok(Shelf {
        asker,
        owner: stands.owner,
        grants: grants.into_iter().map(|kept| kept.signed).collect(),
        settings: orgs::settings(writing, appliance.org).await?,
        credential: None,
    })
}

fn assign(signer: &SigningKey, job: &Job, entitlement: Entitlement) -> Assignment {
    let Ok(signed) = Signed::seal(job, signer);
    Assignment {
        job: signed,
        grant: entitlement.grant,
        credential: entitlement.credential,
    }
}

async fn fail(
    writing: &mut Writing,
    holder: &Holder,
    job: &Job,
    why: String,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let Some(lease) = jobs::lease(writing, holder, job.id, job.fence).await? else {
        return Ok(());
    };
    match lease.finish(writing, &End::Failed(why), now).await? {
        Kept::Ours => scans::end_with_last_job(writing, holder.org, job.scan, now)
            .await
            .map(drop),
        Kept::Lost => Ok(()),
    }
}
