//! memcached (`doc/protocol.txt` of its source): asked for its version in the text protocol.

use super::{Heard, Identity, Question, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[11211],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

fn question(_: &str) -> Question {
    Question {
        until: crate::probe::Until::Line,
        ..Question::saying(b"version\r\n")
    }
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_version(heard.bytes)
}

/// Reads `VERSION 1.6.18`.
pub fn parse_version(bytes: &[u8]) -> Option<Identity> {
    let line = bytes
        .strip_prefix(b"VERSION ")?
        .split(|byte| *byte == b'\r')
        .next()?;
    let version = std::str::from_utf8(line).ok().filter(|version| {
        version.len() < 64 && version.starts_with(|c: char| c.is_ascii_digit()) && !version.contains(' ')
    })?;
    Some(Identity::certain("memcached").product("memcached", Some(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read() {
        // What memcached 1.6.18 of Debian 12 answered.
        let told = parse_version(b"VERSION 1.6.18\r\n").unwrap();
        assert_eq!(told.version.unwrap().as_str(), "1.6.18");
    }

    #[test]
    fn other_bytes_are_not() {
        for bytes in [
            b"version\r\n".as_slice(),
            b"VERSION \r\n",
            b"VERSION x\r\n",
            b"VERSION 1 2\r\n",
            b"ERROR\r\n",
            b"",
        ] {
            assert_eq!(parse_version(bytes), None);
        }
    }
}
