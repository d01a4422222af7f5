//! What of a scan is done, so that another run goes on where it stopped.
//!
//! It holds hashes of what was tested, and of findings what they say themselves: methods, paths without values, names of
//! inputs. What must stay true: no value of an input, no header field, no cookie, nothing of a body and no credential is in
//! it; a file that is damaged, too large, of another version, site or choice of classes is refused, never mended.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};
use vedette_protocol::Digest;

use super::{site::Site, tests::Classes};

/// The state of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    about: About,
    /// Begins every token of the scan, in every run.
    seed: u16,
    /// Requests of which every input was tested, and by how many pairs of an input and a class.
    requests: BTreeMap<Mark, u64>,
    /// Whatever else was done.
    done: BTreeSet<Mark>,
    /// Where inputs are, by their number.
    spots: Vec<Spot>,
    /// The findings that were told.
    found: BTreeSet<Digest>,
}

/// What a state is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    site: String,
    classes: BTreeSet<String>,
    logins: u8,
}

/// Stands for something that was done: half of a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Mark([u8; 16]);

/// Where an input is, as findings say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spot {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) parameter: String,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read or written by others (mode {mode:o}); run: chmod 600 {path}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is not what was written.
    #[error("{path} is no state of a scan, or it is damaged; remove it to begin anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// It is of a scan of something else.
    #[error("{path} is the state of a scan of another site, with other classes or other logins; name another file", path = path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
}

impl About {
    /// A scan of this site for these classes, as so many users.
    pub fn new(site: &Site, classes: &Classes, logins: u8) -> Self {
        Self {
            site: format!("{}://{}", site.start().scheme(), site.authority()),
            classes: classes.chosen().map(ToOwned::to_owned).collect(),
            logins,
        }
    }
}

impl Mark {
    /// What is named by these parts.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        let mut half = [0; 16];
        half.copy_from_slice(&Digest::of(&bytes).0[..16]);
        Self(half)
    }
}

impl Serialize for Mark {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = (text.len() == 32)
            .then(|| u128::from_str_radix(&text, 16).ok())
            .flatten();
        let number = number.ok_or_else(|| serde::de::Error::custom("no mark"))?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl State {
    /// That of a scan which begins.
    pub fn new(about: About, seed: u64) -> Self {
        Self {
            version: VERSION,
            about,
            seed: (seed & 0xffff) as u16,
            requests: BTreeMap::new(),
            done: BTreeSet::new(),
            spots: Vec::new(),
            found: BTreeSet::new(),
        }
    }

    /// Reads the state of a scan that was stopped; none where there is no file.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, it is damaged, or it is of another scan.
    pub fn read(path: &Path, about: &About) -> Result<Option<Self>, StateError> {
        let failed = |source| StateError::Read {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(StateError::Open { path, mode });
        }
        let mut bytes = Vec::new();
        file.take(LENGTH_LIMIT as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        let path = path.to_owned();
        match Self::parse(&bytes) {
            None => Err(StateError::Damaged { path }),
            Some(state) if state.about != *about => Err(StateError::Other { path }),
            Some(state) => Ok(Some(state)),
        }
    }

    /// What was written: a line of JSON, and one with its SHA-256.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.len() <= LENGTH_LIMIT)?;
        let (line, digest) = text.strip_suffix('\n')?.split_once('\n')?;
        if Digest::of(line.as_bytes()).to_string() != digest {
            return None;
        }
        let state: Self = serde_json::from_str(line).ok()?;
        let bounded = state.version == VERSION
            && state.requests.len() + state.done.len() <= MARKS_LIMIT
            && state.spots.len() <= MARKS_LIMIT;
        bounded.then_some(state)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), StateError> {
        let failed = |source| StateError::Write {
            path: path.to_owned(),
            source,
        };
        let line = serde_json::to_string(self).map_err(|error| failed(error.into()))?;
        let text = format!("{line}\n{}\n", Digest::of(line.as_bytes()));
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        let written = || {
            let _left_by_a_run_that_was_killed = fs::remove_file(&new);
            let mut file = File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, path)
        };
        written().map_err(failed)
    }

    fn has_room(&self) -> bool {
        self.requests.len() + self.done.len() < MARKS_LIMIT
    }
}

/// A scan's state in the hands of all who work on it, and the word to stop.
#[derive(Debug, Clone)]
pub struct Pause {
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl Pause {
    /// Goes on from a state.
    pub fn new(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
            stopped: Arc::default(),
        }
    }

