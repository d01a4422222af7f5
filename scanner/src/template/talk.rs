//! A conversation over TCP: says and hears in turn, within bounds; decides nothing.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::network::{Conversation, Secure};
use crate::{
    probe::{Hello, Versions, Wrap},
    web::{Site, report::Why},
    wire::{Line, Wire},
};

/// Holds a conversation with the site; what was heard after each thing that was said, and at the end.
pub(super) async fn talk(wire: &Wire, site: &Site, conversation: &Conversation) -> Result<Vec<Vec<u8>>, Why> {
    let wrap = match conversation.secure {
        Secure::No => Wrap::Plain,
        Secure::Yes => Wrap::Tls(Hello {
            versions: Versions::Both,
            name: site.name().cloned(),
        }),
    };
    for endpoint in site.endpoints() {
        match wire.open(endpoint, &wrap).await {
            Ok(Line::Plain(mut stream)) => return Ok(converse(&mut stream, conversation).await),
            Ok(Line::Tls(mut stream)) => return Ok(converse(&mut *stream, conversation).await),
            Err(_) => {}
        }
    }
    Err(Why::NoAnswer)
}

async fn converse(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    conversation: &Conversation,
) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + LONGEST;
    let mut heard = Vec::new();
    for (bytes, read) in &conversation.says {
        let said = async {
            stream.write_all(bytes).await?;
            stream.flush().await
        };
        // Who does not let us finish may still have answered.
        let _ = timeout_at(deadline, said).await;
        heard.push(if *read > 0 {
            hear(stream, *read, deadline).await
        } else {
            Vec::new()
        });
    }
    heard.push(hear(stream, conversation.last, deadline).await);
    heard
}

/// Hears until it is enough, over, or quiet for a while.
async fn hear(stream: &mut (impl AsyncRead + Unpin), most: usize, deadline: Instant) -> Vec<u8> {
    let mut heard = vec![0; most];
    let mut length = 0;
    while length < most {
        let wait = if length == 0 { PATIENCE } else { PAUSE };
        let by = (Instant::now() + wait).min(deadline);
        match timeout_at(by, stream.read(&mut heard[length..])).await {
            Ok(Ok(count @ 1..)) => length += count,
            Ok(Ok(0) | Err(_)) | Err(_) => break,
        }
    }
    heard.truncate(length);
    heard
}

/// Of one conversation, whatever the other side does.
const LONGEST: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(250);
