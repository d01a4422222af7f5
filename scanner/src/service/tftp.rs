//! TFTP (RFC 1350): asked for a file that nobody has. Each transfer comes from a port of its own (section 4), the refusal
//! too. Whoever serves files by it serves them to everybody.

use super::{Datagram, Identity, Service};
use crate::probe::Until;

pub(crate) const SERVICE: Service = Service {
    ports: &[],
    question: None,
    follow: None,
    recognise: |_| None,
    datagram: Some(Datagram {
        ports: &[69],
        questions: &[|| question(NAME)],
        until: Until::FromAnyPort,
        recognise: parse_answer,
    }),
};

/// A request to read a file.
pub(crate) fn question(name: &str) -> Vec<u8> {
    [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat()
}

/// Reads an error, the first block of a file, or an acknowledgement of options (RFC 2347).
pub fn parse_answer(bytes: &[u8]) -> Option<Identity> {
    let [0, kind, rest @ ..] = bytes else {
        return None;
    };
    match (kind, rest) {
        // A code that the protocol knows, and a text to its end.
        (5, [0, 0..=8, text @ ..]) if text.last() == Some(&0) => {
            let text = std::str::from_utf8(&text[..text.len() - 1]).ok()?;
            let is_text = text.chars().all(|character| !character.is_control());
            is_text.then(|| Identity::certain("tftp"))
        }
        (3, [0, 1, block @ ..]) if block.len() <= 512 => Some(Identity::firm("tftp")),
        _ => None,
    }
}

const NAME: &str = "vedette-asks-who-is-there";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_and_a_file_are_answers() {
        assert_eq!(
            parse_answer(b"\0\x05\0\x01File not found\0"),
            Some(Identity::certain("tftp"))
        );
        assert_eq!(parse_answer(b"\0\x05\0\0\0"), Some(Identity::certain("tftp")));
        assert_eq!(parse_answer(b"\0\x03\0\x01text"), Some(Identity::firm("tftp")));
    }

    #[test]
    fn an_echo_and_other_bytes_are_not() {
        assert_eq!(parse_answer(&question(NAME)), None);
        for other in [
            &b""[..],
            b"\0",
            b"\0\x05",
            b"\0\x05\0\x01no end",
            b"\0\x05\0\x09x\0",
            b"\0\x05\0\x01\x1b[2J\0",
            b"\0\x04\0\x01",
        ] {
            assert_eq!(parse_answer(other), None, "{other:?}");
        }
    }
}
