//! The keeper: the one process with keys and capabilities.
//!
//! What follows from what is decided without I/O: [`course`] (the boot and the platform's answers),
//! [`rules`] (the filter's content), [`posture`], [`tls`]. What is done is done without deciding:
//! [`store`], [`volume`], [`filter`], [`clock`], [`holders`], [`program`]. [`Keeper`] ties both together;
//! [`server`] lets others speak to it. It parses nothing but typed messages and signed answers.

pub mod clock;
pub mod course;
pub mod filter;
pub mod holders;
pub mod mount;
pub mod names;
pub mod partition;
pub mod peer;
pub mod posture;
pub mod program;
pub mod rules;
pub mod server;
pub mod start;
pub mod store;
pub mod tls;
pub mod volume;

use std::{
    error::Error,
    net::IpAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};
use vedette_protocol::{
    Job, Scope, Timestamp,
    keeper::{Exchange, KeeperAnswer, KeeperRequest, Organ, REACH_LIMIT, Refusal},
    worker::{ScopeRefusal, ScopeRequest},
};

use crate::journal::chain;

use self::{
    clock::Clock,
    course::{BODY_LIMIT, Course, Step},
    filter::{Filter, FilterError},
    names::{Names, TooManyAddresses},
    rules::TooLarge,
    server::GRANT_LIMIT,
    store::Store,
    volume::Workspace,
};

/// The parts of a keeper.
#[derive(Debug)]
pub struct Keeper {
    course: Course,
    clock: Clock,
    store: Store,
    filter: Filter,
    workspace: Option<Workspace>,
    names: Names,
    high_water: Timestamp,
}

/// An answer, with a descriptor if it carries one.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: KeeperAnswer,
    /// What goes with it.
    pub descriptor: Option<OwnedFd>,
}

impl From<KeeperAnswer> for Reply {
    fn from(answer: KeeperAnswer) -> Self {
        Self {
            answer,
            descriptor: None,
        }
    }
}

impl Keeper {
    /// Puts a keeper together. The clock has been started, the filter adopted.
    pub fn new(course: Course, clock: Clock, store: Store, filter: Filter, high_water: Timestamp) -> Self {
        Self {
            course,
            clock,
            store,
            filter,
            workspace: None,
            names: Names::default(),
            high_water,
        }
    }

    /// Answers vedetted.
    pub fn answer(&mut self, request: KeeperRequest) -> Reply {
        let answered = match request {
            KeeperRequest::Standing => Ok(KeeperAnswer::Standing(self.course.standing()).into()),
            KeeperRequest::Reach { resolvers, platform } => self.reach(resolvers, platform),
            KeeperRequest::Compose(compose) => self
                .course
                .compose(compose, self.clock.now())
                .map(|body| KeeperAnswer::Request(body).into()),
            KeeperRequest::Open { exchange, answer } => self.open(exchange, &answer).map(Reply::from),
            KeeperRequest::SignTls(message) => self
                .course
                .sign_tls(&message)
                .map(|signature| KeeperAnswer::TlsSignature(signature.to_vec()).into()),
            KeeperRequest::Workspace => self.link_directory(),
            KeeperRequest::Names { job, names } => self
                .names
                .tell(job, names)
                .map(|()| KeeperAnswer::Done.into())
                .map_err(|TooManyAddresses| Refusal::TooMuch),
        };
        answered.unwrap_or_else(|refusal| {
            warn!(%refusal, "refused");
            KeeperAnswer::Refused(refusal).into()
        })
    }

    /// Opens the filter for a worker's job: the verified job, its lawful scope, and how long it may last.
    pub fn grant(
        &mut self,
        uid: u32,
        request: &ScopeRequest,
    ) -> Result<(Job, Scope, Duration), ScopeRefusal> {
        let now = self.clock.now();
        let job = self.course.job(&request.assignment.job, now)?;
        if self.filter.granted(uid) {
            return Err(ScopeRefusal::AlreadyGranted);
        }
        if request.names != self.names.of(job.id) {
            return Err(ScopeRefusal::Names);
        }
        let scope = Scope::of_job(&job, &request.names);
        let scope = self.filter.lawful(scope).map_err(scope_refusal)?;
        if scope.addresses().next().is_none() {
            return Err(ScopeRefusal::NothingInScope);
        }
        self.filter
            .grant(uid, job.id, scope.clone())
            .map_err(scope_refusal)?;
        let life = job.expires.since(now.wall).min(GRANT_LIMIT);
        info!(uid, job = %job.id, "granted");
        Ok((job, scope, life))
    }

