//! Serving: asks for work, has it done, and tells what comes of it, until the platform says no.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use cap_std::fs::Dir;
use tokio::{
    sync::mpsc::{self, Sender},
    task::{AbortHandle, Id, JoinSet},
    time::sleep,
};
use tracing::{error, info};
use vedette_protocol::{
    Assignment, Job, JobId,
    keeper::{Compose, KeeperAnswer},
    link::{Event, What},
    scope::Resolved,
    status::State,
    target::Target,
    worker::{Order, WorkerFailure},
};

use super::{
    House,
    backoff::{Backoff, jitter},
    boot::{Stopped, pause},
    exchange::{Outlook, exchange},
    identity::Identity,
    keeper::AskError,
    keyring::Keyring,
    line::Line,
    names::Names,
    spool::Spool,
    upload::upload,
    worker,
};
use crate::journal::chain;

/// The most workers at once.
const WORKERS: usize = 4;

/// How long the platform may hold an answer back: while there is room for work, and while there is none.
const WAIT: Duration = Duration::from_secs(25);
const WAIT_FULL: Duration = Duration::from_secs(5);

/// The longest pause between two polls, whatever the platform says.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Events on their way from workers to the spool.
const EVENTS: usize = 16;

/// The workspace is open; the appliance works.
pub struct Serving {
    house: Arc<House>,
    identity: Arc<Identity>,
    directory: Dir,
}

impl Serving {
    /// Begins with the link's directory of the workspace.
    pub(super) fn new(house: Arc<House>, identity: Arc<Identity>, directory: Dir) -> Self {
        Self {
            house,
            identity,
            directory,
        }
    }

    /// Serves.
    ///
    /// # Errors
    /// When the platform refuses the appliance, or the spool is lost.
    pub async fn serve(self) -> Result<Infallible, Stopped> {
        let Self {
            house,
            identity,
            directory,
        } = self;
        let keyring = Arc::new(Keyring::of(house.clone()));
        let (mut spool, unfinished) = Spool::open(directory, keyring.clone()).map_err(|failure| {
            error!(error = chain(&failure), "the spool cannot be used");
            Stopped::because(chain(&failure))
        })?;
        // Workers end with the vedetted that started them.
        for (job, fence) in unfinished {
            let what = What::Failed(WorkerFailure::Vanished);
            spool
                .push(&Event { job, fence, what })
                .map_err(|failure| Stopped::because(chain(&failure)))?;
        }
        let mut backoff = Backoff::default();
        // Before anything more leaves.
        while let Err(error) = house.copier.follow(&house) {
            pause(&house, State::Unlocked, &error.into(), &mut backoff).await?;
        }
        let (tell, told) = mpsc::channel(EVENTS);
        let up = upload(
            house.clone(),
            Line::identified(house.clone(), identity.clone()),
            spool,
            told,
        );
        let line = Line::identified(house.clone(), identity);
        let bench = Bench {
            house: house.clone(),
            keyring,
            tell,
            workers: JoinSet::new(),
            running: BTreeMap::new(),
            told: None,
        };
        tokio::select! {
            stopped = bench.poll(line) => stopped,
            stopped = up => stopped,
            never = house.copier.run(&house) => match never {},
        }
    }
}

/// A job at work, under its lease's fence.
struct Running {
    fence: u64,
    worker: AbortHandle,
}

/// The workers at work.
struct Bench {
    house: Arc<House>,
    keyring: Arc<Keyring>,
    tell: Sender<Event>,
    workers: JoinSet<JobId>,
    running: BTreeMap<JobId, Running>,
    /// Whose the appliance was when it last told its keys.
    told: Option<Option<String>>,
}

impl Bench {
    async fn poll(mut self, mut line: Line) -> Result<Infallible, Stopped> {
        let house = self.house.clone();
        let mut backoff = Backoff::default();
        house.board.show(State::Serving);
        loop {
            self.clear();
            // What was opened for workers that came to no end, too.
            house.openings.tell(&house.keeper, &self.tell).await;
            let free = WORKERS.saturating_sub(self.running.len());
            let wait = if free == 0 { WAIT_FULL } else { WAIT };
            let (copy, missed) = house.copier.standing();
            let compose = Compose::Poll {
                wait: u32::try_from(wait.as_secs()).unwrap_or_default(),
                free: u32::try_from(free).unwrap_or_default(),
                running: self.running.keys().copied().collect(),
                copy,
                missed,
            };
            match exchange(&house, &mut line, compose).await {
                Ok(KeeperAnswer::Work {
                    jobs,
                    stop,
                    interval,
                    owner,
                    copying,
                }) => {
                    backoff = Backoff::default();
                    if copying != house.copier.order()
                        && let Err(error) = house.copier.follow(&house)
                    {
                        // It is asked again after the next poll.
                        error!(error = chain(&error), "the keeper did not say where to copy to");
                    }
                    if self.told.as_ref() != Some(&owner) {
                        self.tell_keys(&mut line, owner).await?;
                    }
                    house.board.show(State::Serving);
                    self.stop(&stop).await;
                    for (job, assignment) in jobs.into_iter().take(free) {
                        self.start(job, assignment);
                    }
                    let interval = Duration::from_secs(interval.into()).min(LONGEST_PAUSE);
                    self.rest(jitter(interval)).await;
                }
                Ok(_) => {
                    let error = AskError::Unexpected.into();
                    pause(&house, State::Serving, &error, &mut backoff).await?;
                }
                Err(error) => pause(&house, State::Serving, &error, &mut backoff).await?,
            }
        }
    }

