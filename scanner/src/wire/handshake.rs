//! A handshake by hand, step by step, as [`handshake`](crate::tls::handshake) leads it.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use crate::{
    reply::{End, HEARD_LIMIT},
    tls::handshake::{Handshake, Move, Purpose},
};

/// Goes on from a hello that was said, until all is known, over, too much or too late.
pub(super) async fn complete(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    purpose: Purpose,
    hello: &[u8],
    deadline: Instant,
    heard: &mut Vec<u8>,
) -> End {
    let mut handshake = Handshake::begun(purpose, hello);
    let mut part = vec![0; PART];
    loop {
        match handshake.next(heard) {
            Move::Done => return End::Enough,
            Move::Say(words) => {
                let said = async {
                    stream.write_all(&words).await?;
                    stream.flush().await
                };
                // Who does not let us finish may still have answered: listen all the same.
                let _ = timeout_at(deadline, said).await;
            }
            Move::Listen if heard.len() >= HEARD_LIMIT => return End::Full,
            Move::Listen => {
                let take = (HEARD_LIMIT - heard.len()).min(PART);
                match timeout_at(deadline, stream.read(&mut part[..take])).await {
                    Ok(Ok(0) | Err(_)) => return End::Closed,
                    Ok(Ok(count)) => heard.extend_from_slice(&part[..count]),
                    Err(_) => return End::Quiet,
                }
            }
        }
    }
}

const PART: usize = 16 * 1024;
