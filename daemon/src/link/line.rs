//! The line to the platform: one HTTP/1.1 connection over TLS 1.3, under ALPN `vedette/1`, kept while it
//! is good.
//!
//! There is one road: the pinned roots, the leased resolvers, the addresses that the keeper's filter was
//! told. Every step has a deadline, every answer a bound.

use std::{io, net::IpAddr, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{
    client::ResolvesClientCert,
    pki_types::{InvalidDnsNameError, ServerName},
    time_provider::DefaultTimeProvider,
};
use tokio::{
    net::TcpStream,
    time::{error::Elapsed, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_crypto::roots::Dates;
use vedette_protocol::{image::PlatformPins, link::ALPN};

use super::{
    House,
    keeper::AskError,
    names::{Names, ResolveError},
    refusal::TlsRefusal,
};
use crate::keeper::course::BODY_LIMIT;

/// How long the network and TLS may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TLS_LIMIT: Duration = Duration::from_secs(10);

/// The line.
pub struct Line {
    house: Arc<House>,
    dates: Dates,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    open: Option<SendRequest<Full<Bytes>>>,
}

/// The platform could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    #[error("reading the network's state")]
    Network(#[source] io::Error),
    #[error("looking for the platform")]
    Resolve(#[from] ResolveError),
    #[error("opening the packet filter for the platform")]
    Filter(#[source] AskError),
    #[error("the platform cannot be reached at {address}")]
    Connect { address: IpAddr, source: io::Error },
    #[error("the platform has no address")]
    NoAddress,
    #[error("the platform did not answer in time ({0})")]
    Slow(&'static str),
    #[error(transparent)]
    Tls(TlsRefusal),
    #[error("the connection to the platform broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the platform answered with HTTP status {0}")]
    Status(StatusCode),
    #[error("the platform's answer is longer than {BODY_LIMIT} bytes")]
    TooLong,
    #[error("the platform's URL names no host that TLS can check")]
    Name(#[source] InvalidDnsNameError),
}

impl Line {
    /// A line that shows no certificate, for the first exchanges.
    pub fn anonymous(house: Arc<House>, dates: Dates) -> Self {
        Self {
            house,
            dates,
            identity: None,
            open: None,
        }
    }

    /// A line that shows the appliance's certificate.
    pub fn identified(house: Arc<House>, identity: Arc<dyn ResolvesClientCert>) -> Self {
        Self {
            house,
            dates: Dates::Clock,
            identity: Some(identity),
            open: None,
        }
    }

    /// Connects, unless it is connected.
    pub async fn connect(&mut self) -> Result<(), LineError> {
        if let Some(open) = &mut self.open
            && open.ready().await.is_ok()
        {
            return Ok(());
        }
        self.open = None;
        self.open = Some(self.dial().await?);
        Ok(())
    }

    /// Posts a body, and reads the answer's.
    pub async fn post(&mut self, path: &str, body: Vec<u8>, limit: Duration) -> Result<Vec<u8>, LineError> {
        self.connect().await?;
        // Taken out: after an error or a deadline the connection is not used again.
        let Some(mut open) = self.open.take() else {
            return Err(LineError::NoAddress);
        };
        let request = Request::post(format!("/link/v1/{path}"))
            .header(HOST, self.house.config.platform.url.authority())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| LineError::Broken(error.into()))?;
        let answer = timeout(limit, answer_to(&mut open, request))
            .await
            .map_err(|_: Elapsed| LineError::Slow("answer"))??;
        self.open = Some(open);
        Ok(answer)
    }

    async fn dial(&self) -> Result<SendRequest<Full<Bytes>>, LineError> {
        let url = &self.house.config.platform.url;
        let socket = self.reach(url.host(), url.port()).await?;
        // Requests are small, and each waits for its answer.
        socket.set_nodelay(true).map_err(broken)?;
        let pins = &self.house.config.platform;
        let stream = secure(pins, self.dates, self.identity.clone(), socket).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // Ends with the sender; its error is the sender's too.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Has the filter opened for what the platform's name stands for now, and connects.
    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, LineError> {
        let leased = self.house.network.leased().map_err(LineError::Network)?;
        let keeper = &self.house.keeper;
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => {
                // The platform's addresses of before stay out of every scope until there are new ones.
                let before = self.house.platform_addresses();
                keeper
                    .reach(leased.resolvers.clone(), before)
                    .map_err(LineError::Filter)?;
                Names::by(&leased.resolvers)?.addresses(host).await?
            }
        };
        keeper
            .reach(leased.resolvers, self.house.remember_platform(&addresses))
            .map_err(LineError::Filter)?;
        let mut failed = LineError::NoAddress;
        for address in addresses {
            match timeout(CONNECT_LIMIT, TcpStream::connect((address, port))).await {
                Ok(Ok(socket)) => {
                    let own = socket.local_addr().map(|address| address.ip());
                    self.house.board.address(own.ok());
                    return Ok(socket);
                }
                Ok(Err(source)) => failed = LineError::Connect { address, source },
                Err(Elapsed { .. }) => {
                    let source = io::ErrorKind::TimedOut.into();
                    failed = LineError::Connect { address, source };
                }
            }
        }
        Err(failed)
    }
}

/// Speaks TLS with what answers: afterwards it is the platform, by the pinned roots, or an error.
///
/// # Errors
/// When it is not, or does not speak our protocol.
pub async fn secure(
    pins: &PlatformPins,
    dates: Dates,
    identity: Option<Arc<dyn ResolvesClientCert>>,
    socket: TcpStream,
) -> Result<TlsStream<TcpStream>, LineError> {
    let config = pins
        .roots
        .client_config(Arc::new(DefaultTimeProvider), dates, ALPN, identity)
        .map_err(broken)?;
    let name = ServerName::try_from(pins.url.host().to_owned()).map_err(LineError::Name)?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, socket);
    let stream = timeout(TLS_LIMIT, handshake)
        .await
        .map_err(|_: Elapsed| LineError::Slow("TLS"))?
        .map_err(broken)?;
    if stream.get_ref().1.alpn_protocol() == Some(ALPN) {
        Ok(stream)
    } else {
        Err(LineError::Tls(TlsRefusal::OtherProtocol))
    }
}

async fn answer_to(
    open: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Vec<u8>, LineError> {
    let answer = open.send_request(request).await.map_err(broken)?;
    if answer.status() != StatusCode::OK {
        return Err(LineError::Status(answer.status()));
    }
    match Limited::new(answer.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(LineError::TooLong),
        Err(error) => Err(LineError::Broken(error)),
    }
}

/// A failure on the line; if TLS is behind it, in its words.
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> LineError {
    match TlsRefusal::within(&error) {
        Some(refusal) => LineError::Tls(refusal),
        None => LineError::Broken(error.into()),
    }
}
