//! Exchanges outside of HTTP: conversations, handshakes and questions, within bounds; decides nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use vedette_protocol::{Scope, Target, finding::TlsVersion, target::PortSet};

use super::{
    dns::Question,
    network::{Conversation, Secure},
    ssl::{Greeting, Shown},
};
use crate::{
    probe::{Hello, Probe, Silence, Turn, Until, Versions, Wrap},
    tls::flight::{Stage, parse_flight},
    web::Site,
    wire::{Line, Wire},
};

/// Holds a conversation with the site; what was heard after each thing that was said, and at the end.
pub(super) async fn converse(wire: &Wire, site: &Site, conversation: &Conversation) -> Option<Vec<Vec<u8>>> {
    let wrap = match conversation.secure {
        Secure::No => Wrap::Plain,
        Secure::Yes => Wrap::Tls(Hello {
            versions: Versions::Both,
            name: site.name().cloned(),
        }),
    };
    for endpoint in site.endpoints() {
        match wire.open(endpoint, &wrap).await {
            Ok(Line::Plain(mut stream)) => return Some(speak(&mut stream, conversation).await),
            Ok(Line::Tls(mut stream)) => return Some(speak(&mut *stream, conversation).await),
            Err(_) => {}
        }
    }
    None
}

/// Begins a handshake with the site; what it shows of the newest version that it speaks of those offered.
pub(super) async fn greet(wire: &Wire, site: &Site, greeting: &Greeting) -> Option<Shown> {
    for endpoint in site.endpoints() {
        for hello in &greeting.hellos {
            let stage = match hello.version {
                TlsVersion::Tls13 => Stage::Hello,
                _ => Stage::Flight,
            };
            let probe = asking(endpoint, Wrap::Plain, hello.record(), Until::Tls(stage));
            let Ok(flight) = parse_flight(&wire.send(&probe).await.heard) else {
                continue;
            };
            let Some(agreed) = flight.hello.filter(|agreed| agreed.version == hello.version) else {
                continue;
            };
            let chain = match hello.version {
                // Encrypted there: shown to who goes through with it.
                TlsVersion::Tls13 => {
                    let wrap = Wrap::Tls(Hello {
                        versions: Versions::Only13,
                        name: site.name().cloned(),
                    });
                    let probe = asking(endpoint, wrap, Vec::new(), Until::Handshake);
                    wire.send(&probe)
                        .await
                        .session
                        .map_or_else(Vec::new, |session| session.chain)
                }
                _ => flight.chain,
            };
            return Some(Shown {
                version: agreed.version,
                suite: agreed.suite,
                chain,
            });
        }
    }
    None
}

/// Asks the resolver; the message that answers. The resolver is the operator's, and not in the site's scope.
pub(super) async fn ask(resolver: SocketAddr, question: &Question) -> Option<Vec<u8>> {
    let target: Target = resolver.ip().to_string().parse().ok()?;
    let ports = PortSet::from_ports([resolver.port()])?;
    let wire = Wire::new(Arc::new(Scope::new(&[target], &[], &[], ports)));
    let message = question.message();
    let heard = wire
        .send(&asking(resolver, Wrap::Datagram, message.clone(), Until::Pause))
        .await
        .heard;
    let is_cut = heard.get(2).is_some_and(|flags| flags & TRUNCATED != 0);
    if !is_cut {
        return (!heard.is_empty()).then_some(heard);
    }
    let length = u16::try_from(message.len()).ok()?;
    let said = [&length.to_be_bytes()[..], &message].concat();
    let heard = wire
        .send(&asking(resolver, Wrap::Plain, said, Until::Pause))
        .await
        .heard;
    heard.get(2..).map(<[u8]>::to_vec)
}

fn asking(endpoint: SocketAddr, wrap: Wrap, say: Vec<u8>, until: Until) -> Probe {
    Probe {
        endpoint,
        upgrade: None,
        wrap,
        turn: Turn::Ours,
        say,
        until,
        silence: Silence::IsAGap,
    }
}

async fn speak(
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
/// In the third byte of a message (RFC 1035, section 4.1.1).
const TRUNCATED: u8 = 0x02;
