//! The way from a protocol in the clear to TLS, as [`starttls`](crate::tls::starttls) leads it.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    reply::{End, TlsFailure},
    tls::starttls::{Move, Upgrade},
};

/// Goes there.
///
/// # Errors
/// When the server does not lead there, or not in time.
pub(super) async fn climb(stream: &mut TcpStream, upgrade: &Upgrade) -> Result<(), End> {
    let deadline = Instant::now() + CLIMBING;
    let (mut said, mut heard) = (0, Vec::new());
    loop {
        match upgrade.next(said, &heard) {
            Move::Begin => return Ok(()),
            Move::Declined => return Err(End::NoTls(TlsFailure::NotOffered)),
            Move::Say(words) => {
                if !matches!(timeout_at(deadline, stream.write_all(&words)).await, Ok(Ok(()))) {
                    return Err(End::Closed);
                }
                said += 1;
                heard.clear();
            }
            Move::Listen if heard.len() >= HEARD_LIMIT => return Err(End::Full),
            Move::Listen => {
                let mut part = [0; 1024];
                match timeout_at(deadline, stream.read(&mut part)).await {
                    Ok(Ok(0) | Err(_)) => return Err(End::Closed),
                    Ok(Ok(count)) => heard.extend_from_slice(&part[..count]),
                    Err(_) => return Err(End::Quiet),
                }
            }
        }
    }
}

/// Of all lines together: many mail servers look the client up before they greet.
const CLIMBING: Duration = Duration::from_secs(6);
const HEARD_LIMIT: usize = 16 * 1024;
