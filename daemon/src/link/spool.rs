//! What happened and is not yet with the platform, in order, in files of the workspace.
//!
//! Events of a boot are numbered from 0, and each is a file, `event-NUMBER-JOB`, sealed under its job's key for
//! results. It goes when the platform keeps it; of the last one the name stays, with nothing in it, which tells a
//! restarted vedetted where the numbers are. While a job runs there is `job-JOB`, sealed under its key for temporary
//! files, so that a restarted vedetted knows what it left undone. With a job's last file goes its key. A file is there
//! whole or not at all: it is renamed to its name, under which it was sealed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufReader, Seek, SeekFrom},
    sync::Arc,
};

use cap_std::fs::Dir;
use vedette_crypto::file::{self, FileKey, OpenError};
use vedette_protocol::{
    JobId,
    codec::{self, DecodeError},
    link::{EVENTS_PER_REQUEST, Event, What},
    vault::FileKind,
};

use super::{keeper::AskError, keyring::Keyring};

mod name;

use name::{Name, UNFINISHED};

/// More than this is not taken before the platform has taken some.
const SPOOL_LIMIT: u64 = 32 << 20;

/// What a file takes of the disk at least.
const BLOCK: u64 = 4 << 10;

/// The most bytes of events in one batch: with what stands around them they fit a request.
const BATCH_LIMIT: u64 = 512 << 10;

/// The longest event that is taken.
pub const EVENT_LIMIT: usize = 256 << 10;

/// The spool.
#[derive(Debug)]
pub struct Spool {
    directory: Dir,
    keyring: Arc<Keyring>,
    /// What the platform does not keep yet, by number, without a gap.
    events: BTreeMap<u64, Entry>,
    /// Number of the event that comes next.
    end: u64,
    /// The file that holds nothing any more but the number in its name.
    empty: Option<Name>,
    /// Jobs that began and did not end.
    running: BTreeSet<JobId>,
}

#[derive(Debug)]
struct Entry {
    job: JobId,
    bytes: u64,
    /// An event that could not be sealed and says nothing of a target is not written.
    unwritten: Option<Event>,
}

