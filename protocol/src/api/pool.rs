//! Pools: appliances of one organisation that reach the same network and share a queue.

use serde::{Deserialize, Serialize};

use super::{NewScan, ScanState};
use crate::{
    id::{ApplianceId, CredentialId, JobId, PoolId},
    job::Check,
    target::Target,
    time::Timestamp,
    worker::Progress,
};

/// `PUT /pools/ID`: a new pool, without appliances, or another name of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPool {
    /// A name that no other pool has.
    pub name: String,
}

/// A pool. What its appliances may do is no matter of the pool: each needs a grant that names it, and envelopes that are
/// sealed to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Pool {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// Its appliances.
    pub appliances: Vec<ApplianceId>,
    /// When it was made.
    pub created: Timestamp,
}

/// Who does a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This appliance.
    Appliance(ApplianceId),
    /// Whichever of this pool takes a job.
    Pool(PoolId),
}

/// A scan that names not exactly one of the two that could do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("name either `appliance` or `pool`: one of them does the scan")]
pub struct NotOne;

impl NewScan {
    /// Who shall do it.
    ///
    /// # Errors
    /// When nobody is named, or two are.
    pub fn by(&self) -> Result<By, NotOne> {
        match (self.appliance, self.pool) {
            (Some(appliance), None) => Ok(By::Appliance(appliance)),
            (None, Some(pool)) => Ok(By::Pool(pool)),
            (None, None) | (Some(_), Some(_)) => Err(NotOne),
        }
    }
}

/// A part of a scan, done by one appliance at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ScanJob {
    /// Counts up within the scan.
    pub number: u64,
    /// Its id.
    pub id: JobId,
    /// Where it stands.
    pub state: ScanState,
    /// Who does it, or did it last; none: nobody has it.
    pub appliance: Option<ApplianceId>,
    /// How often it was taken: what comes in under an earlier time is dropped.
    pub taken: u64,
    /// What is scanned.
    pub targets: Vec<Target>,
    /// The checks.
    pub checks: Vec<Check>,
    /// The credential that it logs in with.
    pub credential: Option<CredentialId>,
    /// Its probes.
    pub progress: Progress,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it waits for.
    pub waiting: Option<String>,
    /// The appliances of the pool that cannot do it, as far as that is known.
    pub passed: Vec<Passed>,
}

/// An appliance of a pool that cannot do a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Passed {
    /// Which.
    pub appliance: ApplianceId,
    /// Why.
    pub why: String,
}
