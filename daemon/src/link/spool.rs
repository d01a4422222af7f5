//! What happened and is not yet with the platform, in order, in files of the workspace.
//!
//! Events of a boot are numbered from 0. They stand in segments, `events-NUMBER` by the number of their
//! first event, as frames; a segment goes when the platform keeps all of it, except for the last, which
//! tells a restarted vedetted where the numbers are. Half a frame at the end is what a killed process
//! left: it was never acknowledged to anybody, and is cut off.

use std::{
    collections::BTreeMap,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
};

use cap_std::fs::{Dir, File, OpenOptions};
use vedette_protocol::{
    Frame, FrameError, JobId,
    codec::{self, read_frame},
    link::{EVENTS_PER_REQUEST, Event, What},
};

/// When the next segment is begun.
const SEGMENT_LIMIT: u64 = 1 << 20;

/// More than this is not taken before the platform has taken some.
const SPOOL_LIMIT: u64 = 32 << 20;

/// The most bytes of events in one batch: with what stands around them they fit a request.
const BATCH_LIMIT: usize = 512 << 10;

/// The longest event that is taken.
pub const EVENT_LIMIT: usize = 256 << 10;

const PREFIX: &str = "events-";

/// The spool.
#[derive(Debug)]
pub struct Spool {
    directory: Dir,
    /// By the number of the first event; never empty.
    segments: BTreeMap<u64, Segment>,
    /// The last segment, open at its end.
    writer: File,
    /// Number of the next event to send.
    next: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    events: u64,
    bytes: u64,
}

