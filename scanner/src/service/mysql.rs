//! MySQL and MariaDB (MySQL client/server protocol, "Protocol::HandshakeV10" and "ERR_Packet").

use super::{Heard, Identity, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[3306, 33060],
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_greeting(heard.bytes)
}

/// The version as a greeting has it, with all that stands around it.
pub(crate) fn version(greeting: &[u8]) -> Option<&str> {
    let text = greeting.get(4..)?.strip_prefix(b"\x0a")?;
    let end = text.iter().position(|byte| *byte == 0).filter(|end| *end < 64)?;
    std::str::from_utf8(&text[..end]).ok()
}

/// What a server is by its version, as it says it in its greeting and to who asks.
pub(crate) fn named(version: &str) -> Option<Identity> {
    // MariaDB 10 and later: a prefix for the sake of old replicas.
    let plain = version.strip_prefix("5.5.5-").unwrap_or(version);
    let number = plain
        .split(['-', '+'])
        .next()
        .filter(|number| number.contains('.') && version.is_ascii())?;
    let product = if version.contains("MariaDB") {
        "MariaDB"
    } else {
        "MySQL"
    };
    Some(Identity::certain("mysql").product(product, Some(number)))
}

/// Reads the packet with which the server greets: a handshake, or the error that turns strangers away.
pub fn parse_greeting(bytes: &[u8]) -> Option<Identity> {
    let [low, middle, high, 0, payload @ ..] = bytes else {
        return None;
    };
    let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
    let payload = payload.get(..length)?;
    let identity = Identity::certain("mysql");
    match payload {
        [10, rest @ ..] => {
            let end = rest
                .iter()
                .position(|byte| *byte == 0)
                .filter(|end| (1..64).contains(end))?;
            named(std::str::from_utf8(&rest[..end]).ok()?)
        }
        [0xff, _, _, message @ ..] => {
            let says = |text: &str| message.windows(text.len()).any(|part| part == text.as_bytes());
            if says("MariaDB server") {
                Some(identity.product("MariaDB", None))
            } else if says("MySQL server") {
                Some(identity.product("MySQL", None))
            } else {
                None
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[length, 0, 0, 0], payload].concat()
    }

    #[test]
    fn both_families_are_told_apart() {
        let maria = parse_greeting(&packet(b"\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\0rest")).unwrap();
        assert_eq!(
            maria,
            Identity::certain("mysql").product("MariaDB", Some("10.11.19"))
        );
        let mysql = parse_greeting(&packet(b"\x0a8.0.36\0rest")).unwrap();
        assert_eq!(mysql, Identity::certain("mysql").product("MySQL", Some("8.0.36")));
    }

    #[test]
    fn a_stranger_is_told_the_product_at_least() {
        let refusal =
            packet(b"\xff\x6a\x04Host '192.0.2.1' is not allowed to connect to this MariaDB server");
        assert_eq!(
            parse_greeting(&refusal).unwrap().product.unwrap().as_str(),
            "MariaDB"
        );
    }

    #[test]
    fn a_packet_that_lies_about_its_length_is_nothing() {
        assert_eq!(parse_greeting(b"\xff\xff\xff\0\x0a8.0\0"), None);
        assert_eq!(parse_greeting(&packet(b"\x0a8.0.36")), None);
        assert_eq!(parse_greeting(b""), None);
    }
}
