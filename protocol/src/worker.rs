//! What a worker hears and says: its order from vedetted, its scope from the keeper, its events.

use std::{fmt, net::Ipv4Addr, num::NonZeroU32};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, MacAddress, Report},
    grant::GrantRefusal,
    id::GrantId,
    job::{Assignment, Job},
    scope::{JobScope, Resolved},
    vault::VaultRefusal,
};

/// Where a connection starts a worker: one connection, one worker, one job.
pub const WORKER_SOCKET: &str = "/run/vedette/worker.sock";

/// The most adapters that a worker is lent.
pub const ADAPTERS_LIMIT: usize = 8;

/// The most bytes of an adapter's name (`IFNAMSIZ` without its zero).
pub const NAME_LIMIT: usize = 15;

/// How many source ports are lent to a worker, from [`Adapter::ports`] on.
pub const LENT_PORTS: u16 = 8;

/// The most routes of an adapter.
pub const ROUTES_LIMIT: usize = 64;

/// The most findings in one [`WorkerEvent::Findings`].
pub const FINDINGS_PER_EVENT: usize = 256;

/// vedetted to worker, once: the job, still signed, and what its names stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The job, with what entitles to it.
    pub assignment: Assignment,
    /// Its names, resolved.
    pub names: Vec<Resolved>,
}

/// Worker to keeper, once: open the filter for this job. The connection is the permission's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeRequest {
    /// The job, still signed: the keeper checks it itself.
    pub assignment: Assignment,
    /// Its names, resolved: just as vedetted told the keeper.
    pub names: Vec<Resolved>,
}

/// Keeper to worker: the verified job and the scope that the kernel now lets through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScopeAnswer {
    /// Go ahead. For a job with a credential, the frame carries the worker's end of its line to the vault.
    Granted {
        /// The job, verified.
        job: Box<Job>,
        /// What may be sent to.
        scope: JobScope,
        /// The most packets in a second.
        rate: Option<NonZeroU32>,
        /// How many frames with an [`Adapter`] follow, [`ADAPTERS_LIMIT`] at most.
        adapters: u8,
    },
    /// No packet will pass.
    Refused(ScopeRefusal),
}

/// Keeper to worker: an adapter through which it may send frames of its own; the message carries a packet socket.
///
/// The kernel lets out of that socket what the grant allows, from our own addresses, and hands to it what answers
/// that. The socket is not bound yet, so that nothing comes in before somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adapter {
    /// The kernel's number of it.
    pub interface: u32,
    /// Its name, [`NAME_LIMIT`] bytes at most.
    pub name: String,
    /// Its own link-layer address.
    pub mac: MacAddress,
    /// Our address on it.
    pub address: Ipv4Addr,
    /// The first of the [`LENT_PORTS`] source ports to which answers are handed; where ICMP may be asked, the
    /// identifiers of echoes as well.
    pub ports: u16,
    /// What is reached through it, [`ROUTES_LIMIT`] routes at most.
    pub routes: Vec<Route>,
}

/// A network that is reached through an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The network.
    pub network: Ipv4Net,
    /// Who passes it on; none: its hosts are on the link.
    pub gateway: Option<Ipv4Addr>,
    /// Of several routes to one network, the one with the least counts.
    pub metric: u32,
}

/// Why a job is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ScopeRefusal {
    /// The platform's signature does not fit.
    #[error("the job is not signed by the platform")]
    NotSigned,
    /// It is for another appliance.
    #[error("the job is for another appliance")]
    NotOurs,
    /// It has expired.
    #[error("the job has expired")]
    Expired,
    /// Nothing remains of its targets once what is never scanned is taken out.
    #[error("none of the job's targets may be scanned")]
    NothingInScope,
    /// It asks for more than a filter holds.
    #[error("the job spans more than a filter holds")]
    TooLarge,
    /// The workspace is not open, or no longer.
    #[error("the appliance is not serving")]
    NotServing,
    /// This worker's uid has a job already.
    #[error("this worker has a job already")]
    AlreadyGranted,
    /// The kernel did not take the rules.
    #[error("the packet filter could not be set")]
    Filter,
    /// The owner did not allow it.
    #[error("{}: {why}", GrantName(.grant))]
    NotGranted {
        /// The grant that was shown, if one was.
        grant: Option<GrantId>,
        /// Why it does not do.
        why: GrantRefusal,
    },
    /// The vault does not open the job's credential.
    #[error("the vault refused: {0}")]
    Vault(VaultRefusal),
    /// The worker's names are not those that vedetted resolved.
    #[error("the job's names are not resolved as the link resolved them")]
    Names,
}

/// A grant in a sentence.
struct GrantName<'a>(&'a Option<GrantId>);

impl fmt::Display for GrantName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(grant) => write!(f, "grant {grant}"),
            None => f.write_str("no grant"),
        }
    }
}

/// Worker to vedetted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WorkerEvent {
    /// How far it is.
    Progress(Progress),
    /// What it found, [`FINDINGS_PER_EVENT`] at most.
    Findings(Vec<Finding>),
    /// The end.
    Ended(Report),
    /// It could not be done.
    Failed(WorkerFailure),
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// Probes that came to an end.
    pub done: u64,
    /// Probes known so far.
    pub total: u64,
}

/// Why a worker gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum WorkerFailure {
    /// The keeper refused the job.
    #[error("refused by the keeper")]
    Refused(#[source] ScopeRefusal),
    /// The keeper was not there, or not the keeper.
    #[error("the keeper could not be reached")]
    NoKeeper,
    /// The engine could not run.
    #[error("the engine stopped")]
    Engine,
    /// The worker ended without a report.
    #[error("the worker ended without a report")]
    Vanished,
    /// The appliance's vault gave no keys for the job's files, so that nothing of it was begun.
    #[error("the appliance cannot seal the job's files: its vault is closed; restart the appliance")]
    Unsealed,
}
