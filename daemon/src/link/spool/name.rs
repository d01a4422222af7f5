//! The names of the spool's files.

use std::{fmt, str::FromStr};

use vedette_protocol::{JobId, vault::FileKind};

/// A file that is being written.
pub(super) const UNFINISHED: &str = "unfinished";

/// What a file of the spool is. Jobs come first, then events in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    /// That a job runs.
    Job(JobId),
    /// An event, by its number.
    Event(u64, JobId),
}

impl Name {
    pub(super) fn job(self) -> JobId {
        match self {
            Self::Job(job) | Self::Event(_, job) => job,
        }
    }

    /// Under which of its job's keys it is sealed.
    pub(super) fn kind(self) -> FileKind {
        match self {
            Self::Job(_) => FileKind::Temporary,
            Self::Event(..) => FileKind::Results,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job-{job}"),
            Self::Event(number, job) => write!(f, "event-{number:020}-{job}"),
        }
    }
}

/// A file that is none of the spool's.
#[derive(Debug)]
pub(super) struct Foreign;

impl FromStr for Name {
    type Err = Foreign;

    fn from_str(text: &str) -> Result<Self, Foreign> {
        let name = match text.split_once('-').ok_or(Foreign)? {
            ("job", job) => Self::Job(job.parse().map_err(|_| Foreign)?),
            ("event", rest) => {
                let (number, job) = rest.split_once('-').ok_or(Foreign)?;
                Self::Event(
                    number.parse().map_err(|_| Foreign)?,
                    job.parse().map_err(|_| Foreign)?,
                )
            }
            _ => return Err(Foreign),
        };
        // One file has one name.
        (name.to_string() == text).then_some(name).ok_or(Foreign)
    }
}
