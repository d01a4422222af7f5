//! The status file: one record, replaced by rename, so that nobody reads half of it.

use std::{
    fs, io,
    net::IpAddr,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use tracing::{info, warn};
use vedette_protocol::status::{State, Status};

/// Where the status is shown.
#[derive(Debug)]
pub struct Board {
    path: PathBuf,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    fingerprint: Option<String>,
    owner: Option<String>,
    address: Option<IpAddr>,
    copy_trouble: Option<String>,
    status: Option<Status>,
}

impl Board {
    /// Shows it in a file.
    pub fn at(path: PathBuf) -> Self {
        Self {
            path,
            shown: Mutex::default(),
        }
    }

    /// From now on the status names this key.
    pub fn fingerprint(&self, fingerprint: &str) {
        self.shown().fingerprint = Some(fingerprint.to_owned());
    }

    /// From now on the status names this owner key, or says that there is none.
    pub fn owner(&self, owner: Option<&str>) {
        self.shown().owner = owner.map(str::to_owned);
    }

    /// From now on the status names this address.
    pub fn address(&self, address: Option<IpAddr>) {
        self.shown().address = address;
    }

    /// From now on, while it serves, the status says why the operator's copy is not sent, or nothing of it.
    pub fn copy_trouble(&self, trouble: Option<&str>) {
        let mut shown = self.shown();
        let trouble = trouble.map(str::to_owned);
        if shown.copy_trouble == trouble {
            return;
        }
        shown.copy_trouble = trouble;
        let serves = shown
            .status
            .as_ref()
            .is_some_and(|status| status.state == State::Serving);
        drop(shown);
        if serves {
            self.show(State::Serving);
        }
    }

    /// Shows that the boot stands here and goes on.
    pub fn show(&self, state: State) {
        let trouble = match state {
            State::Serving => self.shown().copy_trouble.clone(),
            _ => None,
        };
        self.put(match trouble {
            Some(trouble) => Status::new(state).because(&trouble),
            None => Status::new(state),
        });
    }

    /// Shows why it does not go on.
    pub fn show_reason(&self, state: State, reason: &str) {
        self.put(Status::new(state).because(reason));
    }

    /// Shows the code to type into the account.
    pub fn show_code(&self, code: &str) {
        self.put(Status::new(State::Activating).code(code));
    }

    fn put(&self, status: Status) {
        let mut shown = self.shown();
        let mut status = status.at(shown.address);
        if let Some(owner) = &shown.owner {
            status = status.owner(owner);
        }
        if let Some(fingerprint) = &shown.fingerprint {
            status = status.fingerprint(fingerprint);
        }
        if shown.status.as_ref() == Some(&status) {
            return;
        }
        info!("{status}");
        // A status that cannot be shown stops nothing: the journal has it.
        match self.replace(&status) {
            Ok(()) => shown.status = Some(status),
            Err(error) => warn!(path = %self.path.display(), %error, "writing the status"),
        }
    }

    fn replace(&self, status: &Status) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        fs::write(&fresh, status.to_json())?;
        make_readable(&fresh)?;
        fs::rename(&fresh, &self.path)
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The console is another user, and the unit's umask hides new files from others.
fn make_readable(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_last_status() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("status");
        let board = Board::at(path.clone());
        board.fingerprint("abcd");
        board.show(State::Sealed);
        board.address("192.0.2.7".parse().ok());
        board.show_reason(State::Online, "no answer");
        let status = Status::from_json(&fs::read(path).unwrap()).unwrap();
        assert_eq!(
            status.to_string(),
            "vedette state=online reason=no_answer address=192.0.2.7 code=- fingerprint=abcd owner=-"
        );
    }
}
