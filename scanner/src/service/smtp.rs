//! SMTP (RFC 5321, section 4.2): the server greets with `220 domain text`.

use vedette_protocol::finding::Confidence;

use super::{Heard, Identity, Service, banner};

pub(crate) const SERVICE: Service = Service {
    ports: &[25, 587, 465, 2525],
    question: None,
    recognise,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    let on_its_port = SERVICE.ports.contains(&heard.port);
    parse_greeting(heard.bytes).filter(|identity| identity.confidence > Confidence::Tentative || on_its_port)
}

/// Reads a greeting. One that does not name its protocol is tentative: FTP servers greet alike.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    // 554 (section 3.1) greets those who are not served, or who spoke too early.
    let line = ["220", "421", "554"]
        .iter()
        .find_map(|code| banner::line(bytes, code))?;
    let named = line.to_ascii_uppercase().contains("SMTP");
    if !line[3..].starts_with([' ', '-']) || (!named && line.to_ascii_uppercase().contains("FTP")) {
        return None;
    }
    let confidence = if named {
        Confidence::Certain
    } else {
        Confidence::Tentative
    };
    let identity = Identity {
        confidence,
        ..Identity::certain("smtp")
    };
    Some(match banner::known_product(&line, PRODUCTS) {
        Some((product, version)) => identity.product(product, version),
        None if line.contains("Python SMTP") => {
            identity.product("aiosmtpd", banner::version_after(&line, "Python SMTP"))
        }
        None => identity,
    })
}

const PRODUCTS: &[&str] = &[
    "Postfix",
    "Exim",
    "OpenSMTPD",
    "Sendmail",
    "Haraka",
    "MailEnable",
    "MDaemon",
    "Stalwart",
    "Mailpit",
    "Microsoft ESMTP MAIL Service",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_greeting() {
        for (greeting, product, version) in [
            (
                "220 mail.lan ESMTP Exim 4.96 Sun, 22 Nov 2026 09:00:00 +0000\r\n",
                "Exim",
                Some("4.96"),
            ),
            ("220 mail.lan ESMTP Postfix (Debian/GNU)\r\n", "Postfix", None),
            ("220 mail.lan ESMTP OpenSMTPD\r\n", "OpenSMTPD", None),
            ("220 mail.lan Python SMTP 1.4.3\r\n", "aiosmtpd", Some("1.4.3")),
            (
                "220-mail.lan ESMTP Sendmail 8.17.1/8.17.1; Sun\r\n220 x\r\n",
                "Sendmail",
                Some("8.17.1"),
            ),
        ] {
            let identity = parse_greeting(greeting.as_bytes()).unwrap();
            assert_eq!(identity.product.unwrap().as_str(), product);
            assert_eq!(identity.version.as_ref().map(|version| version.as_str()), version);
            assert_eq!(identity.confidence, Confidence::Certain);
        }
    }

    #[test]
    fn a_greeting_without_the_protocol_counts_on_its_port_only() {
        let heard = |port| Heard {
            port,
            bytes: b"220 ready\r\n",
        };
        assert!(recognise(&heard(25)).is_some());
        assert!(recognise(&heard(2121)).is_none());
        assert_eq!(parse_greeting(b"220 (vsFTPd 3.0.3)\r\n"), None);
        assert_eq!(parse_greeting(b"2200\r\n"), None);
    }
}
