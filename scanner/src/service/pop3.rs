//! POP3 (RFC 1939, section 4): the server greets with `+OK text`.

use vedette_protocol::finding::Confidence;

use super::{Heard, Identity, Service, banner};

pub(crate) const SERVICE: Service = Service {
    ports: &[110, 995],
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    let at_home = SERVICE.ports.contains(&heard.port);
    parse_greeting(heard.bytes).filter(|identity| identity.confidence > Confidence::Tentative || at_home)
}

/// Reads a greeting. One that names neither protocol nor product is tentative: others say `+OK` too.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    let line = bytes
        .starts_with(b"+OK")
        .then(|| banner::line(bytes, "+OK"))
        .flatten()?;
    let known = PRODUCTS.iter().find(|(_, sign)| line.contains(sign));
    if let Some((product, sign)) = known {
        return Some(Identity::certain("pop3").product(product, banner::version_after(&line, sign)));
    }
    let upper = line.to_ascii_uppercase();
    Some(Identity {
        confidence: if upper.contains("POP") {
            Confidence::Certain
        } else {
            Confidence::Tentative
        },
        ..Identity::certain("pop3")
    })
}

const PRODUCTS: &[(&str, &str)] = &[
    ("Dovecot", "Dovecot"),
    ("Cyrus POP3", "Cyrus POP3"),
    ("Qpopper", "Qpopper"),
    ("Microsoft Exchange", "Microsoft Exchange"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_greeting() {
        // What Dovecot 2.3.19 of Debian 12 said: it keeps its version to itself.
        let told = parse_greeting(b"+OK Dovecot (Debian) ready.\r\n").unwrap();
        assert_eq!((told.product.unwrap().as_str(), told.version), ("Dovecot", None));
    }

    #[test]
    fn a_bare_ok_counts_on_its_port_only() {
        let heard = |port| {
            recognise(&Heard {
                port,
                bytes: b"+OK ready\r\n",
            })
        };
        assert!(heard(110).is_some() && heard(6379).is_none());
        assert_eq!(parse_greeting(b"-ERR\r\n"), None);
    }
}
