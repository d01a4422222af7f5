//! The way to the one web server that is logged in to: every connection is to the host that is known by its key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, client::Resumption};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_protocol::{Digest, credential::Trust, finding::LoginOutcome, target::HostName, vault::Shown};

use crate::{
    login::{
        PATIENCE,
        certificate::Certificate,
        not_opened,
        tls::{self, Pin, Way},
        vault::{self, LineError},
    },
    probe::Wrap,
    reply::HEARD_LIMIT,
    web::{
        http::{
            Peer,
            coding::decode,
            reader::{Progress, Reader},
        },
        response::{Response, Whole},
    },
    wire::{Line, Wire},
};

/// The way there.
#[derive(Debug)]
pub(super) struct Road {
    wire: Wire,
    endpoint: SocketAddr,
    name: Option<HostName>,
    way: Way,
    connection: Option<Line>,
    /// The key of whoever was met last, whether or not hands were shaken.
    met: Option<Digest>,
    again: Again,
    /// How TLS was opened as the owner of a certificate.
    certified: Option<Arc<ClientConfig>>,
}

/// Whether another connection can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    /// It takes a signature, of which there was one.
    No,
}

/// What came back to one request.
#[derive(Debug)]
pub(super) struct Answer {
    /// As it came.
    pub(super) heard: Vec<u8>,
    /// As it is meant.
    pub(super) response: Response,
}

impl Road {
    /// A way to an endpoint in the wire's scope.
    ///
    /// # Errors
    /// When a web server is not known in this way.
    pub(super) fn new(
        wire: Wire,
        endpoint: SocketAddr,
        name: Option<HostName>,
        trust: Trust,
    ) -> Result<Self, LoginOutcome> {
        Ok(Self {
            wire,
            endpoint,
            name,
            way: Way::of(trust)?,
            connection: None,
            met: None,
            again: Again::Yes,
            certified: None,
        })
    }

    /// Whether it leads through TLS.
    pub(super) fn is_in_tls(&self) -> bool {
        matches!(self.way, Way::Tls(_))
    }

    /// Connects anew. What the host showed is demanded of every later connection.
    ///
    /// # Errors
    /// When nobody is there, or somebody else.
    pub(super) async fn open(&mut self) -> Result<Shown, LoginOutcome> {
        if self.again == Again::No {
            return Err(LoginOutcome::NoAnswer);
        }
        let stream = self.connected().await?;
        let Way::Tls(demanded) = self.way else {
            self.connection = Some(Line::Plain(stream));
            return Ok(Shown::Nothing);
        };
        let pin = Arc::new(Pin::new(demanded));
        let shaken = tls::shake(&pin, self.server_name(), stream).await;
        self.shaken(&pin, shaken)
    }

    /// Connects as the owner of a certificate, whose key signs once: there is no other connection after this.
    ///
    /// # Errors
    /// The outer one is the line's to the vault. The inner: when the host does not want it, or is another.
    pub(super) async fn open_as(
        &mut self,
        certificate: Certificate,
        line: &mut vault::Line,
    ) -> Result<Result<(), LoginOutcome>, LineError> {
        let stream = match self.connected().await {
            Ok(stream) => stream,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let Way::Tls(demanded) = self.way else {
            return Ok(Err(LoginOutcome::MethodNotOffered));
        };
        self.again = Again::No;
        let pin = Arc::new(Pin::new(demanded));
        let Ok(mut config) = tls::config(pin.clone()) else {
            return Ok(Err(LoginOutcome::NoAnswer));
        };
        let (presented, mut wants) = certificate.presented();
        config.client_auth_cert_resolver = presented;
        // What the one signature has begun may go on over other connections (RFC 8446, section 2.2).
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        let config = Arc::new(config);
        self.certified = Some(config.clone());
        let shaking = {
            let (runtime, name) = (Handle::current(), self.server_name());
            let connector = TlsConnector::from(config);
            spawn_blocking(move || runtime.block_on(timeout(PATIENCE, connector.connect(name, stream))))
        };
        tokio::pin!(shaking);
        let mut signed = false;
        let shaken = loop {
            tokio::select! {
                shaken = &mut shaking => break shaken,
                Some(wanted) = wants.recv() => {
                    match line.sign_tls(wanted.scheme, wanted.message.clone()).await? {
                        Ok(signature) => wanted.signed(signature),
                        Err(refusal) => return Ok(Err(not_opened(refusal))),
                    }
                    signed = true;
                }
            }
        };
        let stream = shaken.ok().and_then(Result::ok).and_then(Result::ok);
        // Who hangs up on a certificate has refused it.
        let refused = stream.is_none() && signed;
        Ok(match self.shaken(&pin, stream) {
            Ok(_) if !signed => Err(LoginOutcome::MethodNotOffered),
            Ok(_) => Ok(()),
            Err(LoginOutcome::NoAnswer) if refused => Err(LoginOutcome::WrongCredential),
            Err(outcome) => Err(outcome),
        })
    }

    /// The way for others, who meet the same host: its settings, and the connection that there is.
    pub(super) fn onward(mut self) -> Option<(Peer, Option<Line>)> {
        let open = self.connection.take();
        let Way::Tls(demanded) = self.way else {
            return Some((Peer::Anybody, open));
        };
        let name = self.server_name();
        let settings = match self.certified {
            Some(settings) => settings,
            None => Arc::new(tls::config(Arc::new(Pin::new(demanded))).ok()?),
        };
        Some((Peer::Known { settings, name }, open))
    }

    /// What the host showed that was met last, even if hands were not shaken.
    pub(super) fn met(&self) -> Option<Shown> {
        self.met.map(Shown::TlsSpki)
    }

    async fn connected(&mut self) -> Result<TcpStream, LoginOutcome> {
        self.connection = None;
        let opened = timeout(PATIENCE, self.wire.open(self.endpoint, &Wrap::Plain)).await;
        let Ok(Ok(Line::Plain(stream))) = opened else {
            return Err(LoginOutcome::NoAnswer);
        };
        Ok(stream)
    }

    fn shaken(&mut self, pin: &Pin, stream: Option<TlsStream<TcpStream>>) -> Result<Shown, LoginOutcome> {
        let shown = pin.judged()?;
        self.met = Some(shown);
        self.way = Way::Tls(Some(shown));
        let stream = stream.ok_or(LoginOutcome::NoAnswer)?;
        self.connection = Some(Line::Tls(Box::new(stream)));
        Ok(Shown::TlsSpki(shown))
    }

    fn server_name(&self) -> ServerName<'static> {
        tls::server_name(self.name.as_ref(), self.endpoint.ip())
    }

