//! Conversations over TCP: what a template says in turn, and how much it wants to hear. Pure.
//!
//! What must stay true: a conversation goes to the site's host and port and nowhere else.

use super::{
    base::Base,
    dsl::{Scene, value::Value},
    event::Event,
    expression::fill,
    hex,
    http::Unsendable,
    operators::Operators,
    payload::Payloads,
};

/// A block of conversations.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkBlock {
    /// Where to, as `{{Hostname}}` or `tls://{{Host}}:8443`.
    pub hosts: Vec<String>,
    /// The port, where the host names none.
    pub port: Option<String>,
    /// What is said, in turn.
    pub inputs: Vec<Input>,
    /// How much is heard at the end, in bytes.
    pub read_size: usize,
    /// What is put into it.
    pub payloads: Payloads,
    /// What judges the replies.
    pub operators: Operators,
    /// Whether the first hit is enough.
    pub stop_at_first_match: bool,
}

/// Something that is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The text, or its hexadecimal digits.
    pub data: String,
    /// How it is written.
    pub spelling: Spelling,
    /// How much is heard before the next is said.
    pub read: usize,
    /// The part under which that is known.
    pub name: Option<String>,
}

/// How bytes are written in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// As they are.
    Text,
    /// In hexadecimal digits.
    Hex,
}

/// A conversation that can be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Whether it is held in TLS.
    pub secure: Secure,
    /// What is said, and how much is heard after each.
    pub says: Vec<(Vec<u8>, usize)>,
    /// How much is heard at the end.
    pub last: usize,
}

/// Whether a conversation is held in TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secure {
    /// In the clear.
    No,
    /// In TLS.
    Yes,
}

impl NetworkBlock {
    /// The conversation with the host of that number, filled in.
    ///
    /// # Errors
    /// When it cannot be held.
    pub fn conversation(
        &self,
        host: usize,
        scene: &Scene<'_>,
        base: &Base,
    ) -> Result<Conversation, Unsendable> {
        let filled = |text: &str| {
            let filled = fill(text.as_bytes(), scene);
            match filled.unknown {
                Some(name) => Err(Unsendable::Unknown(name)),
                None => Ok(filled.text),
            }
        };
        let host = self.hosts.get(host).ok_or(Unsendable::Malformed)?;
        let host = String::from_utf8(filled(host)?).map_err(|_| Unsendable::Malformed)?;
        let (secure, host) = match host.strip_prefix("tls://") {
            Some(host) => (Secure::Yes, host.to_owned()),
            None => (Secure::No, host),
        };
        let port = self.port.as_deref().map(filled).transpose()?;
        let port = port.and_then(|port| String::from_utf8(port).ok());
        if !is_site(&host, port.as_deref(), base) {
            return Err(Unsendable::Elsewhere);
        }
        let mut says = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            let data = filled(&input.data)?;
            let bytes = match input.spelling {
                Spelling::Text => data,
                Spelling::Hex => {
                    let digits = String::from_utf8(data).map_err(|_| Unsendable::Malformed)?;
                    hex::decode(&digits.replace(char::is_whitespace, "")).ok_or(Unsendable::Malformed)?
                }
            };
            says.push((bytes, input.read));
        }
        Ok(Conversation {
            secure,
            says,
            last: self.read_size,
        })
    }

    /// What was heard, under the names of its parts.
    pub fn event(&self, conversation: &Conversation, heard: &[Vec<u8>], base: &Base) -> Event {
        let said: Vec<u8> = conversation
            .says
            .iter()
            .flat_map(|(bytes, _)| bytes.clone())
            .collect();
        let data = Value::text(heard.last().map_or(&[][..], Vec::as_slice));
        let mut parts = vec![
            ("body".to_owned(), data.clone()),
            ("data".to_owned(), data),
            ("raw".to_owned(), Value::from(heard.concat())),
            ("request".to_owned(), Value::from(said)),
            ("host".to_owned(), Value::text(base.root())),
            ("type".to_owned(), Value::text("network")),
        ];
        for (input, heard) in self.inputs.iter().zip(heard) {
            if let Some(name) = &input.name {
                parts.push((name.clone(), Value::text(heard)));
            }
        }
        Event::Parts(parts)
    }
}

/// Whether a host and port, as templates write them, are those of the site.
pub(super) fn is_site(host: &str, port: Option<&str>, base: &Base) -> bool {
    let own = base.site.start().host_str().unwrap_or_default();
    let Some(rest) = host.strip_prefix(own) else {
        return false;
    };
    let named = match rest.strip_prefix(':') {
        Some(port) => Some(port),
        None if rest.is_empty() => port,
        None => return false,
    };
    // A template may name several, of which the site's is one.
    match named {
        Some(ports) => ports
            .split(',')
            .any(|port| port.trim().parse() == Ok(base.site.port())),
        None => true,
    }
}