/// The spool cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("reading the spool")]
    Read(#[source] io::Error),
    #[error("writing the spool")]
    Write(#[source] io::Error),
    #[error("the key of the job's files; nothing is written without it")]
    Key(#[source] AskError),
    #[error("opening {1} of the spool")]
    Open(#[source] OpenError, String),
    #[error("the spool is damaged")]
    Damaged(#[from] DecodeError),
    #[error("the spool's events do not follow one another")]
    Gap,
    #[error("an event of {0} bytes, more than {EVENT_LIMIT}")]
    TooLong(usize),
}

/// Jobs that began and did not end, with their leases' fences.
pub type Unfinished = BTreeMap<JobId, u64>;

impl Spool {
    /// Opens what is there, or begins; and names the jobs that an earlier vedetted left unfinished.
    ///
    /// # Errors
    /// When something that is there is not as it was written, or its key is not to be had.
    pub fn open(directory: Dir, keyring: Arc<Keyring>) -> Result<(Self, Unfinished), SpoolError> {
        let mut spool = Self {
            directory,
            keyring,
            events: BTreeMap::new(),
            end: 0,
            empty: None,
            running: BTreeSet::new(),
        };
        let mut unfinished = Unfinished::new();
        for name in spool.names()? {
            match name {
                Name::Job(job) => {
                    let fence = codec::decode(&spool.read(name)?)?;
                    spool.running.insert(job);
                    unfinished.insert(job, fence);
                }
                Name::Event(number, job) => spool.take_in(number, job)?,
            }
        }
        Ok((spool, unfinished))
    }

    /// Whether more may be taken.
    pub fn has_room(&self) -> bool {
        let taken = self
            .events
            .values()
            .map(|entry| entry.bytes.next_multiple_of(BLOCK));
        taken.sum::<u64>() < SPOOL_LIMIT
    }

    /// Whether it is worth keeping. How far a job is will be said again, and nobody asks how far it was while more than
    /// one batch waits: an appliance whose platform is away for a night has room for what it finds.
    pub fn wants(&self, event: &Event) -> bool {
        !matches!(event.what, What::Progress(_)) || self.events.len() < EVENTS_PER_REQUEST
    }

    /// Takes an event.
    ///
    /// # Errors
    /// When it is too long, or cannot be sealed or written.
    pub fn push(&mut self, event: &Event) -> Result<(), SpoolError> {
        let content = codec::encode(event);
        if content.len() > EVENT_LIMIT {
            return Err(SpoolError::TooLong(content.len()));
        }
        let (job, name) = (event.job, Name::Event(self.end, event.job));
        let entry = match self.keyring.key(job, FileKind::Results) {
            Ok(key) => {
                if event.what == What::Started {
                    self.begin(job, event.fence)?;
                }
                let bytes = self.write(name, &key, &content)?;
                let unwritten = None;
                Entry {
                    job,
                    bytes,
                    unwritten,
                }
            }
            Err(_) if !tells_of_targets(&event.what) => Entry {
                job,
                bytes: content.len() as u64,
                unwritten: Some(event.clone()),
            },
            Err(refused) => return Err(SpoolError::Key(refused)),
        };
        self.events.insert(self.end, entry);
        self.end += 1;
        if let Some(empty) = self.empty.take() {
            self.remove(empty)?;
        }
        match event.what {
            What::Ended(_) | What::Failed(_) => self.finish(job),
            What::Started | What::Progress(_) | What::Findings(_) | What::Opened(_) => Ok(()),
        }
    }

    /// The next batch, and the number of its first event; empty when all is sent.
    ///
    /// # Errors
    /// When an event cannot be read.
    pub fn batch(&self) -> Result<(u64, Vec<Event>), SpoolError> {
        let mut events = Vec::new();
        let mut room = BATCH_LIMIT;
        for (number, entry) in &self.events {
            if events.len() == EVENTS_PER_REQUEST || entry.bytes > room {
                break;
            }
            room -= entry.bytes;
            events.push(match &entry.unwritten {
                Some(event) => event.clone(),
                None => codec::decode(&self.read(Name::Event(*number, entry.job))?)?,
            });
        }
        Ok((self.next(), events))
    }

    /// The platform keeps everything below this number.
    ///
    /// # Errors
    /// When what it keeps cannot be removed.
    pub fn kept(&mut self, below: u64) -> Result<(), SpoolError> {
        // What it says of events that never were changes nothing; of events that are gone, neither.
        let waiting = self.events.split_off(&below);
        let gone = std::mem::replace(&mut self.events, waiting);
        for (number, entry) in &gone {
            let name = Name::Event(*number, entry.job);
            if number + 1 == self.end {
                // An unwritten one, too, leaves its number.
                self.directory
                    .create(name.to_string())
                    .map_err(SpoolError::Write)?;
                self.empty = Some(name);
            } else if entry.unwritten.is_none() {
                self.remove(name)?;
            }
        }
        let jobs: BTreeSet<JobId> = gone.values().map(|entry| entry.job).collect();
        for job in jobs {
            if !self.running.contains(&job) && self.events.values().all(|entry| entry.job != job) {
                self.keyring.forget(job, FileKind::Results);
            }
        }
        Ok(())
    }

    /// Number of the next event to send.
    fn next(&self) -> u64 {
        self.events
            .first_key_value()
            .map_or(self.end, |(number, _)| *number)
    }

    /// A job begins: what is needed to say that it did not end.
    fn begin(&mut self, job: JobId, fence: u64) -> Result<(), SpoolError> {
        let key = self
            .keyring
            .key(job, FileKind::Temporary)
            .map_err(SpoolError::Key)?;
        self.write(Name::Job(job), &key, &codec::encode(&fence))?;
        self.running.insert(job);
        Ok(())
    }

    /// A job ended: its temporary file goes, and the key of it.
    fn finish(&mut self, job: JobId) -> Result<(), SpoolError> {
        if self.running.remove(&job) {
            self.remove(Name::Job(job))?;
        }
        self.keyring.forget(job, FileKind::Temporary);
        Ok(())
    }

    /// Knows an event's file again.
    fn take_in(&mut self, number: u64, job: JobId) -> Result<(), SpoolError> {
        let name = Name::Event(number, job);
        // The name of the last one that was kept, and one whose turn is over.
        if let Some(empty) = self.empty.take() {
            self.remove(empty)?;
        }
        if self.end != 0 && number != self.end {
            return Err(SpoolError::Gap);
        }
        self.end = number.checked_add(1).ok_or(SpoolError::Gap)?;
        let file = self.directory.open(name.to_string());
        let bytes = file
            .and_then(|file| file.metadata())
            .map_err(SpoolError::Read)?
            .len();
        if bytes == 0 && self.events.is_empty() {
            self.empty = Some(name);
            return Ok(());
        }
        let event: Event = codec::decode(&self.read(name)?)?;
        if event.job != job {
            return Err(SpoolError::Gap);
        }
        let unwritten = None;
        self.events.insert(
            number,
            Entry {
                job,
                bytes,
                unwritten,
            },
        );
        Ok(())
    }

    /// The files that are there, events in their order; what was never finished is removed.
    fn names(&self) -> Result<Vec<Name>, SpoolError> {
        let mut names = Vec::new();
        for entry in self.directory.entries().map_err(SpoolError::Read)? {
            let name = entry.map_err(SpoolError::Read)?.file_name();
            match name.to_str() {
                Some(UNFINISHED) => self
                    .directory
                    .remove_file(UNFINISHED)
                    .map_err(SpoolError::Write)?,
                Some(name) => names.extend(name.parse::<Name>()),
                None => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Writes a file, whole: how long it is.
    fn write(&self, name: Name, key: &FileKey, content: &[u8]) -> Result<u64, SpoolError> {
        let to = name.to_string();
        let write = || {
            let mut file = self.directory.create(UNFINISHED)?;
            file::seal(key, to.as_bytes(), &mut { content }, &mut file)?;
            let length = file.seek(SeekFrom::End(0))?;
            self.directory.rename(UNFINISHED, &self.directory, &to)?;
            Ok(length)
        };
        write().map_err(SpoolError::Write)
    }

    fn read(&self, name: Name) -> Result<Vec<u8>, SpoolError> {
        let from = name.to_string();
        let file = self.directory.open(&from).map_err(SpoolError::Read)?;
        let key = self
            .keyring
            .key(name.job(), name.kind())
            .map_err(SpoolError::Key)?;
        let mut content = Vec::new();
        let limit = EVENT_LIMIT as u64;
        file::open(
            &key,
            from.as_bytes(),
            &mut BufReader::new(file),
            &mut content,
            limit,
        )
        .map_err(|error| SpoolError::Open(error, from))?;
        Ok(content)
    }

    fn remove(&self, name: Name) -> Result<(), SpoolError> {
        self.directory
            .remove_file(name.to_string())
            .map_err(SpoolError::Write)
    }
}

/// Whether an event says anything of what a scan found.
fn tells_of_targets(what: &What) -> bool {
    match what {
        What::Findings(_) | What::Ended(_) => true,
        What::Started | What::Progress(_) | What::Failed(_) | What::Opened(_) => false,
    }
}

#[cfg(test)]
mod tests;
