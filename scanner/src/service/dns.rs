//! DNS over TCP (RFC 1035, section 4.2.2; RFC 7766): asked which server it is, as RFC 4892 describes for
//! `version.bind` in the class CHAOS.

use super::{Datagram, Heard, Identity, Question, Service};
use crate::{
    message::dns::{self, Asked},
    probe::Until,
};

pub(crate) const SERVICE: Service = Service {
    ports: &[53, 853, 5353, 5335],
    question: Some(question),
    follow: None,
    recognise,
    datagram: Some(Datagram {
        ports: &[53, 5335],
        questions: &[query],
        until: Until::Pause,
        recognise: parse_answer,
    }),
};

fn question(_: &str) -> Question {
    let query = query();
    // Over TCP behind its length.
    let length = u16::try_from(query.len()).unwrap_or_default().to_be_bytes();
    Question::saying([&length[..], &query].concat())
}

fn query() -> Vec<u8> {
    dns::question(ID, Asked::Host, &dns::Question::Version).unwrap_or_default()
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_answer(inside(heard.bytes)?)
}

/// The message behind its length.
fn inside(heard: &[u8]) -> Option<&[u8]> {
    let (length, message) = heard.split_first_chunk::<2>()?;
    message.get(..usize::from(u16::from_be_bytes(*length)))
}

/// The text with which a server said its version.
pub(crate) fn version(heard: &[u8]) -> Option<String> {
    dns::parse_version(ID, inside(heard)?)?
}

/// Reads a message that answers our question, and what its text says of the server.
pub fn parse_answer(message: &[u8]) -> Option<Identity> {
    let identity = Identity::certain("dns");
    Some(match dns::parse_version(ID, message)? {
        Some(text) => named(identity, &text),
        None => identity,
    })
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

/// The number of our question.
const ID: u16 = 0x5644;
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
    fn the_question_is_that_of_the_rfc() {
        let asked = b"\x00\x1e\x56\x44\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07version\x04bind\x00\x00\x10\x00\x03";
        assert_eq!(question("").say, asked);
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
        let mut refusal = question("").say;
        refusal[4..6].copy_from_slice(&[0x80, 0x05]);
        assert_eq!(heard(&refusal), Some(Identity::certain("dns")));
        let bare = b"\x00\x0cVD\x80\x05\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(heard(bare), Some(Identity::certain("dns")));
    }

    #[test]
    fn an_echo_and_other_bytes_are_not() {
        assert_eq!(heard(&question("").say), None);
        assert_eq!(heard(b""), None);
        for cut in 0..BIND.len() {
            assert_eq!(heard(&BIND[..cut]), None);
            let _ = parse_answer(&BIND[2..cut.max(2)]);
        }
    }
}
