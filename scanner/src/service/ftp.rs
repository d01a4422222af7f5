//! FTP (RFC 959, section 4.2): the server greets with `220 text`.

use vedette_protocol::finding::Confidence;

use super::{Heard, Identity, Service, banner};

pub(crate) const SERVICE: Service = Service {
    ports: &[21, 990, 2121],
    question: None,
    recognise,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    let on_its_port = SERVICE.ports.contains(&heard.port);
    parse_greeting(heard.bytes).filter(|identity| identity.confidence > Confidence::Tentative || on_its_port)
}

/// Reads a greeting. One that does not name its protocol is tentative: SMTP servers greet alike.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    let line = ["220", "421"].iter().find_map(|code| banner::line(bytes, code))?;
    let upper = line.to_ascii_uppercase();
    let named = upper.contains("FTP") || upper.contains("FILEZILLA SERVER");
    if !line[3..].starts_with([' ', '-']) || upper.contains("SMTP") {
        return None;
    }
    let confidence = if named {
        Confidence::Certain
    } else {
        Confidence::Tentative
    };
    let identity = Identity {
        confidence,
        ..Identity::certain("ftp")
    };
    Some(match banner::known_product(&line, PRODUCTS) {
        Some((product, version)) => identity.product(product, version),
        None => identity,
    })
}

const PRODUCTS: &[&str] = &[
    "vsFTPd",
    "ProFTPD",
    "Pure-FTPd",
    "FileZilla Server",
    "Microsoft FTP Service",
    "Serv-U FTP",
    "pyftpdlib",
];

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
