//! The vault's end of its line to one worker.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    time::{Duration, Instant},
};

use tracing::{info, warn};
use vedette_protocol::{
    FrameError,
    credential::Login,
    vault::{LoginAnswer, LoginRequest, VaultRefusal},
};
use vedette_sys::secretmem;

use super::desk::Case;
use crate::conversation::{Conversation, FRAME_LIMIT, Waited};

/// A worker asks within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(600);

/// Answers a worker, until it hangs up.
///
/// # Errors
/// When it says what cannot be read.
pub fn serve(case: Case, worker: UnixStream) -> Result<(), FrameError> {
    let mut line = Conversation::new(worker);
    let mut given = false;
    let end = Instant::now() + PATIENCE;
    loop {
        if line.wait(Some(end.saturating_duration_since(Instant::now())))? == Waited::Over {
            return Ok(());
        }
        let request: LoginRequest = line.receive(FRAME_LIMIT)?;
        let opened = match request {
            LoginRequest::Place => {
                line.send(&case.place(), FRAME_LIMIT)?;
                continue;
            }
            LoginRequest::Open { .. } if given => Err(VaultRefusal::Given),
            LoginRequest::Open { target, port, shown } => case.open(target, port, shown),
        };
        match opened.and_then(|login| hand_over(&login)) {
            Ok((memory, length)) => {
                given = true;
                info!(job = %case.job.id, target = %case.target, "credential opened");
                let answer = LoginAnswer::Secret(length);
                line.send_with_descriptor(&answer, memory.as_fd(), FRAME_LIMIT)?;
            }
            Err(refusal) => {
                warn!(job = %case.job.id, target = %case.target, %refusal, "credential refused");
                line.send(&LoginAnswer::Refused(refusal), FRAME_LIMIT)?;
            }
        }
    }
}

fn hand_over(login: &Login) -> Result<(std::os::fd::OwnedFd, u32), VaultRefusal> {
    if !login.kind().shows_secret() {
        return Err(VaultRefusal::KeyStays);
    }
    let content = login.to_sealed_form();
    let memory = secretmem::create(&content).map_err(|_| VaultRefusal::Memory)?;
    let length = u32::try_from(content.len()).map_err(|_| VaultRefusal::Memory)?;
    Ok((memory, length))
}
