//! The keeper: the one process with keys and capabilities.
//!
//! What follows from what is decided without I/O: [`course`] (the boot and the platform's answers),
//! [`rules`] (the filter's content), [`posture`], [`tls`]. What is done is done without deciding:
//! [`store`], [`volume`], [`filter`], [`clock`], [`holders`], [`program`]. [`Keeper`] ties both together;
//! [`server`] lets others speak to it. It parses nothing but typed messages and signed answers.

pub mod clock;
pub mod copy;
pub mod course;
pub mod filter;
pub mod frames;
pub mod holders;
pub mod mount;
pub mod names;
pub mod own;
pub mod owner;
pub mod partition;
pub mod peer;
pub mod posture;
pub mod program;
pub mod records;
pub mod rules;
pub mod server;
pub mod start;
pub mod store;
pub mod tls;
pub mod vault;
pub mod volume;

use std::{
    error::Error,
    net::IpAddr,
    num::NonZeroU32,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use tracing::{error, info, warn};
use vedette_crypto::wrap::WrappingKey;
use vedette_protocol::{
    Assignment, BootId, Job, JobId, JobScope, Signed, Timestamp,
    copy::{CollectorHost, CopyOrder},
    grant::Allowed,
    job::Subject,
    keeper::{Copying, Exchange, KeeperAnswer, KeeperRequest, Organ, REACH_LIMIT, Refusal},
    owner::OwnerWord,
    scope::Resolved,
    vault::{FileKind, Opening, VaultRefusal},
    worker::{Adapter, ScopeRefusal, ScopeRequest},
};

use crate::journal::chain;

use self::{
    clock::Clock,
    copy::KnownCopy,
    course::{BODY_LIMIT, Course, Keys, Step},
    filter::{Filter, FilterError, Sending},
    names::{Names, TooManyAddresses},
    owner::{Name, Ownership},
    records::{Marks, RecordKeys, Records},
    rules::TooLarge,
    server::GRANT_LIMIT,
    store::Store,
    vault::{Vault, VaultError},
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
    vault: Option<Vault>,
    marks: Option<KeptMarks>,
}

/// How far things have gone, with what is needed to keep it: there once both shares were.
#[derive(Debug)]
struct KeptMarks {
    key: WrappingKey,
    marks: Marks,
    records: Records,
}

/// What a worker is granted.
#[derive(Debug)]
pub struct Granted {
    /// The verified job.
    pub job: Job,
    /// What it may send to.
    pub scope: JobScope,
    /// The most packets in a second.
    pub rate: Option<NonZeroU32>,
    /// For how long.
    pub life: Duration,
    /// The worker's end of its line to the vault, for a job that logs in.
    pub vault: Option<OwnedFd>,
    /// Adapters for frames of its own, each with a packet socket.
    pub adapters: Vec<(Adapter, OwnedFd)>,
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
            vault: None,
            marks: None,
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
            KeeperRequest::Openings => self.openings(),
            KeeperRequest::Told(opening) => self.told(opening),
            KeeperRequest::FileKey { job, kind } => self.file_key(job, kind),
            KeeperRequest::ForgetFileKey { job, kind } => self.forget_file_key(job, kind),
            KeeperRequest::Copying => Ok(KeeperAnswer::Copying(self.course.copy().copying()).into()),
            KeeperRequest::ReachCollector(addresses) => self.reach_collector(addresses),
        };
        answered.unwrap_or_else(|refusal| {
            warn!(%refusal, "refused");
            KeeperAnswer::Refused(refusal).into()
        })
    }

    /// Opens the filter for a worker's job, as far as platform and owner allow it.
    pub fn grant(&mut self, uid: u32, request: &ScopeRequest) -> Result<Granted, ScopeRefusal> {
        let ScopeRequest { assignment, names } = request;
        let now = self.clock.now();
        let job = self.course.job(&assignment.job, now)?;
        if self.filter.granted(uid) {
            return Err(ScopeRefusal::AlreadyGranted);
        }
        if *names != self.names.of(job.id) {
            return Err(ScopeRefusal::Names);
        }
        let name = self.course.name().ok_or(ScopeRefusal::NotServing)?;
        // A clock that was set back gives no grant its life again.
        let wall = self
            .marks
            .as_ref()
            .map_or(now.wall, |kept| kept.marks.time.max(now.wall));
        let scope = JobScope::of(&job, names);
        let ownership = self.course.ownership();
        let permission = ownership.allows(name, assignment, &job, scope, wall)?;
        if ownership.owner.is_some() {
            self.mark(wall, permission.ownership, self.course.copy().clone())
                .map_err(|_| ScopeRefusal::NotServing)?;
        }
        let Allowed {
            mut scope,
            life,
            rate,
        } = permission.allowed;
        scope.area = self.filter.lawful(scope.area).map_err(scope_refusal)?;
        if scope.area.addresses().next().is_none() {
            return Err(ScopeRefusal::NothingInScope);
        }
        let vault = match job.login {
            Some(_) => Some(self.line_to_vault(assignment, names, wall)?),
            None => None,
        };
        let sending = match (&vault, job.checks.of(Subject::Network)) {
            (Some(_), _) => Sending::Sockets,
            (None, None) => Sending::Frames,
            (None, Some(_)) => Sending::FramesAndEchoes,
        };
        let frames = self
            .filter
            .grant(uid, job.id, scope.clone(), rate, sending)
            .map_err(scope_refusal)?;
        let adapters = frames.map_or_else(Vec::new, |frames| {
            frames::lend(uid, &frames).unwrap_or_else(|error| {
                warn!(%error, "no packet socket for a worker: it connects");
                Vec::new()
            })
        });
        let life = job.expires.since(now.wall).min(life).min(GRANT_LIMIT);
        info!(uid, job = %job.id, "granted");
        Ok(Granted {
            job,
            scope,
            rate,
            life,
            vault,
            adapters,
        })
    }

    /// Follows what changes on the machine itself while workers send. When it cannot, they must not go on.
    pub fn follow_machine(&mut self) -> Result<(), FilterError> {
        self.filter.follow()
    }

    /// What the vault has opened; a vault that is not there has opened nothing.
    fn openings(&mut self) -> Result<Reply, Refusal> {
        let openings = self.ask_vault(Vault::openings)?.unwrap_or_default();
        Ok(KeeperAnswer::Openings(openings).into())
    }

    /// An opening was told of; a vault that is not there any more has forgotten it.
    fn told(&mut self, opening: Opening) -> Result<Reply, Refusal> {
        self.ask_vault(|vault| vault.told(opening))?;
        Ok(KeeperAnswer::Done.into())
    }

    /// Hands a file key of the vault's on, for a file of the open workspace.
    fn file_key(&mut self, job: JobId, kind: FileKind) -> Result<Reply, Refusal> {
        let descriptor = self.ask_vault_for_files(|vault| vault.file_key(job, kind))?;
        Ok(Reply {
            answer: KeeperAnswer::FileKey,
            descriptor: Some(descriptor),
        })
    }

    fn forget_file_key(&mut self, job: JobId, kind: FileKind) -> Result<Reply, Refusal> {
        self.ask_vault_for_files(|vault| vault.forget_file_key(job, kind))?;
        Ok(KeeperAnswer::Done.into())
    }

    fn ask_vault_for_files<T>(
        &mut self,
        ask: impl FnOnce(&mut Vault) -> Result<T, VaultError>,
    ) -> Result<T, Refusal> {
        self.workspace.as_ref().ok_or(Refusal::Order)?;
        self.ask_vault(ask)?.ok_or(Refusal::Appliance(Organ::Vault))
    }

    /// Asks the vault, if it is there; one that does not answer is there no more.
    fn ask_vault<T>(
        &mut self,
        ask: impl FnOnce(&mut Vault) -> Result<T, VaultError>,
    ) -> Result<Option<T>, Refusal> {
        let answer = self.vault.as_mut().map(ask).transpose();
        answer.map_err(|failure| {
            if !matches!(failure, VaultError::Refused(_)) {
                self.vault = None;
            }
            broken(Organ::Vault, &failure)
        })
    }

    fn line_to_vault(
        &mut self,
        assignment: &Assignment,
        names: &[Resolved],
        now: Timestamp,
    ) -> Result<OwnedFd, ScopeRefusal> {
        let epoch = self.course.ownership().epoch;
        let vault = self
            .vault
            .as_mut()
            .ok_or(ScopeRefusal::Vault(VaultRefusal::Closed))?;
        vault
            .serve(assignment, names, epoch, now)
            .map_err(|failure| match failure {
                VaultError::Refused(why) => ScopeRefusal::Vault(why),
                VaultError::Key(_) | VaultError::Line(_) | VaultError::Talk(_) | VaultError::Unexpected => {
                    error!(error = chain(&failure), "the vault failed");
                    self.vault = None;
                    ScopeRefusal::Vault(VaultRefusal::Closed)
                }
            })
    }

    /// Raises the marks, durably, and knows what they say.
    fn mark(&mut self, time: Timestamp, ownership: Ownership, copy: KnownCopy) -> Result<(), Refusal> {
        if let Some(kept) = &mut self.marks {
            let marks = Marks {
                time: kept.marks.time.max(time),
                epoch: kept.marks.epoch.max(ownership.epoch),
                copy: copy.clone(),
            };
            if marks != kept.marks {
                let records = Records {
                    marks: marks.seal(&kept.key),
                    ..kept.records.clone()
                };
                self.store
                    .keep_records(&records)
                    .map_err(|failure| broken(Organ::State, &failure))?;
                (kept.marks, kept.records) = (marks, records);
            }
        }
        self.course.know(ownership);
        if copy != *self.course.copy() {
            self.course.know_copy(copy);
            self.aim_filter();
        }
        Ok(())
    }

    /// Hears what the owner says. What changes is durable before it counts, and ends what was granted before.
    fn hear(&mut self, words: &[OwnerWord]) -> Result<(), Refusal> {
        let name = self.course.name().ok_or(Refusal::Order)?;
        for word in words {
            if let OwnerWord::Copy(order) = word {
                self.hear_order(name, order)?;
                continue;
            }
            let before = self.course.ownership();
            let Some(after) = before.heard(name, word) else {
                continue;
            };
            let state = |failure: store::StoreError| broken(Organ::State, &failure);
            let mut kept = self.store.words().map_err(state)?;
            kept.push(word.clone());
            self.store.keep_words(&kept).map_err(state)?;
            let copy = match after.owner {
                Some(_) => self.course.copy().clone(),
                None => self.course.copy().released(),
            };
            self.mark(Timestamp(0), after, copy)?;
            self.filter
                .revoke_all()
                .unwrap_or_else(|failure| end_machine("ending every grant", &failure));
            if let Some(vault) = &mut self.vault {
                vault
                    .owner(after.owner)
                    .map_err(|failure| broken(Organ::Vault, &failure))?;
            }
            info!(owner = ?after.owner.map(|owner| owner.fingerprint()), epoch = after.epoch.0, "the owner has spoken");
        }
        Ok(())
    }

    /// Hears an order for the operator's copy. What was granted goes on; the collector leaves every scope.
    fn hear_order(&mut self, name: Name, order: &Signed<CopyOrder>) -> Result<(), Refusal> {
        let ownership = self.course.ownership();
        match self.course.copy().heard(name, ownership, order) {
            Ok(copy) if copy == *self.course.copy() => Ok(()),
            Ok(copy) => {
                info!(number = copy.number, to = ?copy.collector.as_ref().map(|collector| collector.at.to_string()), "the owner has ordered a copy");
                self.mark(Timestamp(0), ownership, copy)
            }
            Err(why) => {
                warn!(%why, "an order for a copy is not taken");
                self.course.refuse_copy(why);
                Ok(())
            }
        }
    }

    /// Points the filter at the collector of the order in force: at its address, or at none until its name is resolved.
    fn aim_filter(&mut self) {
        let (addresses, port) = match self.course.copy().copying() {
            Some(Copying { collector, .. }) => match collector.at.host {
                CollectorHost::Address(address) => (vec![address], collector.at.port),
                CollectorHost::Name(_) => (Vec::new(), collector.at.port),
            },
            None => (Vec::new(), 0),
        };
        // Else it stayed open to the collector of before.
        self.filter
            .reach_collector(addresses, port)
            .unwrap_or_else(|failure| end_machine("pointing the filter at the collector", &failure));
    }

    fn reach_collector(&mut self, addresses: Vec<IpAddr>) -> Result<Reply, Refusal> {
        if addresses.len() > REACH_LIMIT {
            return Err(Refusal::TooMuch);
        }
        let Copying { collector, .. } = self.course.copy().copying().ok_or(Refusal::Order)?;
        if let CollectorHost::Address(address) = collector.at.host
            && addresses != [address]
        {
            return Err(Refusal::Order);
        }
        self.filter
            .reach_collector(addresses, collector.at.port)
            .map_err(|failure| broken(Organ::Filter, &failure))?;
        Ok(KeeperAnswer::Done.into())
    }

    fn unlock(&mut self, boot: BootId, keys: Keys) -> Result<(), Refusal> {
        let started = Instant::now();
        self.open_records(&keys.were, keys.are)?;
        let workspace =
            Workspace::open(&keys.workspace).map_err(|failure| broken(Organ::Workspace, &failure))?;
        info!(%boot, after = ?started.elapsed(), "workspace open");
        self.workspace = Some(workspace);
        Ok(())
    }

    /// Opens the records, and has the vault open its own; both are kept under the keys of the owner that is pinned now.
    fn open_records(&mut self, were: &RecordKeys, are: RecordKeys) -> Result<(), Refusal> {
        let damaged = || {
            error!("the records on the state partition do not open under this appliance's keys");
            Refusal::Appliance(Organ::State)
        };
        let state = |failure: store::StoreError| broken(Organ::State, &failure);
        let kept = self.store.records().map_err(state)?;
        let mut marks = match &kept {
            Some(records) => Marks::open(&were.marks, &records.marks).ok_or_else(damaged)?,
            None => Marks::none(),
        };
        let mut record = kept.and_then(|records| records.vault);
        if let Some(vault) = &mut self.vault {
            let member = self.course.vault_member().ok_or(Refusal::Order)?;
            let opened = vault
                .open(were, &are, member, record)
                .map_err(|failure| broken(Organ::Vault, &failure))?;
            self.course.know_credential_key(opened.keys);
            record = opened.record;
        } else if were.owner != are.owner && record.is_some() {
            // Sealing the one record anew without the other would lose the other.
            error!("the vault is not there to seal its record under the owner's new key");
            return Err(Refusal::Appliance(Organ::Vault));
        }
        let ownership = self.course.ownership().at_least(marks.epoch);
        marks.epoch = ownership.epoch;
        let records = Records {
            owner: are.owner,
            vault: record,
            marks: marks.seal(&are.marks),
        };
        self.store.keep_records(&records).map_err(state)?;
        self.course.rebind_records(are.owner);
        self.store.forget_words().map_err(state)?;
        self.course.know(ownership);
        self.course.know_copy(marks.copy.clone());
        self.aim_filter();
        self.marks = Some(KeptMarks {
            key: are.marks,
            marks,
            records,
        });
        Ok(())
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
        if let Step::Unlock(boot, keys) = step {
            self.unlock(boot, *keys)?;
            return Ok(self.course.unlocked(boot));
        }
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
            // Done with its keys, which are gone then.
            Step::Unlock(..) => Err(Refusal::Order),
            Step::Work { now, stop, words, .. } => {
                self.clock
                    .follow(*now)
                    .map_err(|failure| broken(Organ::Clock, &failure))?;
                self.filter
                    .stop(stop)
                    .unwrap_or_else(|failure| end_machine("ending grants", &failure));
                if now.since(self.high_water) > HIGH_WATER_STEP {
                    self.raise_high_water(*now)?;
                }
                self.hear(words)
            }
            Step::Close(why) => {
                warn!(%why, "the platform refused this appliance; closing the workspace");
                self.close();
                Ok(())
            }
        }
    }

    fn close(&mut self) {
        // Without the keeper's line the vault ends, and with it its keys.
        self.vault = None;
        self.marks = None;
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
