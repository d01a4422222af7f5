//! Logging in by SSH (RFC 4252, RFC 4254), with russh.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    ChannelMsg,
    client::{self, AuthResult, Handle, Handler},
    keys::{PublicKeyBase64, PublicKeyOrCertificate},
};
use tokio::{net::TcpStream, time::timeout};
use vedette_protocol::{
    Digest,
    credential::{Login, Trust},
    finding::LoginOutcome,
    vault::{Shown, VaultRefusal},
};

use super::{
    LoginError, PATIENCE, Visit,
    inventory::{COMMANDS, Inventory},
    vault::{Line, Place},
};

/// Connects, has the vault judge the host's key, logs in, and asks.
pub(super) async fn visit(place: &Place, line: &mut Line) -> Result<Visit, LoginError> {
    let host_key = Arc::new(Mutex::new(None));
    let gate = Gate {
        trust: place.trust,
        shown: host_key.clone(),
    };
    let config = client::Config {
        inactivity_timeout: Some(PATIENCE),
        ..client::Config::default()
    };
    let connected = timeout(PATIENCE, async {
        let stream = TcpStream::connect(place.endpoint).await.ok()?;
        client::connect_stream(Arc::new(config), stream, gate).await.ok()
    });
    let connected = connected.await.ok().flatten();
    let shown = *host_key.lock().unwrap_or_else(PoisonError::into_inner);
    let (session, shown) = match (connected, shown) {
        (Some(session), Some(shown)) => (session, shown),
        (None, Some(shown)) if !is_trusted(place.trust, shown) => {
            return Ok(Visit::Out(LoginOutcome::WrongHostKey));
        }
        _ => return Ok(Visit::Out(LoginOutcome::NoAnswer)),
    };
    let login = match line.open(place, Shown::SshHostKey(shown)).await? {
        Ok(login) => login,
        Err(VaultRefusal::WrongHost) => return Ok(Visit::Out(LoginOutcome::WrongHostKey)),
        Err(_) => return Ok(Visit::Out(LoginOutcome::NotOpened)),
    };
    Ok(logged_in(session, login).await)
}

/// Judges the host's key before anything else is said.
struct Gate {
    trust: Trust,
    shown: Arc<Mutex<Option<Digest>>>,
}

impl Handler for Gate {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            // No authority is trusted to speak for a host.
            return Ok(false);
        };
        let shown = Digest::of(&key.public_key_bytes());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(is_trusted(self.trust, shown))
    }
}

/// The vault judges again before it opens anything.
fn is_trusted(trust: Trust, shown: Digest) -> bool {
    match trust {
        Trust::SshHostKey(demanded) => demanded == shown,
        Trust::FirstSeen | Trust::Cleartext => true,
        Trust::TlsSpki(_) => false,
    }
}

async fn logged_in(mut session: Handle<Gate>, login: Login) -> Visit {
    let Login::SshPassword { user, password } = &login else {
        return Visit::Out(LoginOutcome::MethodNotOffered);
    };
    // The library wants a copy of its own; the allocator wipes it, and the process ends with the job.
    let password = password.with(str::to_owned);
    let tried = timeout(PATIENCE, session.authenticate_password(user.as_str(), password)).await;
    drop(login);
    match tried {
        Ok(Ok(AuthResult::Success)) => {}
        Ok(Ok(AuthResult::Failure {
            remaining_methods, ..
        })) => {
            let offered = remaining_methods.contains(&russh::MethodKind::Password);
            return Visit::Out(if offered {
                LoginOutcome::WrongCredential
            } else {
                LoginOutcome::MethodNotOffered
            });
        }
        Ok(Err(_)) | Err(_) => return Visit::Out(LoginOutcome::NoAnswer),
    }
    let mut inventory = Inventory::default();
    for command in COMMANDS {
        if let Some(output) = output_of(&session, command.line).await {
            inventory.learn(command, &output);
        }
    }
    // Saying goodbye is a courtesy; the connection ends with the process.
    let _ = timeout(
        GOODBYE,
        session.disconnect(russh::Disconnect::ByApplication, "", ""),
    )
    .await;
    Visit::In(inventory)
}

/// What a command prints, if it ends well, in time and within the bound.
async fn output_of(session: &Handle<Gate>, command: &str) -> Option<Vec<u8>> {
    let run = async {
        let mut channel = session.channel_open_session().await.ok()?;
        channel.exec(true, command).await.ok()?;
        let (mut output, mut status) = (Vec::new(), None);
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => output.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
                _ => {}
            }
            if output.len() > OUTPUT_LIMIT {
                return None;
            }
        }
        (status == Some(0)).then_some(output)
    };
    timeout(PATIENCE, run).await.ok().flatten()
}

/// The longest list of packages is below this.
const OUTPUT_LIMIT: usize = 8 << 20;
const GOODBYE: Duration = Duration::from_secs(2);
