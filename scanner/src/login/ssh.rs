//! Logging in by SSH (RFC 4252, RFC 4254), with russh.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use russh::{
    ChannelMsg, MethodKind, Signer,
    client::{self, AuthResult, Handle, Handler},
    keys::{HashAlg, PublicKey, PublicKeyBase64, PublicKeyOrCertificate, agent::AgentIdentity},
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
    not_opened,
    vault::{Line, LineError, Opened, Place},
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
    let opened = match line.open(place, Shown::SshHostKey(shown)).await? {
        Ok(opened) => opened,
        Err(refusal) => return Ok(Visit::Out(not_opened(refusal))),
    };
    let mut session = session;
    let outcome = match opened {
        Opened::Secret(login) => with_password(&mut session, login).await,
        Opened::SshKey { user, public } => with_key(&mut session, user, &public, line).await?,
        Opened::Certificate(_) => return Err(LineError::Unexpected.into()),
    };
    Ok(match outcome {
        LoginOutcome::Accepted => Visit::Host(taken(session).await),
        outcome => Visit::Out(outcome),
    })
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

async fn with_password(session: &mut Handle<Gate>, login: Login) -> LoginOutcome {
    let Login::SshPassword { user, password } = &login else {
        return LoginOutcome::MethodNotOffered;
    };
    // The library wants a copy of its own; the allocator wipes it, and the process ends with the job.
    let password = password.with(str::to_owned);
    let tried = timeout(PATIENCE, session.authenticate_password(user.as_str(), password)).await;
    tried
        .ok()
        .and_then(Result::ok)
        .map_or(LoginOutcome::NoAnswer, |result| {
            judged(&result, MethodKind::Password)
        })
}

/// The private key stays in the vault: the host is asked whether it would do, and if so the vault signs.
async fn with_key(
    session: &mut Handle<Gate>,
    user: String,
    public: &[u8],
    line: &mut Line,
) -> Result<LoginOutcome, LoginError> {
    let Ok(key) = PublicKey::from_bytes(public) else {
        return Err(LineError::Unexpected.into());
    };
    let hash = if key.algorithm().is_rsa() {
        match timeout(PATIENCE, session.best_supported_rsa_hash()).await {
            Ok(Ok(Some(Some(hash)))) => Some(hash),
            // A host that does not say so may still know the better one.
            Ok(Ok(None)) => Some(HashAlg::Sha512),
            // SHA-1 is signed for nobody.
            Ok(Ok(Some(None))) => return Ok(LoginOutcome::MethodNotOffered),
            Ok(Err(_)) | Err(_) => return Ok(LoginOutcome::NoAnswer),
        }
    } else {
        None
    };
    let mut signer = VaultSigner { line };
    let tried = session.authenticate_publickey_with(user, key, hash, &mut signer);
    match timeout(PATIENCE, tried).await {
        Ok(Ok(result)) => Ok(judged(&result, MethodKind::PublicKey)),
        Ok(Err(SignError::Line(error))) => Err(error.into()),
        Ok(Err(SignError::Refused(refusal))) => Ok(not_opened(refusal)),
        Ok(Err(SignError::Session(_))) | Err(_) => Ok(LoginOutcome::NoAnswer),
    }
}

/// Has the vault sign.
struct VaultSigner<'a> {
    line: &'a mut Line,
}

/// There is no signature.
enum SignError {
    Line(LineError),
    Refused(VaultRefusal),
    Session(russh::SendError),
}

impl From<russh::SendError> for SignError {
    fn from(error: russh::SendError) -> Self {
        Self::Session(error)
    }
}

impl Signer for VaultSigner<'_> {
    type Error = SignError;

    /// The library wants what was signed with the signature behind it.
    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut signed: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let answer = self
            .line
            .sign_ssh(signed.clone())
            .await
            .map_err(SignError::Line)?;
        let signature = answer.map_err(SignError::Refused)?;
        let length = u32::try_from(signature.len()).map_err(|_| SignError::Line(LineError::Unexpected))?;
        signed.extend_from_slice(&length.to_be_bytes());
        signed.extend_from_slice(&signature);
        Ok(signed)
    }
}

/// What the host's answer to one try by this method means.
fn judged(result: &AuthResult, method: MethodKind) -> LoginOutcome {
    match result {
        AuthResult::Success => LoginOutcome::Accepted,
        // It wants a second proof, which there is none of.
        AuthResult::Failure {
            partial_success: true,
            ..
        } => LoginOutcome::MethodNotOffered,
        AuthResult::Failure {
            remaining_methods, ..
        } if remaining_methods.contains(&method) => LoginOutcome::WrongCredential,
        AuthResult::Failure { .. } => LoginOutcome::MethodNotOffered,
    }
}

/// Asks everything.
async fn taken(session: Handle<Gate>) -> Inventory {
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
    inventory
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
