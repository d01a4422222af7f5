//! Logging in to a database: PostgreSQL, MySQL or MariaDB. The host is met first: over TLS, it shows the key by which the
//! operator knows it before the vault is asked, and no password is named before that.
//!
//! What is said is decided in [`postgres`] and [`mysql`] (pure). A client library would be welcome, but none holds: the
//! one for MySQL takes neither a connection nor a judge of certificates, the one for PostgreSQL has a server name how
//! many rounds of hashing it wants and makes them all, past every deadline.
//!
//! The password can be read by this process alone, from the vault's answer until it has been sent or hashed, a moment
//! later. Every copy in the heap is wiped when it is dropped, here or by the allocator; what rustls encrypts it from and
//! what ring hashes it in (some hundred bytes of the stack) is not, and goes with the process, which ends with its job.

mod mysql;
mod postgres;
mod scram;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ring::rand::{SystemRandom, generate};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use vedette_protocol::{Scope, credential::Login, finding::LoginOutcome, target::HostName, vault::Shown};
use zeroize::Zeroizing;

use self::{
    mysql::{Greeting, Mysql, Privacy},
    postgres::Postgres,
};
use super::{
    LoginError, PATIENCE, Visit, name_of, not_opened,
    tls::{self, Pin, Way},
    vault::{Line, LineError, Opened, Place},
};
use crate::{
    probe::Wrap,
    service::{self, Identity},
    wire::{self, Wire},
};

pub use self::{mysql::hear_alone as hear_mysql, postgres::hear_alone as hear_postgres};

/// What is said, wiped when it was.
type Words = Zeroizing<Vec<u8>>;

/// One side of a protocol: what to say to what is heard, until it is plain whether we are in. Pure.
trait Language {
    /// How long the head of a message is.
    const HEAD: usize;
    /// What is said by whoever leaves.
    const FAREWELL: &'static [u8];

    /// How long the rest of a message is, by its head.
    fn length(head: &[u8]) -> Option<usize>;

    /// The first word.
    fn begin(&mut self) -> Words;

    /// What comes of a message.
    fn hear(&mut self, head: &[u8], body: &[u8]) -> Step;
}

/// What comes of a message.
#[derive(Debug)]
enum Step {
    /// Nothing yet.
    Listen,
    /// This is said.
    Say(Words),
    /// We are in, and this is what lets us.
    In(Identity),
    /// We are not.
    Out(LoginOutcome),
}

#[cfg(test)]
impl Step {
    /// What is said.
    fn said(self) -> Vec<u8> {
        match self {
            Self::Say(words) => words.to_vec(),
            step => panic!("{step:?}"),
        }
    }

    /// Why we are out.
    fn out(self) -> LoginOutcome {
        match self {
            Self::Out(outcome) => outcome,
            step => panic!("{step:?}"),
        }
    }
}

/// Connects, has the vault judge the host's key, and logs in once.
pub(super) async fn visit(scope: &Scope, place: &Place, line: &mut Line) -> Result<Visit, LoginError> {
    let wire = Wire::new(scope.clone().into());
    let met = match meet(&wire, place, name_of(scope, place.endpoint.ip())).await {
        Ok(met) => met,
        Err(outcome) => return Ok(Visit::Out(outcome)),
    };
    let login = match line.open(place, met.shown).await? {
        Ok(Opened::Secret(login)) => login,
        Ok(Opened::SshKey { .. } | Opened::Certificate(_)) => return Err(LineError::Unexpected.into()),
        Err(refusal) => return Ok(Visit::Out(not_opened(refusal))),
    };
    Ok(match timeout(PATIENCE, log_in(met, login)).await {
        Ok(Ok(identity)) => Visit::Database(identity),
        Ok(Err(outcome)) => Visit::Out(outcome),
        Err(_) => Visit::Out(LoginOutcome::NoAnswer),
    })
}

/// A server that has shown what it has to show.
struct Met {
    connection: wire::Line,
    shown: Shown,
    speaks: Speaks,
}

enum Speaks {
    Postgres,
    Mysql(Greeting),
}

async fn meet(wire: &Wire, place: &Place, name: Option<HostName>) -> Result<Met, LoginOutcome> {
    let way = Way::of(place.trust)?;
    let mut stream = connected(wire, place.endpoint).await?;
    let speaks = recognised(&mut stream, place.endpoint.port()).await?;
    let Way::Tls(demanded) = way else {
        return Ok(Met {
            connection: wire::Line::Plain(stream),
            shown: Shown::Nothing,
            speaks,
        });
    };
    let asked = timeout(PATIENCE, ask_for_tls(&mut stream, &speaks)).await;
    asked.unwrap_or(Err(LoginOutcome::NoAnswer))?;
    let pin = Arc::new(Pin::new(demanded));
    let shaken = tls::shake(&pin, tls::server_name(name.as_ref(), place.endpoint.ip()), stream).await;
    let shown = pin.judged()?;
    Ok(Met {
        connection: wire::Line::Tls(Box::new(shaken.ok_or(LoginOutcome::NoAnswer)?)),
        shown: Shown::TlsSpki(shown),
        speaks,
    })
}

