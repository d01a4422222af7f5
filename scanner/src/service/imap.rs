//! IMAP4rev1 (RFC 9051, section 7.1): the server greets with an untagged `OK`, `PREAUTH` or `BYE`.

use super::{Heard, Identity, Service, banner};

pub(crate) const SERVICE: Service = Service {
    ports: &[143, 993],
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_greeting(heard.bytes)
}

/// Reads a greeting.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    let line = ["* OK ", "* PREAUTH ", "* BYE "]
        .iter()
        .find(|start| bytes.starts_with(start.as_bytes()))
        .and_then(|start| banner::line(bytes, start))?;
    let identity = Identity::certain("imap");
    let known = PRODUCTS.iter().find(|(_, sign)| line.contains(sign));
    Some(match known {
        Some((product, sign)) => identity.product(product, banner::version_after(&line, sign)),
        None => identity,
    })
}

const PRODUCTS: &[(&str, &str)] = &[
    ("Dovecot", "Dovecot"),
    ("Cyrus IMAP", "Cyrus IMAP"),
    ("Courier IMAP", "Courier-IMAP"),
    ("Microsoft Exchange", "Microsoft Exchange Server"),
    ("Stalwart", "Stalwart"),
    ("Zimbra", "Zimbra"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_greeting() {
        // What Dovecot 2.3.19 of Debian 12 said: it keeps its version to itself.
        let dovecot = b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n";
        let told = parse_greeting(dovecot).unwrap();
        assert_eq!((told.product.unwrap().as_str(), told.version), ("Dovecot", None));
        assert_eq!(
            parse_greeting(b"* BYE too many\r\n"),
            Some(Identity::certain("imap"))
        );
    }

    #[test]
    fn other_greetings_are_not() {
        for bytes in [
            b"".as_slice(),
            b"+OK Dovecot ready.\r\n",
            b"* no\r\n",
            b"220 * OK \r\n",
        ] {
            assert_eq!(parse_greeting(bytes), None);
        }
    }
}