/// The spool cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("reading the spool")]
    Read(#[source] io::Error),
    #[error("writing the spool")]
    Write(#[source] io::Error),
    #[error("the spool is damaged")]
    Damaged(#[source] FrameError),
    #[error("the spool's segments do not follow one another")]
    Gap,
    #[error("an event of {0} bytes, more than {EVENT_LIMIT}")]
    TooLong(usize),
}

/// Jobs that began and did not end, with their leases' fences.
pub type Unfinished = BTreeMap<JobId, u64>;

impl Spool {
    /// Opens what is there, or begins; and names the jobs that an earlier vedetted left unfinished.
    pub fn open(directory: Dir) -> Result<(Self, Unfinished), SpoolError> {
        let mut segments = BTreeMap::new();
        for entry in directory.entries().map_err(SpoolError::Read)? {
            let name = entry.map_err(SpoolError::Read)?.file_name();
            let first = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            if let Some(first) = first {
                segments.insert(first, Segment::default());
            }
        }
        if segments.is_empty() {
            segments.insert(0, Segment::default());
        }
        let mut unfinished = Unfinished::new();
        let mut expected = None;
        let mut writer = None;
        for (first, segment) in &mut segments {
            if expected.is_some_and(|expected| expected != *first) {
                return Err(SpoolError::Gap);
            }
            let file = open_segment(&directory, *first)?;
            *segment = read_segment(&directory, *first, |event| note(&mut unfinished, event))?;
            expected = Some(first + segment.events);
            writer = Some((file, segment.bytes));
        }
        let (mut writer, end) = writer.ok_or(SpoolError::Gap)?;
        writer.set_len(end).map_err(SpoolError::Write)?;
        writer.seek(SeekFrom::End(0)).map_err(SpoolError::Write)?;
        let next = segments.first_key_value().map_or(0, |(first, _)| *first);
        let spool = Self {
            directory,
            segments,
            writer,
            next,
        };
        Ok((spool, unfinished))
    }

    /// Whether more may be taken.
    pub fn has_room(&self) -> bool {
        self.segments.values().map(|segment| segment.bytes).sum::<u64>() < SPOOL_LIMIT
    }

    /// Takes an event.
    pub fn push(&mut self, event: &Event) -> Result<(), SpoolError> {
        let frame = Frame::of(event).map_err(SpoolError::Damaged)?;
        let length = frame.bytes().len();
        if length > EVENT_LIMIT {
            return Err(SpoolError::TooLong(length));
        }
        let (first, mut segment) = self.last();
        if segment.bytes >= SEGMENT_LIMIT {
            let next = first + segment.events;
            self.writer = open_segment(&self.directory, next)?;
            segment = Segment::default();
            self.segments.insert(next, segment);
        }
        self.writer.write_all(frame.bytes()).map_err(SpoolError::Write)?;
        let (first, _) = self.last();
        self.segments.insert(
            first,
            Segment {
                events: segment.events + 1,
                bytes: segment.bytes + u64::try_from(length).unwrap_or(u64::MAX),
            },
        );
        Ok(())
    }

    /// The next batch, and the number of its first event; empty when all is sent.
    pub fn batch(&self) -> Result<(u64, Vec<Event>), SpoolError> {
        let mut events = Vec::new();
        let mut room = BATCH_LIMIT;
        for (first, segment) in self.segments.range(self.segment_of(self.next)..) {
            let mut reader = reader(&self.directory, *first)?;
            for number in *first..first + segment.events {
                let event: Event = read_frame(&mut reader).map_err(SpoolError::Damaged)?;
                if number < self.next {
                    continue;
                }
                let length = codec::encode(&event).len();
                if events.len() == EVENTS_PER_REQUEST || length > room {
                    return Ok((self.next, events));
                }
                room -= length;
                events.push(event);
            }
        }
        Ok((self.next, events))
    }

    /// The platform keeps everything below this number.
    pub fn kept(&mut self, below: u64) -> Result<(), SpoolError> {
        let oldest = self.segments.first_key_value().map_or(0, |(first, _)| *first);
        // What it says of events that never were changes nothing; of events that are gone, neither.
        self.next = below.clamp(oldest, self.end());
        let last = self.segment_of(self.end());
        let done: Vec<u64> = self
            .segments
            .iter()
            .filter(|(first, segment)| **first != last && *first + segment.events <= self.next)
            .map(|(first, _)| *first)
            .collect();
        for first in done {
            self.directory
                .remove_file(name(first))
                .map_err(SpoolError::Write)?;
            self.segments.remove(&first);
        }
        Ok(())
    }

    /// Number of the event that comes next.
    fn end(&self) -> u64 {
        let (first, segment) = self.last();
        first + segment.events
    }

    fn last(&self) -> (u64, Segment) {
        self.segments
            .last_key_value()
            .map_or_else(|| (0, Segment::default()), |(first, segment)| (*first, *segment))
    }

    fn segment_of(&self, number: u64) -> u64 {
        self.segments
            .range(..=number)
            .next_back()
            .map_or(0, |(first, _)| *first)
    }
}

fn note(unfinished: &mut Unfinished, event: &Event) {
    match event.what {
        What::Started => drop(unfinished.insert(event.job, event.fence)),
        What::Ended(_) | What::Failed(_) => drop(unfinished.remove(&event.job)),
        What::Progress(_) | What::Findings(_) | What::Opened(_) => {}
    }
}

/// Reads through a segment as far as it is whole.
fn read_segment(directory: &Dir, first: u64, mut each: impl FnMut(&Event)) -> Result<Segment, SpoolError> {
    let mut reader = reader(directory, first)?;
    let mut segment = Segment::default();
    loop {
        match read_frame::<Event>(&mut reader) {
            Ok(event) => {
                each(&event);
                let length = Frame::of(&event).map_err(SpoolError::Damaged)?.bytes().len();
                segment.events += 1;
                segment.bytes += u64::try_from(length).unwrap_or(u64::MAX);
            }
            Err(FrameError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(segment),
            Err(error) => return Err(SpoolError::Damaged(error)),
        }
    }
}

fn reader(directory: &Dir, first: u64) -> Result<impl Read + use<>, SpoolError> {
    let file = directory.open(name(first)).map_err(SpoolError::Read)?;
    Ok(BufReader::new(file))
}

fn open_segment(directory: &Dir, first: u64) -> Result<File, SpoolError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    directory
        .open_with(name(first), &options)
        .map_err(SpoolError::Write)
}

fn name(first: u64) -> String {
    format!("{PREFIX}{first:020}")
}

#[cfg(test)]
mod tests;
