//! Redis and Valkey (RESP2): asked for `INFO server` as an inline command, which changes nothing.

use super::{Heard, Identity, Question, Service};
use crate::probe::{Turn, Until};

pub(crate) const SERVICE: Service = Service {
    ports: &[6379, 6380, 16379, 26379],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

pub(crate) const ASK_INFO: &[u8] = b"INFO server\r\n";

fn question(_: &str) -> Question {
    Question {
        turn: Turn::Ours,
        say: ASK_INFO.to_vec(),
        until: Until::Pause,
    }
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    Some(parse_reply(heard.bytes)?.identity)
}

/// What a reply tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What answers.
    pub identity: Identity,
    /// Whether it does what strangers tell it.
    pub access: Access,
}

/// Whether a server does what strangers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It answered the command.
    Open,
    /// It demands a password, or runs in protected mode.
    Denied,
    /// It did not like the command.
    NotTried,
}

/// Reads the reply to `INFO server`, or what Redis says to other protocols.
pub fn parse_reply(bytes: &[u8]) -> Option<Told> {
    let identity = Identity::certain("redis").product("Redis", None);
    let starts = |text: &str| bytes.starts_with(text.as_bytes());
    if starts("-NOAUTH ") || starts("-DENIED Redis is running in protected mode") {
        return Some(Told {
            identity,
            access: Access::Denied,
        });
    }
    if starts("-ERR wrong number of arguments for 'get' command") || starts("-ERR unknown command `GET`") {
        return Some(Told {
            identity,
            access: Access::NotTried,
        });
    }
    if !starts("$") {
        return None;
    }
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.trim().to_owned())
    };
    let told = |product, version: Option<String>| {
        let identity = Identity::certain("redis").product(product, version.as_deref());
        Some(Told {
            identity,
            access: Access::Open,
        })
    };
    match (value("valkey_version"), value("redis_version")) {
        (Some(version), _) => told("Valkey", Some(version)),
        (None, Some(version)) => told("Redis", Some(version)),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_tells_its_version_and_a_guarded_one_does_not() {
        let open =
            parse_reply(b"$60\r\n# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n\r\n").unwrap();
        assert_eq!(open.access, Access::Open);
        assert_eq!(open.identity.version.unwrap().as_str(), "7.0.15");
        let guarded = parse_reply(b"-NOAUTH Authentication required.\r\n").unwrap();
        assert_eq!((guarded.access, guarded.identity.version), (Access::Denied, None));
    }

    #[test]
    fn a_bulk_string_of_something_else_is_not_redis() {
        assert_eq!(parse_reply(b"$5\r\nhello\r\n"), None);
        assert_eq!(parse_reply(b"-ERR\r\n"), None);
        assert_eq!(parse_reply(b"+OK POP3 ready\r\n"), None);
    }
}
