//! One port, TLS 1.3, two kinds of guests: appliances by their ALPN, everybody else.
//!
//! Each connection is bounded in what it may take ([`Limits`]): a number of connections, a time for the
//! handshake, a time for each request's head and for its body, however slowly bytes come. HTTP is 1.1 alone:
//! one protocol to bound.

mod seats;
mod timely;

pub use timely::is_too_slow;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, http::Request};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, server::Acceptor};
use seats::{Crowded, Seats};
use timely::Timely;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tower_service::Service;
use vedette_protocol::link;

use crate::{api, limits::Limits, link::Peer, origin::Origin, tls::Tls};

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

impl House {
    /// The same house for who finds no seat: whatever is asked, it says so.
    fn full(&self) -> Self {
        let refusing = Router::new().fallback(async || api::ApiError::Crowded);
        Self {
            tls: self.tls.clone(),
            link: refusing.clone(),
            web: refusing,
        }
    }
}

/// Serves until `stopping`; then lets what goes on come to its end, for a while.
pub async fn listen(
    listener: TcpListener,
    house: House,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let seats = Arc::new(Seats::new(&limits));
    let doorway = Arc::new(Semaphore::new(DOORWAY));
    let full = Arc::new(house.full());
    let house = Arc::new(house);
    let mut guests = JoinSet::new();
    loop {
        // A seat first: who cannot sit waits in the kernel's queue.
        let arrival = async {
            let seat = seats.free().await;
            (seat, listener.accept().await)
        };
        tokio::select! {
            (seat, accepted) = arrival => match (seat, accepted) {
                (Some(seat), Ok((stream, from))) => match seats.take(seat, Origin::of(from.ip())) {
                    Ok(seat) => {
                        let guest = Guest { stream, from, seat };
                        guests.spawn(attend(house.clone(), guest, limits, stopping.clone()));
                    }
                    // Who is not even told why would take up more than an answer does.
                    Err(Crowded) => if let Ok(seat) = doorway.clone().try_acquire_owned() {
                        tracing::warn!(origin = %Origin::of(from.ip()), "too many connections from one origin");
                        let guest = Guest { stream, from, seat };
                        guests.spawn(attend(full.clone(), guest, limits, stopping.clone()));
                    },
                },
                (_, Err(error)) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (None, _) => break,
            },
            Some(_) = guests.join_next() => {}
            () = told_to_stop(&mut stopping) => break,
        }
    }
    drop(listener);
    let _ = timeout(FAREWELL, async { while guests.join_next().await.is_some() {} }).await;
}

/// Who has just come, and the seat that it holds.
struct Guest<S> {
    stream: TcpStream,
    from: SocketAddr,
    seat: S,
}

async fn attend<S>(house: Arc<House>, guest: Guest<S>, limits: Limits, stopping: watch::Receiver<bool>) {
    let Guest { stream, from, seat } = guest;
    match timeout(limits.handshake, shake_hands(&house, stream)).await {
        Ok(Ok(known)) => serve(&house, known, from, limits, stopping).await,
        Ok(Err(error)) => tracing::debug!(%from, %error, "a handshake failed"),
        Err(_) => tracing::debug!(%from, "a handshake took too long"),
    }
    drop(seat);
}

/// A guest whose side is known.
enum Known {
    Appliance(TlsStream<TcpStream>, Option<Peer>),
    Other(TlsStream<TcpStream>),
}

async fn shake_hands(house: &House, stream: TcpStream) -> std::io::Result<Known> {
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
        Ok(Known::Appliance(stream, peer))
    } else {
        Ok(Known::Other(into(&house.tls.web).await?))
    }
}

async fn serve(
    house: &House,
    guest: Known,
    from: SocketAddr,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let (stream, router, peer) = match guest {
        Known::Appliance(stream, peer) => (stream, &house.link, peer),
        Known::Other(stream) => (stream, &house.web, None),
    };
    let service = service_fn(|mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(From(from));
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let timely = |body| Body::new(Timely::new(body, limits.body));
        router.clone().call(request.map(timely))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
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

/// How many may be told at a time that there is no seat for them; who comes later is not told.
const DOORWAY: usize = 64;
const HEAD_LIMIT: usize = 64 * 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const FAREWELL: Duration = Duration::from_secs(5);
