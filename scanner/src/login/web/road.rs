//! The way to the one web server that is logged in to: every connection is to the host that is known by its key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;
use vedette_protocol::{Digest, credential::Trust, finding::LoginOutcome, target::HostName, vault::Shown};

use crate::{
    login::{
        PATIENCE,
        tls::{self, Pin},
    },
    probe::Wrap,
    reply::HEARD_LIMIT,
    web::{
        http::{
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
}

/// By what the host is known.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// By nothing.
    Clear,
    /// By its key; before the first connection there may be none demanded.
    Tls(Option<Digest>),
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
        let way = match trust {
            Trust::TlsSpki(demanded) => Way::Tls(Some(demanded)),
            Trust::FirstSeen => Way::Tls(None),
            Trust::Cleartext => Way::Clear,
            Trust::SshHostKey(_) => return Err(LoginOutcome::WrongHostKey),
        };
        Ok(Self {
            wire,
            endpoint,
            name,
            way,
            connection: None,
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
        self.connection = None;
        let opened = timeout(PATIENCE, self.wire.open(self.endpoint, &Wrap::Plain)).await;
        let Ok(Ok(Line::Plain(stream))) = opened else {
            return Err(LoginOutcome::NoAnswer);
        };
        let Way::Tls(demanded) = self.way else {
            self.connection = Some(Line::Plain(stream));
            return Ok(Shown::Nothing);
        };
        let pin = Arc::new(Pin::new(demanded));
        let config = tls::config(pin.clone()).map_err(|_| LoginOutcome::NoAnswer)?;
        let connector = TlsConnector::from(Arc::new(config));
        match timeout(PATIENCE, connector.connect(self.server_name(), stream)).await {
            Ok(Ok(stream)) => self.connection = Some(Line::Tls(Box::new(stream))),
            Ok(Err(_)) if pin.met_another() => return Err(LoginOutcome::WrongHostKey),
            Ok(Err(_)) | Err(_) => return Err(LoginOutcome::NoAnswer),
        }
        let shown = pin.shown().ok_or(LoginOutcome::NoAnswer)?;
        self.way = Way::Tls(Some(shown));
        Ok(Shown::TlsSpki(shown))
    }

    fn server_name(&self) -> ServerName<'static> {
        let name = self
            .name
            .as_ref()
            .and_then(|name| ServerName::try_from(name.as_str().to_owned()).ok());
        name.unwrap_or_else(|| ServerName::IpAddress(self.endpoint.ip().into()))
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

const BODY_LIMIT: usize = 512 * 1024;
const PART: usize = 16 * 1024;
