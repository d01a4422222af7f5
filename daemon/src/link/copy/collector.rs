//! A TLS connection to the owner's collector: its roots, its name, its address and no other, and a deadline on each step.
//!
//! Syslog over TLS has no answer (RFC 5425). What comes nearest is that the collector's machine has acknowledged every
//! byte and has not hung up: that is what [`Connection::send`] waits for.

use std::{future::Future, io, net::IpAddr, sync::Arc, task::Poll, time::Duration};

use rustls::{client::ResolvesClientCert, pki_types::ServerName, time_provider::DefaultTimeProvider};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vedette_protocol::{
    copy::{Collector, CollectorHost, CopyTrouble},
    keeper::REACH_LIMIT,
};
use vedette_sys::tcp;

use crate::link::{House, identity::Identity, names::Names, refusal::TlsRefusal};

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const TLS_LIMIT: Duration = Duration::from_secs(10);

/// How long a collector has to refuse who sends: with TLS 1.3 it says so when our part of the handshake is done, and
/// what came with that is lost.
const SETTLE: Duration = Duration::from_secs(2);

/// How long a line may take to be written, and to be acknowledged.
const SEND_LIMIT: Duration = Duration::from_secs(20);

/// How often it is looked whether a line was acknowledged: at first, and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// The connection.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
}

impl Connection {
    /// Has the filter opened, connects, and makes sure whose the other end is. Nothing is sent before.
    pub(super) async fn open(house: &Arc<House>, collector: &Collector) -> Result<Self, CopyTrouble> {
        let addresses = addresses(house, &collector.at.host).await?;
        house
            .keeper
            .reach_collector(addresses.clone())
            .map_err(|_| CopyTrouble::Filter)?;
        let mut reached = None;
        for address in addresses {
            let connecting = TcpStream::connect((address, collector.at.port));
            if let Ok(Ok(socket)) = timeout(CONNECT_LIMIT, connecting).await {
                reached = Some(socket);
                break;
            }
        }
        let socket = reached.ok_or(CopyTrouble::Unreachable)?;
        let shown = collector.certificate.as_ref().map(|certificate| {
            Identity::new(house.clone(), certificate.0.clone()) as Arc<dyn ResolvesClientCert>
        });
        let config = collector
            .roots
            .foreign_client_config(Arc::new(DefaultTimeProvider), shown)
            .map_err(|_| CopyTrouble::NotTls)?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(server_name(collector)?, socket);
        let mut connection = match timeout(TLS_LIMIT, handshake).await {
            Ok(Ok(stream)) => Self { stream },
            Ok(Err(error)) => return Err(trouble(&error)),
            Err(_) => return Err(CopyTrouble::NotTls),
        };
        tokio::select! {
            trouble = connection.over() => Err(trouble),
            () = sleep(SETTLE) => Ok(connection),
        }
    }

    /// Sends a frame, and waits until the collector's machine has it.
    pub(super) async fn send(&mut self, frame: &[u8]) -> Result<(), CopyTrouble> {
        let end = Instant::now() + SEND_LIMIT;
        let write = async {
            self.stream.write_all(frame).await?;
            self.stream.flush().await
        };
        match timeout(SEND_LIMIT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(trouble(&error)),
            Err(_) => return Err(CopyTrouble::Broken),
        }
        let (mut pause, longest) = LOOK;
        while self.unacknowledged()? > 0 {
            if Instant::now() >= end {
                return Err(CopyTrouble::Broken);
            }
            tokio::select! {
                trouble = self.over() => return Err(trouble),
                () = sleep(pause) => pause = (pause * 2).min(longest),
            }
        }
        // A connection that was reset has nothing to acknowledge either.
        let mut over = std::pin::pin!(self.over());
        std::future::poll_fn(|context| match over.as_mut().poll(context) {
            Poll::Ready(trouble) => Poll::Ready(Err(trouble)),
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Comes back when the collector has hung up, or says what no collector says. In TLS 1.3 that is where it refuses
    /// a certificate: when our part of the handshake is done (RFC 8446, section 4.4.2.4).
    pub(super) async fn over(&mut self) -> CopyTrouble {
        let said = self.stream.read(&mut [0]).await;
        said.err().map_or(CopyTrouble::Broken, |error| trouble(&error))
    }

    /// Says that nothing more comes (RFC 5425, section 4.4).
    pub(super) async fn close(mut self) -> Result<(), CopyTrouble> {
        self.stream.shutdown().await.map_err(|_| CopyTrouble::Broken)
    }

    fn unacknowledged(&self) -> Result<u32, CopyTrouble> {
        tcp::unacknowledged(self.stream.get_ref().0).map_err(|_| CopyTrouble::Broken)
    }
}

async fn addresses(house: &House, host: &CollectorHost) -> Result<Vec<IpAddr>, CopyTrouble> {
    let name = match host {
        CollectorHost::Address(address) => return Ok(vec![*address]),
        CollectorHost::Name(name) => name,
    };
    let leased = house.network.leased().map_err(|_| CopyTrouble::Unresolved)?;
    // The lease may have named others since the platform was looked for.
    house
        .keeper
        .reach(leased.resolvers.clone(), house.platform_addresses())
        .map_err(|_| CopyTrouble::Filter)?;
    let names = Names::by(&leased.resolvers).map_err(|_| CopyTrouble::Unresolved)?;
    let mut found = names
        .addresses(name.as_str())
        .await
        .map_err(|_| CopyTrouble::Unresolved)?;
    found.truncate(REACH_LIMIT);
    Ok(found)
}

fn server_name(collector: &Collector) -> Result<ServerName<'static>, CopyTrouble> {
    let name = match (&collector.name, &collector.at.host) {
        (Some(name), _) | (None, CollectorHost::Name(name)) => name,
        (None, CollectorHost::Address(address)) => return Ok(ServerName::IpAddress((*address).into())),
    };
    ServerName::try_from(name.as_str().to_owned()).map_err(|_| CopyTrouble::Untrusted)
}

fn trouble(error: &io::Error) -> CopyTrouble {
    match TlsRefusal::within(error) {
        Some(
            TlsRefusal::UnknownRoot
            | TlsRefusal::FalseRoot
            | TlsRefusal::Expired
            | TlsRefusal::NotYetValid
            | TlsRefusal::OtherName
            | TlsRefusal::Revoked
            | TlsRefusal::Unusable,
        ) => CopyTrouble::Untrusted,
        Some(
            TlsRefusal::NoTls13
            | TlsRefusal::OtherProtocol
            | TlsRefusal::Ended
            | TlsRefusal::NotTls
            | TlsRefusal::Ours,
        ) => CopyTrouble::NotTls,
        Some(TlsRefusal::OurCertificate) => CopyTrouble::Denied,
        None => CopyTrouble::Broken,
    }
}