async fn connected(wire: &Wire, endpoint: SocketAddr) -> Result<TcpStream, LoginOutcome> {
    match timeout(PATIENCE, wire.open(endpoint, &Wrap::Plain)).await {
        Ok(Ok(wire::Line::Plain(stream))) => Ok(stream),
        Ok(Ok(wire::Line::Tls(_)) | Err(_)) | Err(_) => Err(LoginOutcome::NoAnswer),
    }
}

/// MySQL greets; PostgreSQL waits to be spoken to, and where it is at home it is not kept waiting.
async fn recognised(stream: &mut TcpStream, port: u16) -> Result<Speaks, LoginOutcome> {
    if service::postgres::SERVICE.ports.contains(&port) {
        return Ok(Speaks::Postgres);
    }
    match timeout(GREETING, message::<Mysql>(stream)).await {
        Ok(Some((_, body))) => Greeting::read(&body).map(Speaks::Mysql),
        Ok(None) => Err(LoginOutcome::NoAnswer),
        Err(_) => Ok(Speaks::Postgres),
    }
}

/// Nothing is read beyond what answers this: somebody in between may have put more behind it.
async fn ask_for_tls(stream: &mut TcpStream, speaks: &Speaks) -> Result<(), LoginOutcome> {
    let lost = |_| LoginOutcome::NoAnswer;
    match speaks {
        Speaks::Postgres => {
            stream.write_all(postgres::TLS_REQUEST).await.map_err(lost)?;
            match stream.read_u8().await.map_err(lost)? {
                b'S' => Ok(()),
                b'N' => Err(LoginOutcome::MethodNotOffered),
                _ => Err(LoginOutcome::NoAnswer),
            }
        }
        Speaks::Mysql(greeting) if greeting.offers_tls() => {
            stream.write_all(&mysql::tls_request()).await.map_err(lost)
        }
        Speaks::Mysql(_) => Err(LoginOutcome::MethodNotOffered),
    }
}

async fn log_in(mut met: Met, login: Login) -> Result<Identity, LoginOutcome> {
    let Login::Database { user, password } = login else {
        return Err(LoginOutcome::MethodNotOffered);
    };
    // Both protocols end a name there: what stands behind it would be read as something else.
    if user.contains('\0') {
        return Err(LoginOutcome::MethodNotOffered);
    }
    let privacy = match &met.connection {
        wire::Line::Plain(_) => Privacy::InClear,
        wire::Line::Tls(_) => Privacy::Encrypted,
    };
    match met.speaks {
        Speaks::Postgres => {
            let nonce = generate(&SystemRandom::new()).map_err(|_| LoginOutcome::NotOpened)?;
            let mut language = Postgres::new(user, password, nonce.expose());
            speak(&mut met.connection, &mut language).await
        }
        Speaks::Mysql(greeting) => {
            let mut language = Mysql::new(greeting, user, password, privacy);
            speak(&mut met.connection, &mut language).await
        }
    }
}

async fn speak(connection: &mut wire::Line, language: &mut impl Language) -> Result<Identity, LoginOutcome> {
    let come = match connection {
        wire::Line::Plain(stream) => converse(stream, language).await,
        wire::Line::Tls(stream) => converse(&mut **stream, language).await,
    };
    come.unwrap_or(Err(LoginOutcome::NoAnswer))
}

/// Speaks until it is plain what came of it; none if the server hangs up or goes on without an end.
async fn converse<L: Language>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    language: &mut L,
) -> Option<Result<Identity, LoginOutcome>> {
    say(stream, &language.begin()).await?;
    for _ in 0..MESSAGES {
        let (head, body) = message::<L>(stream).await?;
        match language.hear(&head, &body) {
            Step::Listen => {}
            Step::Say(words) => say(stream, &words).await?,
            Step::In(identity) => {
                // A courtesy: the connection ends with us.
                let _ = say(stream, L::FAREWELL).await;
                return Some(Ok(identity));
            }
            Step::Out(outcome) => return Some(Err(outcome)),
        }
    }
    None
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), words: &[u8]) -> Option<()> {
    stream.write_all(words).await.ok()?;
    stream.flush().await.ok()
}

/// One message, its head and the rest; none if there is none, or a longer one than any of these is.
async fn message<L: Language>(stream: &mut (impl AsyncRead + Unpin)) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut head = vec![0; L::HEAD];
    stream.read_exact(&mut head).await.ok()?;
    let length = L::length(&head).filter(|length| *length <= MESSAGE_LIMIT)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

/// A message, its head and the rest, and what stands behind it.
fn split<L: Language>(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(L::HEAD)?;
    let (body, rest) = rest.split_at_checked(L::length(head)?)?;
    Some((head, body, rest))
}

/// Has messages heard one after the other, as far as they are whole.
fn hear_all<L: Language>(language: &mut L, mut bytes: &[u8]) {
    drop(language.begin());
    while let Some((head, body, rest)) = split::<L>(bytes) {
        drop(language.hear(head, body));
        bytes = rest;
    }
}

/// A server's messages to somebody who logs in are a few hundred bytes long, and a few tens.
const MESSAGE_LIMIT: usize = 64 * 1024;
const MESSAGES: usize = 256;
/// A MySQL server looks up who has come before it greets.
const GREETING: Duration = Duration::from_secs(10);
