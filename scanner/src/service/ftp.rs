//! FTP (RFC 959, section 4.2): the server greets with `220 text`.

use super::{Heard, Identity, Service, banner::Greeting};

pub(crate) const SERVICE: Service = Service {
    ports: GREETING.ports,
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

const GREETING: Greeting = Greeting {
    protocol: "ftp",
    ports: &[21, 990, 2121],
    codes: &["220", "421"],
    names: &["FTP", "FILEZILLA SERVER"],
    not: "SMTP",
    products: &[
        ("vsFTPd", "vsFTPd"),
        ("ProFTPD", "ProFTPD"),
        ("Pure-FTPd", "Pure-FTPd"),
        ("FileZilla Server", "FileZilla Server"),
        ("Microsoft FTP Service", "Microsoft FTP Service"),
        ("Serv-U FTP", "Serv-U FTP"),
        ("pyftpdlib", "pyftpdlib"),
    ],
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    GREETING.recognise(heard)
}

/// Reads a greeting. One that does not name its protocol is tentative: SMTP servers greet alike.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    GREETING.parse(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_greeting() {
        for (greeting, product, version) in [
            ("220 (vsFTPd 3.0.3)\r\n", "vsFTPd", Some("3.0.3")),
            (
                "220 ProFTPD 1.3.8 Server (Debian) [192.0.2.1]\r\n",
                "ProFTPD",
                Some("1.3.8"),
            ),
            ("220 ProFTPD Server (Debian) [192.0.2.1]\r\n", "ProFTPD", None),
            (
                "220---------- Welcome to Pure-FTPd [privsep] [TLS] ----------\r\n",
                "Pure-FTPd",
                None,
            ),
            (
                "220-FileZilla Server 1.7.0\r\n",
                "FileZilla Server",
                Some("1.7.0"),
            ),
        ] {
            let identity = parse_greeting(greeting.as_bytes()).unwrap();
            assert_eq!(identity.product.unwrap().as_str(), product);
            assert_eq!(identity.version.as_ref().map(|version| version.as_str()), version);
        }
    }

    #[test]
    fn mail_servers_are_not_ftp() {
        assert_eq!(parse_greeting(b"220 mail.lan ESMTP Postfix\r\n"), None);
        assert_eq!(parse_greeting(b"220ready\r\n"), None);
    }
}
