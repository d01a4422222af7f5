//! SMTP (RFC 5321, section 4.2): the server greets with `220 domain text`.

use super::{Heard, Identity, Service, banner::Greeting};

pub(crate) const SERVICE: Service = Service {
    ports: GREETING.ports,
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

const GREETING: Greeting = Greeting {
    protocol: "smtp",
    ports: &[25, 587, 465, 2525],
    // 554 (section 3.1) greets those who are not served, or who spoke too early.
    codes: &["220", "421", "554"],
    names: &["SMTP"],
    not: "FTP",
    products: &[
        ("Postfix", "Postfix"),
        ("Exim", "Exim"),
        ("OpenSMTPD", "OpenSMTPD"),
        ("Sendmail", "Sendmail"),
        ("Haraka", "Haraka"),
        ("MailEnable", "MailEnable"),
        ("MDaemon", "MDaemon"),
        ("Stalwart", "Stalwart"),
        ("Mailpit", "Mailpit"),
        ("Microsoft ESMTP MAIL Service", "Microsoft ESMTP MAIL Service"),
        ("aiosmtpd", "Python SMTP"),
    ],
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    GREETING.recognise(heard)
}

/// Reads a greeting. One that does not name its protocol is tentative: FTP servers greet alike.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    GREETING.parse(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vedette_protocol::finding::Confidence;

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