    /// Tells the platform to which keys credentials are sealed, and whose the appliance is; at the beginning, and
    /// after each change. What is not taken now is told again after the next poll.
    async fn tell_keys(&mut self, line: &mut Line, owner: Option<String>) -> Result<(), Stopped> {
        self.house.board.owner(owner.as_deref());
        match exchange(&self.house, line, Compose::Keys).await {
            Ok(KeeperAnswer::Done) => self.told = Some(owner),
            // An appliance whose vault is closed has no keys to tell.
            Ok(_) => self.told = Some(owner),
            Err(error) => match error.outlook() {
                Outlook::Again => info!(error = chain(&error), "the keys were not told"),
                Outlook::Never => return Err(Stopped::because(error.reason())),
            },
        }
        Ok(())
    }

    /// Waits, but not longer than until a worker is free again.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            Some(ended) = self.workers.join_next_with_id() => self.ended(ended),
        }
    }

    /// Takes note of the workers that have ended.
    fn clear(&mut self) {
        while let Some(ended) = self.workers.try_join_next_with_id() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(Id, JobId), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        self.running.retain(|_, running| running.worker.id() != id);
    }

    fn start(&mut self, job: Job, assignment: Assignment) {
        if self.running.contains_key(&job.id) {
            return;
        }
        info!(job = %job.id, scan = %job.scan, "job begins");
        let (id, fence) = (job.id, job.fence);
        let keyring = self.keyring.clone();
        let (house, tell) = (self.house.clone(), self.tell.clone());
        let worker = self.workers.spawn(async move {
            // What comes of a job whose files cannot be sealed could not be kept: it is not begun.
            if let Err(error) = keyring.begin(job.id) {
                error!(job = %job.id, error = chain(&error), "no keys for a job's files");
                worker::refuse(&job, WorkerFailure::Unsealed, &tell).await;
                return job.id;
            }
            let names = resolved(&house, &job).await;
            // A keeper that did not take them refuses the worker, which then says so.
            if !names.is_empty()
                && let Err(error) = house.keeper.names(job.id, names.clone())
            {
                error!(job = %job.id, error = chain(&error), "the keeper did not take a job's names");
            }
            worker::work(&house.workers, &job, Order { assignment, names }, &tell).await;
            house.openings.tell(&house.keeper, &tell).await;
            info!(job = %job.id, "job over");
            job.id
        });
        self.running.insert(id, Running { fence, worker });
    }

    /// Hangs up on the workers of these jobs; the keeper has ended their grants already.
    async fn stop(&mut self, jobs: &[JobId]) {
        for job in jobs {
            if let Some(Running { fence, worker }) = self.running.remove(job) {
                info!(%job, "job stopped");
                worker.abort();
                // The platform waits for no end of it any more; the spool does, to forget the job's keys.
                let what = What::Failed(WorkerFailure::Vanished);
                let event = Event {
                    job: *job,
                    fence,
                    what,
                };
                let _ = self.tell.send(event).await;
            }
        }
    }
}

/// What a job's names stand for here and now.
async fn resolved(house: &House, job: &Job) -> Vec<Resolved> {
    let mut wanted: Vec<_> = job
        .targets
        .as_slice()
        .iter()
        .chain(&job.exclude)
        .filter_map(|target| match target {
            Target::Name(name) => Some(name.clone()),
            Target::Span(_) => None,
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Vec::new();
    }
    let servers = house.network.leased().unwrap_or_default().resolvers;
    match Names::by(&servers) {
        Ok(names) => names.all(wanted).await,
        Err(error) => {
            error!(error = chain(&error), "names of a job cannot be resolved");
            Vec::new()
        }
    }
}
