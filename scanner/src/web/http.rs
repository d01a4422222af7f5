//! The web engine's wire: one exchange of HTTP/1.1 with the site, over connections that are kept.
//!
//! Bytes go out as they are given, so that paths, methods and framing are the caller's. Nothing is followed,
//! decided or repeated here, but for a request that met a connection which had been closed meanwhile.

pub mod coding;
pub mod reader;

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use self::{
    coding::decode,
    reader::{Progress, Reader},
};
use super::{
    response::{Failure, Response, Whole},
    site::Site,
};
use crate::{
    probe::Wrap,
    reply::End,
    wire::{Line, Wire},
};

/// The road to one site.
#[derive(Debug)]
pub(crate) struct Http {
    wire: Wire,
    site: Site,
    peer: Peer,
    idle: Mutex<Vec<Line>>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Keep,
    Close,
}

/// Who is spoken to.
pub(crate) enum Peer {
    /// Whoever answers at the site's addresses.
    Anybody,
    /// Whoever these settings of TLS take, under that name.
    Known {
        settings: Arc<ClientConfig>,
        name: ServerName<'static>,
    },
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anybody => "Anybody",
            Self::Known { .. } => "Known",
        })
    }
}

impl Http {
    /// To whoever is there.
    pub(crate) fn new(wire: Wire, site: Site) -> Self {
        Self::with(wire, site, Peer::Anybody, None)
    }

    /// To this peer alone, over a connection that is open already too.
    pub(crate) fn with(wire: Wire, site: Site, peer: Peer, open: Option<Line>) -> Self {
        Self {
            wire,
            site,
            peer,
            idle: Mutex::new(open.into_iter().collect()),
        }
    }

    /// Sends bytes and reads one response, of whose body so much is kept; ends within [`LONGEST`].
    pub(crate) async fn exchange(&self, request: &[u8], kept: usize) -> Result<Response, Failure> {
        let deadline = Instant::now() + LONGEST;
        if let Some(line) = self.take() {
            match self.converse(line, request, kept, deadline, After::Keep).await {
                // They closed it while it lay idle; nothing of the request was answered.
                Err(Failure::HungUp) => {}
                ended => return ended,
            }
        }
        let line = self.open().await?;
        self.converse(line, request, kept, deadline, After::Keep).await
    }

    /// The same over a connection of its own, which is closed then: what the bytes leave on it meets no other request.
    pub(crate) async fn exchange_apart(&self, request: &[u8], kept: usize) -> Result<Response, Failure> {
        let deadline = Instant::now() + LONGEST;
        let line = self.open().await?;
        self.converse(line, request, kept, deadline, After::Close).await
    }

    fn take(&self) -> Option<Line> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn open(&self) -> Result<Line, Failure> {
        let mut failure = Failure::Unreachable;
        for endpoint in self.site.endpoints() {
            match self.open_at(endpoint).await {
                Ok(line) => return Ok(line),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    async fn open_at(&self, endpoint: SocketAddr) -> Result<Line, Failure> {
        let Peer::Known { settings, name } = &self.peer else {
            return self.wire.open(endpoint, &self.site.wrap()).await.map_err(failed);
        };
        let Line::Plain(stream) = self.wire.open(endpoint, &Wrap::Plain).await.map_err(failed)? else {
            return Err(Failure::NoTls);
        };
        let shaking = TlsConnector::from(settings.clone()).connect(name.clone(), stream);
        match timeout(LONGEST, shaking).await {
            Ok(Ok(stream)) => Ok(Line::Tls(Box::new(stream))),
            Ok(Err(_)) => Err(Failure::NoTls),
            Err(_) => Err(Failure::TooSlow),
        }
    }

    async fn converse(
        &self,
        mut line: Line,
        request: &[u8],
        kept: usize,
        deadline: Instant,
        after: After,
    ) -> Result<Response, Failure> {
        let reader = Reader::new(kept, request.starts_with(b"HEAD "));
        let (ended, reader) = match &mut line {
            Line::Plain(stream) => talk(stream, request, reader, deadline).await,
            Line::Tls(stream) => talk(&mut **stream, request, reader, deadline).await,
        };
        if after == After::Keep && reader.leaves_it_open() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_LIMIT {
                idle.push(line);
            }
        }
        let took = match ended {
            Ok((_, took)) => took,
            Err(_) => Duration::ZERO,
        };
        let (mut whole, failure) = match ended {
            Ok((Progress::Done, _)) => (Whole::Yes, Failure::HungUp),
            Ok((Progress::Full, _)) => (Whole::CutAtBound, Failure::HungUp),
            Ok((Progress::More, _)) => (Whole::BrokenOff, Failure::HungUp),
            Ok((Progress::Malformed, _)) => return Err(Failure::NotHttp),
            Err(failure) => (Whole::BrokenOff, failure),
        };
        let Some((head, body)) = reader.finish() else {
            return Err(failure);
        };
        // A page of which only the beginning came in time is late, not short.
        if failure == Failure::TooSlow {
            return Err(failure);
        }
        let mut response = Response {
            status: head.status,
            headers: head.headers,
            body: Vec::new(),
            whole,
            took,
        };
        let codings = response.header("content-encoding").unwrap_or_default();
        let (body, decoded) = decode(codings, body, kept);
        if whole == Whole::Yes {
            whole = decoded;
        }
        response.body = body;
        response.whole = whole;
        Ok(response)
    }
}

/// Says it, and listens until the response is there, too much or too late.
async fn talk(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &[u8],
    mut reader: Reader,
    deadline: Instant,
) -> (Result<(Progress, Duration), Failure>, Reader) {
    let said = async {
        stream.write_all(request).await?;
        stream.flush().await
    };
    match timeout_at(deadline, said).await {
        Ok(Ok(())) => {}
        // Who refuses a request in the middle may have answered it.
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Ok(Err(_)) => return (Err(Failure::HungUp), reader),
        Err(_) => return (Err(Failure::TooSlow), reader),
    }
    let said = Instant::now();
    let mut part = vec![0; PART];
    loop {
        let progress = match timeout_at(deadline, stream.read(&mut part)).await {
            Err(_) => return (Err(Failure::TooSlow), reader),
            Ok(Ok(0) | Err(_)) if !reader.has_begun() => return (Err(Failure::HungUp), reader),
            Ok(Ok(0) | Err(_)) => {
                let ended = reader.close();
                return (Ok((ended, said.elapsed())), reader);
            }
            Ok(Ok(count)) => reader.feed(&part[..count]),
        };
        if progress != Progress::More {
            return (Ok((progress, said.elapsed())), reader);
        }
    }
}

fn failed(end: End) -> Failure {
    match end {
        End::Refused => Failure::Refused,
        End::NoTls(_) => Failure::NoTls,
        End::NotAsked(_) => Failure::NotAsked,
        End::Unreachable | End::Quiet | End::Enough | End::Closed | End::Full => Failure::Unreachable,
    }
}

/// Of one exchange, whatever the other side does; longer than the longest delay that a test asks for.
pub(crate) const LONGEST: Duration = Duration::from_secs(15);
/// What is kept of a page, coded and decoded.
pub(crate) const BODY_LIMIT: usize = 512 * 1024;
const IDLE_LIMIT: usize = 16;
const PART: usize = 16 * 1024;
