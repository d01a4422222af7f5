//! PostgreSQL (frontend/backend protocol 3.0, "ErrorResponse"): asked for a version that it cannot speak,
//! it says so without being logged in to.

use super::{Heard, Identity, Question, Service};
use crate::probe::{Turn, Until};

pub(crate) const SERVICE: Service = Service {
    ports: &[5432, 5433, 6432],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

/// A startup message for protocol 255.255 without parameters.
const STARTUP: [u8; 8] = [0, 0, 0, 8, 0, 255, 0, 255];

fn question(_: &str) -> Question {
    Question {
        turn: Turn::Ours,
        say: STARTUP.to_vec(),
        until: Until::Pause,
    }
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_error(heard.bytes)
}

/// Reads an error response: fields of a letter and a text that ends with a zero byte.
pub fn parse_error(bytes: &[u8]) -> Option<Identity> {
    let [b'E', a, b, c, d, rest @ ..] = bytes else {
        return None;
    };
    let length = usize::try_from(u32::from_be_bytes([*a, *b, *c, *d]))
        .ok()?
        .checked_sub(4)?;
    let fields: Vec<(u8, &[u8])> = rest
        .get(..length)?
        .split(|byte| *byte == 0)
        .take(32)
        .filter_map(|field| field.split_first().map(|(code, text)| (*code, text)))
        .collect();
    let field = |code: u8| {
        fields
            .iter()
            .find(|(found, _)| *found == code)
            .map(|(_, text)| *text)
    };
    // The severity in words, an SQLSTATE of five characters and a message: each error has these three.
    let state = field(b'C').filter(|state| state.len() == 5 && state.iter().all(u8::is_ascii_alphanumeric));
    (field(b'S').is_some() && state.is_some() && field(b'M').is_some())
        .then(|| Identity::certain("postgresql").product("PostgreSQL", None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_response_is_recognised() {
        let body = b"SFATAL\0VFATAL\0C0A000\0Munsupported frontend protocol 255.255\0Fpostmaster.c\0\0";
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        let whole = [b"E".as_slice(), &length, body].concat();
        assert_eq!(
            parse_error(&whole),
            Some(Identity::certain("postgresql").product("PostgreSQL", None))
        );
        assert_eq!(parse_error(&whole[..20]), None);
    }

    #[test]
    fn other_bytes_are_not() {
        assert_eq!(parse_error(b"E\0\0\0\0"), None);
        assert_eq!(parse_error(b"ERROR\r\n"), None);
        assert_eq!(parse_error(b"E\0\0\0\x08SHTP"), None);
    }
}