    /// Ends a worker's grant. A filter that cannot be closed again is the end of the machine.
    pub fn revoke(&mut self, uid: u32) {
        self.filter
            .revoke(uid)
            .unwrap_or_else(|failure| end_machine("ending a grant", &failure));
    }

    fn reach(&mut self, resolvers: Vec<IpAddr>, platform: Vec<IpAddr>) -> Result<Reply, Refusal> {
        if resolvers.len() > REACH_LIMIT || platform.len() > REACH_LIMIT {
            return Err(Refusal::TooMuch);
        }
        self.filter
            .reach(resolvers, platform)
            .map_err(|failure| broken(Organ::Filter, &failure))?;
        Ok(KeeperAnswer::Done.into())
    }

    fn open(&mut self, exchange: Exchange, answer: &[u8]) -> Result<KeeperAnswer, Refusal> {
        if answer.len() > BODY_LIMIT {
            return Err(Refusal::TooMuch);
        }
        let step = self.course.open(exchange, answer, self.clock.now())?;
        self.perform(&step)?;
        Ok(self.course.take(step))
    }

    /// Does what must be done before a step is taken.
    fn perform(&mut self, step: &Step) -> Result<(), Refusal> {
        let state = |failure: store::StoreError| broken(Organ::State, &failure);
        match step {
            Step::Tell(_) => Ok(()),
            Step::SetClock(now) => {
                self.clock
                    .set(*now)
                    .map_err(|failure| broken(Organ::Clock, &failure))?;
                self.raise_high_water(*now)
            }
            Step::Enrol(member) => self.store.enrol(member).map_err(state),
            Step::Accept(ticket) => self.store.keep_ticket(ticket).map_err(state),
            Step::Unlock(boot, key) => {
                let started = Instant::now();
                let workspace = Workspace::open(key).map_err(|failure| broken(Organ::Workspace, &failure))?;
                info!(%boot, after = ?started.elapsed(), "workspace open");
                self.workspace = Some(workspace);
                Ok(())
            }
            Step::Work { now, stop, .. } => {
                self.clock
                    .follow(*now)
                    .map_err(|failure| broken(Organ::Clock, &failure))?;
                self.filter
                    .stop(stop)
                    .unwrap_or_else(|failure| end_machine("ending grants", &failure));
                if now.since(self.high_water) > HIGH_WATER_STEP {
                    self.raise_high_water(*now)?;
                }
                Ok(())
            }
            Step::Close(why) => {
                warn!(%why, "the platform refused this appliance; closing the workspace");
                self.close();
                Ok(())
            }
        }
    }

    fn close(&mut self) {
        self.filter
            .revoke_all()
            .unwrap_or_else(|failure| end_machine("ending every grant", &failure));
        if let Some(workspace) = self.workspace.take() {
            let started = Instant::now();
            workspace
                .close()
                .unwrap_or_else(|failure| end_machine("closing the workspace", &failure));
            info!(after = ?started.elapsed(), "workspace closed, its mapping gone");
        }
    }

    fn link_directory(&self) -> Result<Reply, Refusal> {
        let workspace = self.workspace.as_ref().ok_or(Refusal::Order)?;
        let directory = workspace
            .link_directory()
            .map_err(|failure| broken(Organ::Workspace, &failure))?;
        Ok(Reply {
            answer: KeeperAnswer::Workspace,
            descriptor: Some(directory),
        })
    }

    fn raise_high_water(&mut self, to: Timestamp) -> Result<(), Refusal> {
        if to <= self.high_water {
            return Ok(());
        }
        self.store
            .raise_high_water(to)
            .map_err(|failure| broken(Organ::State, &failure))?;
        self.high_water = to;
        Ok(())
    }
}

fn scope_refusal(failure: FilterError) -> ScopeRefusal {
    match failure {
        FilterError::TooLarge(TooLarge) => ScopeRefusal::TooLarge,
        FilterError::Own(_) | FilterError::Program(_) => {
            warn!(error = chain(&failure), "the packet filter failed");
            ScopeRefusal::Filter
        }
    }
}

fn broken(organ: Organ, failure: &dyn Error) -> Refusal {
    error!(error = chain(failure), "{organ} failed");
    Refusal::Appliance(organ)
}

/// What must be closed stayed open: the process ends, and with it, by its unit, the machine.
fn end_machine(doing: &str, failure: &dyn Error) {
    error!(error = chain(failure), "{doing} failed; ending the machine");
    std::process::abort();
}

/// How far time must have gone before it is worth a write.
const HIGH_WATER_STEP: Duration = Duration::from_secs(3600);
