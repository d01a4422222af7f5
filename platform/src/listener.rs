//! One port, TLS 1.3, two kinds of guests: appliances by their ALPN, everybody else.
//!
//! Each connection is bounded in what it may take before it has said anything: a number of connections,
//! a time for the handshake, a time for a request's head.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tower_service::Service;
use vedette_protocol::link;

use crate::{link::Peer, tls::Tls};

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct From(pub SocketAddr);

/// The two sides of the house.
#[derive(Clone)]
pub struct House {
    /// How TLS is spoken.
    pub tls: Tls,
    /// What appliances may ask.
    pub link: Router,
    /// What people and their tools may ask.
    pub web: Router,
}

/// Serves until `stopping`; then lets what goes on come to its end, for a while.
pub async fn listen(listener: TcpListener, house: House, mut stopping: watch::Receiver<bool>) {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_LIMIT));
    let house = Arc::new(house);
    let mut guests = JoinSet::new();
    loop {
        // A seat first: who cannot sit waits in the kernel's queue.
        let arrival = async {
            let seat = seats.clone().acquire_owned().await;
            (seat, listener.accept().await)
        };
        tokio::select! {
            (seat, accepted) = arrival => match (seat, accepted) {
                (Ok(seat), Ok((stream, from))) => {
                    guests.spawn(attend(house.clone(), stream, from, seat, stopping.clone()));
                }
                (_, Err(error)) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => break,
            },
            Some(_) = guests.join_next() => {}
            () = told_to_stop(&mut stopping) => break,
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, async { while guests.join_next().await.is_some() {} }).await;
}

async fn attend(
    house: Arc<House>,
    stream: TcpStream,
    from: SocketAddr,
    _seat: OwnedSemaphorePermit,
    stopping: watch::Receiver<bool>,
) {
    let shaken = timeout(HANDSHAKE_TIME, shake_hands(&house, stream)).await;
    match shaken {
        Ok(Ok(Guest::Appliance(stream, peer))) => {
            serve(stream, house.link.clone(), from, peer, stopping).await;
        }
        Ok(Ok(Guest::Other(stream))) => serve(stream, house.web.clone(), from, None, stopping).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "a handshake failed"),
        Err(_) => tracing::debug!(%from, "a handshake took too long"),
    }
}

enum Guest {
    Appliance(TlsStream<TcpStream>, Option<Peer>),
    Other(TlsStream<TcpStream>),
}

async fn shake_hands(house: &House, stream: TcpStream) -> std::io::Result<Guest> {
    stream.set_nodelay(true)?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let is_appliance = start
        .client_hello()
        .alpn()
        .is_some_and(|mut protocols| protocols.any(|protocol| protocol == link::ALPN));
    let into = |config: &Arc<ServerConfig>| start.into_stream(config.clone());
    if is_appliance {
        let stream = into(&house.tls.link).await?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let peer = match certificates.first() {
            None => None,
            Some(certificate) => Some(Peer::named_by(certificate).ok_or_else(|| {
                std::io::Error::other("a client certificate of our CA that does not name an appliance")
            })?),
        };
        Ok(Guest::Appliance(stream, peer))
    } else {
        Ok(Guest::Other(into(&house.tls.web).await?))
    }
}

async fn serve(
    stream: TlsStream<TcpStream>,
    router: Router,
    from: SocketAddr,
    peer: Option<Peer>,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(From(from));
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        router.clone().call(request.map(Body::new))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_LIMIT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_LIMIT)
        .max_header_list_size(16 * 1024)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(HANDSHAKE_TIME);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_stop(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection broke");
    }
}

/// Waits for the platform's end.
async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // The sender lives as long as the platform; without one there is nothing to go on for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Connections at a time; each idle one costs about 30 KiB.
const CONNECTIONS_LIMIT: usize = 50_000;
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// A kept-alive connection may be silent for this long between requests.
const HEAD_TIME: Duration = Duration::from_secs(75);
const HEAD_LIMIT: usize = 64 * 1024;
const STREAMS_LIMIT: u32 = 64;
const PING_INTERVAL: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const FAREWELL: Duration = Duration::from_secs(5);
