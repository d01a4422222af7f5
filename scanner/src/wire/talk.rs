//! One exchange over one connection: connect, perhaps TLS, listen, speak, listen; all within bounds.

use std::{
    io,
    net::SocketAddr,
    os::fd::AsFd,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{SocketFlags, SocketType, socket_with, sockopt},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::{Instant, timeout, timeout_at},
};

use super::{
    gate::{Attempt, Gate, family, stream_socket},
    handshake,
    sweep::Hindrance,
    tls, upgrade,
};
use crate::{
    probe::{Probe, Turn, Until, Wrap},
    reply::{End, HEARD_LIMIT, Reply},
    service::http,
    tls::flight::Stage,
};

/// What exchanges cost, counted as they go.
#[derive(Debug, Default)]
pub(crate) struct Postage {
    pub(crate) requests: AtomicU64,
    pub(crate) packets: AtomicU64,
}

/// Sends a probe and brings the reply; ends within [`LONGEST`].
pub(super) async fn talk(gate: &Gate, probe: &Probe, postage: &Postage) -> Reply {
    if probe.wrap == Wrap::Datagram {
        let heard = datagram(gate, probe, &SAYING, postage).await;
        return heard.unwrap_or_else(Reply::silent);
    }
    let deadline = Instant::now() + LONGEST;
    let mut stream = match connect(gate, probe.endpoint, postage).await {
        Ok(stream) => stream,
        Err(end) => return Reply::silent(end),
    };
    if let Some(upgrade) = &probe.upgrade {
        postage.requests.fetch_add(1, Ordering::Relaxed);
        if let Err(end) = upgrade::climb(&mut stream, upgrade).await {
            return Reply::silent(end);
        }
    }
    // Kept past the conversation, to ask the kernel what it has sent.
    let counted = stream.as_fd().try_clone_to_owned();
    let reply = match &probe.wrap {
        Wrap::Plain | Wrap::Datagram => converse(stream, probe, deadline, postage).await,
        Wrap::Tls(hello) => {
            postage.requests.fetch_add(1, Ordering::Relaxed);
            match timeout(SHAKING, tls::shake_hands(stream, hello)).await {
                Ok((session, Ok(stream))) => {
                    let reply = match probe.until {
                        Until::Handshake => Reply::silent(End::Enough),
                        Until::Line
                        | Until::Pause
                        | Until::Response
                        | Until::Tls(_)
                        | Until::Completed(_)
                        | Until::FromAnyPort
                        | Until::Ssh(_) => converse(stream, probe, deadline, postage).await,
                    };
                    Reply {
                        session: Some(session),
                        ..reply
                    }
                }
                Ok((session, Err(failure))) => {
                    let session = (!session.chain.is_empty()).then_some(session);
                    Reply {
                        session,
                        ..Reply::silent(End::NoTls(failure))
                    }
                }
                Err(_) => Reply::silent(End::Quiet),
            }
        }
    };
    // And the reset that closes it.
    let segments = counted
        .and_then(vedette_sys::tcp::segments_sent)
        .map_or(HANDSHAKE, u64::from)
        + 1;
    postage.packets.fetch_add(segments, Ordering::Relaxed);
    reply
}

/// Says something over UDP that is not to be said twice.
pub(super) async fn datagram_once(gate: &Gate, probe: &Probe, postage: &Postage) -> Reply {
    let heard = datagram(gate, probe, &[ONCE], postage).await;
    heard.unwrap_or_else(Reply::silent)
}

