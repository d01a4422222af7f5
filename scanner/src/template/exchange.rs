//! What is said and heard outside of HTTP: one value for each block's turn, whatever its protocol. Pure.

use super::{
    base::Base, dns, dsl::Scene, event::Event, expression::fill, form::Block, http::Unsendable,
    network::Conversation, ssl,
};

/// What is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// A conversation over TCP.
    Tcp(Conversation),
    /// A question to the resolver.
    Dns(dns::Question),
    /// A handshake.
    Ssl(ssl::Greeting),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// After each thing that was said, and at the end.
    Tcp(Vec<Vec<u8>>),
    /// A message.
    Dns(Vec<u8>),
    /// What the server showed.
    Ssl(ssl::Shown),
}

impl Block {
    /// How many exchanges it has for each combination of payloads; none for HTTP, which has requests.
    pub fn exchanges(&self) -> usize {
        match self {
            Self::Http(_) => 0,
            Self::Network(block) => block.hosts.len(),
            Self::Dns(_) | Self::Ssl(_) => 1,
        }
    }

    /// The exchange of that number, filled in; none when there is none.
    pub fn exchange(
        &self,
        number: usize,
        scene: &Scene<'_>,
        base: &Base,
    ) -> Option<Result<Exchange, Unsendable>> {
        if number >= self.exchanges() {
            return None;
        }
        Some(match self {
            Self::Http(_) => return None,
            Self::Network(block) => block.conversation(number, scene, base).map(Exchange::Tcp),
            Self::Dns(block) => block.question(scene, base).map(Exchange::Dns),
            Self::Ssl(block) => block.greeting(scene, base).map(Exchange::Ssl),
        })
    }

    /// What was heard, under the names of its parts; none when it answers something else.
    pub fn event(&self, exchange: &Exchange, heard: &Heard, base: &Base, now: i64) -> Option<Event> {
        match (self, exchange, heard) {
            (Self::Network(block), Exchange::Tcp(conversation), Heard::Tcp(heard)) => {
                Some(block.event(conversation, heard, base))
            }
            (Self::Dns(_), Exchange::Dns(question), Heard::Dns(message)) => {
                dns::event(question, message, base)
            }
            (Self::Ssl(_), Exchange::Ssl(greeting), Heard::Ssl(shown)) => {
                Some(ssl::event(greeting, shown, base, now))
            }
            _ => None,
        }
    }
}

/// A text whose names all stand for something.
///
/// # Errors
/// When one does not, or what it makes is no text.
pub(super) fn filled_text(text: &str, scene: &Scene<'_>) -> Result<String, Unsendable> {
    let filled = fill(text.as_bytes(), scene);
    match filled.unknown {
        Some(name) => Err(Unsendable::Unknown(name)),
        None => String::from_utf8(filled.text).map_err(|_| Unsendable::Malformed),
    }
}
