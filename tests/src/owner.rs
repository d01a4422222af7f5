//! An operator with an owner key: the tool `vedette`, told where the key is.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    lab::StatusLine,
    operator::Operator,
    road::{Road, Serving},
};

/// Who has the key.
#[derive(Debug)]
pub struct Owner<'a> {
    operator: &'a Operator,
    dir: PathBuf,
    passphrase: PathBuf,
}

impl<'a> Owner<'a> {
    /// Who has no key yet, but a folder for it in the lab's, and a passphrase.
    pub fn without_key(road: &'a Road) -> Result<Self> {
        let owner = Self::again(road);
        fs::write(&owner.passphrase, "a passphrase of some length\n").context("writing a passphrase")?;
        Ok(owner)
    }

    /// With a key of their own.
    pub fn new(road: &'a Road) -> Result<Self> {
        let owner = Self::without_key(road)?;
        owner.run(&["owner", "init"])?;
        Ok(owner)
    }

    /// Whose key is in the lab's folder already.
    pub fn again(road: &'a Road) -> Self {
        let dir = road.lab.dir().join("owner");
        Self {
            operator: &road.operator,
            passphrase: dir.with_extension("passphrase"),
            dir,
        }
    }

    /// The same, of an appliance that shows its fingerprint: returns once it knows its owner.
    pub fn of(road: &'a Road, serving: &mut Serving) -> Result<Self> {
        let owner = Self::new(road)?;
        let fingerprint = serving.status.fingerprint.clone();
        owner.confirm(serving, &fingerprint.context("the console shows no fingerprint")?)?;
        Ok(owner)
    }

    /// Confirms an appliance by its fingerprint, as soon as the platform knows enough: the owner that its console shows.
    pub fn confirm(&self, serving: &mut Serving, fingerprint: &str) -> Result<String> {
        let id = serving.appliance.id.to_string();
        let confirm = ["appliance", "confirm", &id, "--fingerprint", fingerprint];
        let end = Instant::now() + WHILE;
        while let Err(error) = self.run(&confirm) {
            if Instant::now() > end {
                return Err(error);
            }
            thread::sleep(Duration::from_secs(1));
        }
        let of = |line: &str| StatusLine::parse(line).and_then(|status| status.owner);
        let shown = serving
            .machine
            .wait_for_line("the owner's key on the console", WHILE, |line| {
                of(&line.text).is_some()
            })?;
        of(&shown.text).context("the line was seen to have it")
    }

    /// Runs the tool with the key, and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let (dir, passphrase) = (text(&self.dir), text(&self.passphrase));
        let access = ["--owner-dir", &dir, "--passphrase-file", &passphrase];
        self.operator.run(&[arguments, &access].concat())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

const WHILE: Duration = Duration::from_secs(120);