/// One question over UDP, said as often as it may be waited for, and the first datagram that answers.
async fn datagram(gate: &Gate, probe: &Probe, waits: &[Duration], postage: &Postage) -> Result<Reply, End> {
    let short = |_| End::NotAsked(Hindrance::Shortage);
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family(probe.endpoint), SocketType::DGRAM, flags, None)
        .map_err(|_| End::NotAsked(Hindrance::Shortage))?;
    let opened = match probe.until {
        Until::FromAnyPort => gate.leave_unconnected(&socket, probe.endpoint),
        // The kernel hands over what comes from there, and nothing else.
        _ => gate.connect(&socket, probe.endpoint),
    };
    match opened {
        Attempt::Connected | Attempt::UnderWay => {}
        Attempt::OutOfScope => return Err(End::NotAsked(Hindrance::OutOfScope)),
        Attempt::Failed(errno) => return Err(hindered(errno)),
    }
    let socket = UdpSocket::from_std(socket.into()).map_err(short)?;
    let mut heard = vec![0; DATAGRAM];
    for wait in waits {
        postage.requests.fetch_add(1, Ordering::Relaxed);
        postage.packets.fetch_add(1, Ordering::Relaxed);
        let said = match probe.until {
            Until::FromAnyPort => socket.send_to(&probe.say, probe.endpoint).await,
            _ => socket.send(&probe.say).await,
        };
        if let Some(errno) = said.err().as_ref().and_then(Errno::from_io_error)
            && errno != Errno::CONNREFUSED
        {
            return Err(hindered(errno));
        }
        match timeout(*wait, answer(&socket, probe.endpoint, &mut heard)).await {
            Ok(Ok(length)) => {
                heard.truncate(length);
                let end = End::Enough;
                return Ok(Reply {
                    session: None,
                    heard,
                    end,
                });
            }
            // The host says that nobody is there, which is an answer.
            Ok(Err(_)) => return Err(End::Closed),
            Err(_) => {}
        }
    }
    Err(End::Quiet)
}

/// The next datagram of the host.
async fn answer(socket: &UdpSocket, endpoint: SocketAddr, heard: &mut [u8]) -> io::Result<usize> {
    loop {
        let (length, from) = socket.recv_from(heard).await?;
        if from.ip() == endpoint.ip() {
            return Ok(length);
        }
    }
}

/// Opens a connection, if the scope has it; ends within [`CONNECTING`].
pub(super) async fn connect(gate: &Gate, endpoint: SocketAddr, postage: &Postage) -> Result<TcpStream, End> {
    let socket = stream_socket(family(endpoint)).map_err(|_| End::NotAsked(Hindrance::Shortage))?;
    // Closed by reset, so that nothing lingers in TIME_WAIT.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))
        .map_err(|_| End::NotAsked(Hindrance::Shortage))?;
    match gate.connect(&socket, endpoint) {
        Attempt::Connected | Attempt::UnderWay => {}
        Attempt::OutOfScope => return Err(End::NotAsked(Hindrance::OutOfScope)),
        Attempt::Failed(errno) => return Err(hindered(errno)),
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|_| End::NotAsked(Hindrance::Shortage))?;
    let ready = timeout(CONNECTING, stream.writable()).await;
    let end = match (ready, stream.take_error()) {
        (Ok(Ok(())), Ok(None)) => return Ok(stream),
        (Ok(_), Ok(Some(error))) if error.kind() == io::ErrorKind::ConnectionRefused => End::Refused,
        (_, _) => End::Unreachable,
    };
    // The first packet, and the kernel's repetitions after 1 and 3 s.
    postage
        .packets
        .fetch_add(if end == End::Refused { 1 } else { 2 }, Ordering::Relaxed);
    Err(end)
}

