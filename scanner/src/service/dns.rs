//! DNS over TCP (RFC 1035, section 4.2.2; RFC 7766): asked which server it is, as RFC 4892 describes for
//! `version.bind` in the class CHAOS.

use super::{Datagram, Heard, Identity, Question, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[53, 853, 5353, 5335],
    question: Some(question),
    follow: None,
    recognise,
    datagram: Some(Datagram {
        ports: &[53, 5335],
        question: || QUERY[2..].to_vec(),
        recognise: parse_answer,
    }),
};

/// Behind the two bytes of its length: one question, `version.bind CH TXT`.
const QUERY: &[u8] =
    b"\x00\x1e\x56\x44\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03";

fn question(_: &str) -> Question {
    Question::saying(QUERY)
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    let (length, message) = heard.bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    parse_answer(message.get(..length)?)
}

/// The text with which a server said its version.
pub(crate) fn version(heard: &[u8]) -> Option<String> {
    let message = heard.get(2..)?;
    parse_answer(message)?;
    text(message.get(QUERY.len() - 2..)?)
}

/// Reads a message that answers our question, and what its text says of the server.
pub fn parse_answer(message: &[u8]) -> Option<Identity> {
    let (header, rest) = message.split_first_chunk::<12>()?;
    let is_answer = header[2] & 0x80 != 0 && header[2] & 0x78 == 0;
    if header[..2] != QUERY[2..4] || !is_answer {
        return None;
    }
    // Some refuse without repeating what was asked.
    let refused = header[3] & 0x0f != 0;
    if rest.is_empty() && refused && header[4..] == [0; 8] {
        return Some(Identity::certain("dns"));
    }
    if header[4..6] != [0, 1] {
        return None;
    }
    let (asked, rest) = rest.split_at_checked(QUERY.len() - 14)?;
    if !asked.eq_ignore_ascii_case(&QUERY[14..]) {
        return None;
    }
    let identity = Identity::certain("dns");
    if header[6..8] == [0, 0] {
        return Some(identity);
    }
    Some(match text(rest) {
        Some(text) => named(identity, &text),
        None => identity,
    })
}

/// The first text of the first record.
fn text(record: &[u8]) -> Option<String> {
    // Its owner is the name that was asked for, written out or as a pointer to it.
    let record = match record {
        [0xc0, _, rest @ ..] => rest,
        whole => whole.get(QUERY.len() - 18..)?,
    };
    let (fields, data) = record.split_first_chunk::<10>()?;
    if fields[..2] != [0, 16] {
        return None;
    }
    let (length, text) = data.split_first()?;
    let text = text.get(..usize::from(*length))?;
    let printable = text.iter().filter(|byte| (b' '..=b'~').contains(byte));
    Some(printable.map(|byte| char::from(*byte)).collect())
}

fn named(identity: Identity, text: &str) -> Identity {
    let number = |text: &str| -> Option<String> {
        let number: String = text
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '.')
            .collect();
        number.starts_with(|c: char| c.is_ascii_digit()).then_some(number)
    };
    for (start, product) in PRODUCTS {
        if let Some(rest) = text.strip_prefix(start) {
            return identity.product(product, number(rest).as_deref());
        }
    }
    // BIND says its number and nothing else.
    match number(text) {
        Some(version) if version.starts_with("9.") => Identity::firm("dns").product("BIND", Some(&version)),
        _ => identity,
    }
}

/// How servers begin what they say of themselves.
const PRODUCTS: &[(&str, &str)] = &[
    ("dnsmasq-", "dnsmasq"),
    ("unbound ", "Unbound"),
    ("NSD ", "NSD"),
    ("Knot DNS ", "Knot DNS"),
    ("PowerDNS Authoritative Server ", "PowerDNS Authoritative Server"),
    ("PowerDNS Recursor ", "PowerDNS Recursor"),
    ("dnsdist ", "dnsdist"),
    ("Microsoft DNS ", "Microsoft DNS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What BIND 9.18.49, dnsmasq 2.90 and Unbound 1.17.1 of Debian 12 answered.
    const BIND: &[u8] = b"\x00QVD\x84\x00\x00\x01\x00\x01\x00\x01\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\x19\x189.18.49-1~deb12u3-Debian\xc0\x0c\x00\x02\x00\x03\x00\x00\x00\x00\x00\x02\xc0\x0c";
    const DNSMASQ: &[u8] = b"\x007VD\x84\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\r\x0cdnsmasq-2.90";
    const UNBOUND: &[u8] = b"\x009VD\x80\x80\x00\x01\x00\x01\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03\xc0\x0c\x00\x10\x00\x03\x00\x00\x00\x00\x00\x0f\x0eunbound 1.17.1";

    fn heard(bytes: &[u8]) -> Option<Identity> {
        recognise(&Heard { port: 53, bytes })
    }

    #[test]
    fn servers_are_known_by_their_version() {
        for (bytes, product, version) in [
            (BIND, "BIND", "9.18.49"),
            (DNSMASQ, "dnsmasq", "2.90"),
            (UNBOUND, "Unbound", "1.17.1"),
        ] {
            let identity = heard(bytes).unwrap();
            assert_eq!(identity.product.unwrap().as_str(), product);
            assert_eq!(identity.version.unwrap().as_str(), version);
        }
    }

    #[test]
    fn a_server_that_refuses_is_one_all_the_same() {
        let mut refusal = QUERY.to_vec();
        refusal[4..6].copy_from_slice(&[0x80, 0x05]);
        assert_eq!(heard(&refusal), Some(Identity::certain("dns")));
        let bare = b"\x00\x0cVD\x80\x05\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(heard(bare), Some(Identity::certain("dns")));
    }

    #[test]
    fn an_echo_and_other_bytes_are_not() {
        assert_eq!(heard(QUERY), None);
        assert_eq!(heard(b""), None);
        for cut in 0..BIND.len() {
            assert_eq!(heard(&BIND[..cut]), None);
            let _ = parse_answer(&BIND[2..cut.max(2)]);
        }
    }
}