    /// Nothing more is sent.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more is to be sent.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The state as it is now.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    pub(crate) fn seed(&self) -> u64 {
        self.lock().seed.into()
    }

    /// Whether it was done.
    pub(crate) fn is_done(&self, mark: Mark) -> bool {
        self.lock().done.contains(&mark)
    }

    /// It is done; what there is no room for is done again by the next run.
    pub(crate) fn done(&self, mark: Mark) {
        let mut state = self.lock();
        if state.has_room() {
            state.done.insert(mark);
        }
    }

    /// How many pairs of an input and a class there were in a request, if all were tested.
    pub(crate) fn pairs(&self, mark: Mark) -> Option<u64> {
        self.lock().requests.get(&mark).copied()
    }

    /// All of a request is tested.
    pub(crate) fn request_done(&self, mark: Mark, pairs: u64) {
        let mut state = self.lock();
        if state.has_room() {
            state.requests.insert(mark, pairs);
        }
    }

    /// Where the inputs are that have a number already.
    pub(crate) fn spots(&self) -> Vec<Spot> {
        self.lock().spots.clone()
    }

    /// One more has.
    pub(crate) fn numbered(&self, spot: &Spot) {
        let mut state = self.lock();
        if state.spots.len() < MARKS_LIMIT {
            state.spots.push(spot.clone());
        }
    }

    /// Whether a finding is told for the first time.
    pub(crate) fn is_new(&self, finding: Digest) -> bool {
        self.lock().found.insert(finding)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const VERSION: u32 = 1;
const MARKS_LIMIT: usize = 200_000;
const LENGTH_LIMIT: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn about(url: &str, classes: &str) -> About {
        About::new(&Site::parse(url).unwrap(), &classes.parse().unwrap(), 1)
    }

    fn some() -> State {
        let pause = Pause::new(State::new(about("http://192.0.2.7/", "sql,xss"), 0x1_abcd));
        pause.done(Mark::of(&["a", "b"]));
        pause.request_done(Mark::of(&["ab", ""]), 7);
        pause.numbered(&Spot {
            method: "GET".to_owned(),
            path: "/user/*".to_owned(),
            parameter: "query:q".to_owned(),
        });
        pause.is_new(Digest::of(b"finding"));
        pause.state()
    }

    #[test]
    fn a_state_is_written_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let about = about("http://192.0.2.7/", "xss,sql");
        assert_eq!(State::read(&path, &about).unwrap(), None);
        for _ in 0..2 {
            some().write(&path).unwrap();
        }
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
        let pause = Pause::new(State::read(&path, &about).unwrap().unwrap());
        assert!(pause.is_done(Mark::of(&["a", "b"])) && !pause.is_done(Mark::of(&["ab"])));
        assert_eq!(pause.pairs(Mark::of(&["ab", ""])), Some(7));
        assert!(!pause.is_new(Digest::of(b"finding")) && pause.is_new(Digest::of(b"other")));
        assert_eq!((pause.seed(), pause.spots().len()), (0xabcd, 1));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(State::read(&path, &about), Err(StateError::Open { .. })));
    }

    #[test]
    fn another_scans_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        some().write(&path).unwrap();
        for other in [
            about("http://192.0.2.8/", "sql,xss"),
            about("https://192.0.2.7/", "sql,xss"),
            about("http://192.0.2.7:8080/", "sql,xss"),
            about("http://192.0.2.7/", "sql"),
        ] {
            assert!(
                matches!(State::read(&path, &other), Err(StateError::Other { .. })),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        some().write(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(State::parse(&bytes).is_some());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(State::parse(&damaged), None, "{at}");
            assert_eq!(State::parse(&bytes[..at]), None, "{at}");
        }
        let text = String::from_utf8(bytes).unwrap();
        let line = text
            .lines()
            .next()
            .unwrap()
            .replace("\"version\":1", "\"version\":2");
        let later = format!("{line}\n{}\n", Digest::of(line.as_bytes()));
        assert_eq!(State::parse(later.as_bytes()), None);
    }

    #[test]
    fn the_seed_of_the_fuzz_target_is_a_state() {
        let seed = include_bytes!("../../../fuzz/corpus/web_state/stopped");
        let about = about("http://192.0.2.7/", "sql,xss");
        assert_eq!(State::parse(seed).unwrap().about, about);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, line: String) {
            let signed = format!("{line}\n{}\n", Digest::of(line.as_bytes()));
            let _ = (State::parse(&bytes), State::parse(signed.as_bytes()));
        }
    }
}
