//! The vault's end of its line to one worker.

use std::{
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use tracing::{info, warn};
use vedette_protocol::{
    FrameError, Timestamp,
    credential::Login,
    vault::{LoginAnswer, LoginRequest, VaultRefusal},
};
use vedette_sys::secretmem;

use super::{agent::Agent, desk::Case, ledger::Ledger};
use crate::conversation::{Conversation, FRAME_LIMIT, Waited};

/// A worker asks within this, or not at all.
const PATIENCE: Duration = Duration::from_secs(600);

/// A key that was opened for a worker is held for it so long.
const HOLDING: Duration = Duration::from_secs(60);

/// What became of the credential. Each is followed by the next, and by no other.
enum Drawer {
    Closed,
    /// The worker may have one signature.
    Holding(Agent),
    Empty,
}

impl Drawer {
    /// The key, which is there once.
    fn taken(&mut self) -> Result<Agent, VaultRefusal> {
        match std::mem::replace(self, Self::Empty) {
            Self::Holding(agent) => Ok(agent),
            Self::Empty => Err(VaultRefusal::Given),
            Self::Closed => {
                *self = Self::Closed;
                Err(VaultRefusal::Order)
            }
        }
    }
}

/// What is said to a worker.
struct Said {
    answer: LoginAnswer,
    memory: Option<OwnedFd>,
}

impl From<LoginAnswer> for Said {
    fn from(answer: LoginAnswer) -> Self {
        Self { answer, memory: None }
    }
}

/// Answers a worker, until it hangs up.
///
/// # Errors
/// When it says what cannot be read.
pub fn serve(case: Case, ledger: &Ledger, worker: UnixStream) -> Result<(), FrameError> {
    let mut line = Conversation::new(worker);
    let mut drawer = Drawer::Closed;
    let mut end = Instant::now() + PATIENCE;
    loop {
        if line.wait(Some(end.saturating_duration_since(Instant::now())))? == Waited::Over {
            return Ok(());
        }
        let request: LoginRequest = line.receive(FRAME_LIMIT)?;
        let was_closed = matches!(drawer, Drawer::Closed);
        let said = answer(&case, ledger, &mut drawer, request).unwrap_or_else(|refusal| {
            warn!(job = %case.job.id, target = %case.target, %refusal, "credential refused");
            LoginAnswer::Refused(refusal).into()
        });
        if was_closed && matches!(drawer, Drawer::Holding(_)) {
            end = Instant::now() + HOLDING;
        }
        match said.memory {
            Some(memory) => line.send_with_descriptor(&said.answer, memory.as_fd(), FRAME_LIMIT)?,
            None => line.send(&said.answer, FRAME_LIMIT)?,
        }
    }
}

fn answer(
    case: &Case,
    ledger: &Ledger,
    drawer: &mut Drawer,
    request: LoginRequest,
) -> Result<Said, VaultRefusal> {
    match request {
        LoginRequest::Place => Ok(case.place().into()),
        LoginRequest::Open { target, port, shown } => {
            let Drawer::Closed = drawer else {
                return Err(VaultRefusal::Given);
            };
            let login = case.open(target, port, shown)?;
            // It was opened, whatever comes of it: nobody has a passphrase tried again and again.
            *drawer = Drawer::Empty;
            ledger.enter(case.opening(Timestamp::now()))?;
            let (said, next) = hand_over(login)?;
            info!(job = %case.job.id, target = %case.target, "credential opened");
            *drawer = next;
            Ok(said)
        }
        LoginRequest::SignSsh(bytes) => signed(case, drawer.taken()?.sign_ssh(&bytes)),
        LoginRequest::SignTls { scheme, message } => signed(case, drawer.taken()?.sign_tls(scheme, &message)),
    }
}

fn signed(case: &Case, signature: Result<Vec<u8>, VaultRefusal>) -> Result<Said, VaultRefusal> {
    let signature = signature?;
    info!(job = %case.job.id, target = %case.target, "login signed");
    Ok(LoginAnswer::Signature(signature).into())
}

/// A secret goes to the worker, a private key stays here.
fn hand_over(login: Login) -> Result<(Said, Drawer), VaultRefusal> {
    match login {
        Login::SshKey {
            user,
            key,
            passphrase,
        } => {
            let agent = Agent::ssh(user, &key, passphrase.as_ref())?;
            Ok((agent.public().into(), Drawer::Holding(agent)))
        }
        Login::ClientCertificate { certificate, key } => {
            let agent = Agent::tls(&certificate, &key)?;
            Ok((agent.public().into(), Drawer::Holding(agent)))
        }
        Login::SshPassword { .. }
        | Login::HttpBasic { .. }
        | Login::Bearer { .. }
        | Login::Form { .. }
        | Login::Cookie { .. }
        | Login::SnmpCommunity { .. }
        | Login::Database { .. } => {
            let content = login.to_sealed_form();
            let memory = secretmem::create(&content).map_err(|_| VaultRefusal::Memory)?;
            let length = u32::try_from(content.len()).map_err(|_| VaultRefusal::Memory)?;
            let said = Said {
                answer: LoginAnswer::Secret(length),
                memory: Some(memory),
            };
            Ok((said, Drawer::Empty))
        }
    }
}