fn hindered(errno: Errno) -> End {
    match errno {
        Errno::CONNREFUSED => End::Refused,
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN => End::NotAsked(Hindrance::NoRoute),
        Errno::PERM | Errno::ACCESS => End::NotAsked(Hindrance::Forbidden),
        _ => End::NotAsked(Hindrance::Shortage),
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    probe: &Probe,
    deadline: Instant,
    postage: &Postage,
) -> Reply {
    let mut heard = Vec::new();
    if let Turn::Theirs(wait) = probe.turn {
        let end = hear(
            &mut stream,
            probe.until,
            (Instant::now() + wait).min(deadline),
            &mut heard,
        )
        .await;
        if !heard.is_empty() || end != End::Quiet {
            return Reply {
                session: None,
                heard,
                end,
            };
        }
    }
    if !probe.say.is_empty() {
        postage.requests.fetch_add(1, Ordering::Relaxed);
        let said = async {
            stream.write_all(&probe.say).await?;
            stream.flush().await
        };
        // Who does not let us finish may still have answered: listen all the same.
        let _ = timeout_at(deadline, said).await;
        let answer_by = (Instant::now() + ANSWERING).min(deadline);
        let end = match probe.until {
            Until::Completed(purpose) => {
                handshake::complete(&mut stream, purpose, &probe.say, answer_by, &mut heard).await
            }
            until => hear(&mut stream, until, answer_by, &mut heard).await,
        };
        return Reply {
            session: None,
            heard,
            end,
        };
    }
    Reply {
        session: None,
        heard,
        end: End::Quiet,
    }
}

/// Listens until it is enough, over, too much or too late.
async fn hear(
    stream: &mut (impl AsyncRead + Unpin),
    until: Until,
    deadline: Instant,
    heard: &mut Vec<u8>,
) -> End {
    let mut part = vec![0; PART];
    loop {
        let by = match until {
            Until::Pause if !heard.is_empty() => (Instant::now() + PAUSE).min(deadline),
            Until::Handshake
            | Until::Line
            | Until::Pause
            | Until::Response
            | Until::Tls(_)
            | Until::Completed(_)
            | Until::FromAnyPort
            | Until::Ssh(_) => deadline,
        };
        let room = HEARD_LIMIT.min(limit(until)) - heard.len();
        let take = room.min(PART);
        match timeout_at(by, stream.read(&mut part[..take])).await {
            Ok(Ok(0) | Err(_)) => return End::Closed,
            Ok(Ok(count)) => heard.extend_from_slice(&part[..count]),
            Err(_) if until == Until::Pause && !heard.is_empty() => return End::Enough,
            Err(_) => return End::Quiet,
        }
        if is_enough(until, heard) {
            return End::Enough;
        }
        if heard.len() >= limit(until) {
            return End::Full;
        }
    }
}

fn is_enough(until: Until, heard: &[u8]) -> bool {
    match until {
        Until::Handshake => true,
        Until::Line => heard.contains(&b'\n'),
        Until::Pause => false,
        Until::Response => http::is_whole(heard),
        Until::Tls(stage) => stage.is_reached(heard),
        // It is led step by step, elsewhere.
        Until::Completed(_) => false,
        // Of datagrams the first is enough.
        Until::FromAnyPort => true,
        Until::Ssh(stage) => stage.is_reached(heard),
    }
}

fn limit(until: Until) -> usize {
    match until {
        Until::Handshake | Until::Line | Until::Pause | Until::FromAnyPort => 8 * 1024,
        Until::Response | Until::Completed(_) | Until::Tls(Stage::Flight | Stage::Alert) => HEARD_LIMIT,
        // Many of the first are kept; the second shows a certificate.
        Until::Tls(Stage::Hello) => 4 * 1024,
        Until::Tls(Stage::Ssl2) | Until::Ssh(_) => 32 * 1024,
    }
}

/// How long an answer over UDP may take, after the first and after the second time of asking.
const SAYING: [Duration; 2] = [Duration::from_millis(700), Duration::from_millis(1300)];
/// How long it may take where it is asked for once.
const ONCE: Duration = Duration::from_secs(5);
const DATAGRAM: usize = 8 * 1024;
const CONNECTING: Duration = Duration::from_millis(2500);
pub(super) const SHAKING: Duration = Duration::from_secs(5);
const ANSWERING: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(150);
/// Of one exchange, whatever the other side does.
pub(super) const LONGEST: Duration = Duration::from_secs(15);
const PART: usize = 16 * 1024;
/// Segments of a connection that the kernel did not count for us.
const HANDSHAKE: u64 = 2;
