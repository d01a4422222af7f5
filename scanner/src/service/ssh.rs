//! SSH (RFC 4253, section 4.2): the server greets with `SSH-protoversion-softwareversion comments`.

use super::{Heard, Identity, Service, banner};

pub(crate) const SERVICE: Service = Service {
    ports: &[22, 2222, 22222],
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_greeting(heard.bytes)
}

/// Reads a greeting; lines before the version are allowed.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    let line = banner::line(bytes, "SSH-")?;
    let (_, software) = line.strip_prefix("SSH-")?.split_once('-')?;
    let software = software
        .split(' ')
        .next()
        .filter(|software| !software.is_empty())?;
    let identity = Identity::certain("ssh");
    // OpenSSH_9.2p1, dropbear_2022.83, Cisco-1.25: the version begins with a digit behind a separator.
    let cut = software
        .match_indices(['_', '-'])
        .find(|(at, _)| software[at + 1..].starts_with(|c: char| c.is_ascii_digit()));
    Some(match cut {
        Some((at, _)) => identity.product(&software[..at], Some(&software[at + 1..])),
        None => identity.product(software, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_and_version_are_told_apart() {
        for (greeting, product, version) in [
            (
                "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n",
                "OpenSSH",
                Some("9.2p1"),
            ),
            ("SSH-2.0-dropbear_2022.83\r\n", "dropbear", Some("2022.83")),
            ("Keep out\r\nSSH-2.0-Cisco-1.25\n", "Cisco", Some("1.25")),
            ("SSH-2.0-Go\r\n", "Go", None),
        ] {
            let identity = parse_greeting(greeting.as_bytes()).unwrap();
            assert_eq!(identity.product.unwrap().as_str(), product);
            assert_eq!(identity.version.as_ref().map(|version| version.as_str()), version);
        }
    }

    #[test]
    fn other_greetings_are_not_ssh() {
        assert_eq!(parse_greeting(b"220 SSH-2.0-x\r\n"), None);
        assert_eq!(parse_greeting(b"SSH-2.0"), None);
        assert_eq!(parse_greeting(b""), None);
    }
}
