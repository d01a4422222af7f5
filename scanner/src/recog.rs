//! Fingerprints in recog's XML format, as an operator brings them: one folder, one database a file.
//!
//! The format is Rapid7's (`fingerprints.xsd` of their repository). A database says which piece of a
//! service's answer its patterns are for (`matches`, as `ssh.banner`); the first pattern that matches says
//! what answered. Matching is pure and takes time in proportion to pattern and text, whatever either is:
//! patterns that would need backtracking are refused when they are loaded. Read [`database`] for the
//! format, [`pattern`] for how Ruby's regular expressions are read.

mod database;
mod fingerprint;
mod folder;
mod pattern;

pub use self::{
    database::{Database, DatabaseError, Fault},
    fingerprint::{Example, Fingerprint, Match, MatchError},
    folder::LoadError,
    pattern::PatternError,
};

/// Whether the examples that a database carries are kept: to match with it, they are not needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Examples {
    /// They can be asked for.
    Keep,
    /// They are passed over.
    Drop,
}

/// All databases of a folder.
#[derive(Debug, Default)]
pub struct Recog {
    databases: Vec<Database>,
}

impl Recog {
    /// These databases; those that are preferred most come first, those of equal rank in this order.
    pub fn of(databases: impl IntoIterator<Item = Database>) -> Self {
        let mut databases: Vec<Database> = databases.into_iter().collect();
        databases.sort_by(|one, other| other.preference().total_cmp(&one.preference()));
        Self { databases }
    }

    /// The databases, those of the highest preference first.
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// What the databases for this piece of an answer say of it: the first match of the one that is
    /// preferred most.
    pub fn recognise(&self, matches: &str, text: &[u8]) -> Option<Match> {
        self.databases
            .iter()
            .filter(|database| database.matches() == matches)
            .find_map(|database| database.recognise(text))
    }
}