    /// Sends a request over the connection that there is, and over no other.
    pub(super) async fn here(&mut self, request: &[u8]) -> Option<Answer> {
        self.say(request).await
    }

    /// Sends a request over the connection that there is, or over another if that one was closed meanwhile.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> Option<Answer> {
        if self.connection.is_some()
            && let Some(answer) = self.say(request).await
        {
            return Some(answer);
        }
        self.once(request).await
    }

    /// Sends a request over a connection of its own, and never again.
    pub(super) async fn once(&mut self, request: &[u8]) -> Option<Answer> {
        self.open().await.ok()?;
        self.say(request).await
    }

    async fn say(&mut self, request: &[u8]) -> Option<Answer> {
        let mut connection = self.connection.take()?;
        let (heard, reader, progress) = match &mut connection {
            Line::Plain(stream) => talk(stream, request).await,
            Line::Tls(stream) => talk(&mut **stream, request).await,
        }?;
        if reader.leaves_it_open() {
            self.connection = Some(connection);
        }
        let whole = match progress {
            Progress::Done => Whole::Yes,
            Progress::Full => Whole::CutAtBound,
            Progress::More => Whole::BrokenOff,
            Progress::Malformed => return None,
        };
        let (head, body) = reader.finish()?;
        let mut response = Response {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            whole,
            took: Duration::ZERO,
        };
        let codings = response.header("content-encoding").unwrap_or_default();
        (response.body, _) = decode(codings, body, BODY_LIMIT);
        Some(Answer { heard, response })
    }
}

/// Says it, and listens until the response is there, too much or too late; none if there was no answer at all.
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
) -> Option<(Vec<u8>, Reader, Progress)> {
    let deadline = Instant::now() + PATIENCE;
    let said = async {
        stream.write_all(request).await?;
        stream.flush().await
    };
    timeout_at(deadline, said).await.ok()?.ok()?;
    let (mut heard, mut reader) = (Vec::new(), Reader::new(BODY_LIMIT, false));
    let mut part = vec![0; PART];
    loop {
        let progress = match timeout_at(deadline, stream.read(&mut part)).await {
            Ok(Ok(count)) if count > 0 => {
                let room = HEARD_LIMIT.saturating_sub(heard.len());
                heard.extend_from_slice(&part[..count.min(room)]);
                reader.feed(&part[..count])
            }
            Ok(_) if reader.has_begun() => {
                let progress = reader.close();
                return Some((heard, reader, progress));
            }
            Ok(_) | Err(_) => return None,
        };
        if progress != Progress::More {
            return Some((heard, reader, progress));
        }
    }
}

/// Of TLS, that are remembered for one host.
const SESSIONS: usize = 32;
const BODY_LIMIT: usize = 512 * 1024;
const PART: usize = 16 * 1024;
