//! NATS (its client protocol): the server greets with `INFO` and an object in JSON.

use serde_json::Value;

use super::{Heard, Identity, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[4222, 4443],
    question: None,
    follow: None,
    recognise,
    datagram: None,
};

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_info(heard.bytes)
}

/// Reads the greeting.
pub fn parse_info(bytes: &[u8]) -> Option<Identity> {
    let line = bytes
        .strip_prefix(b"INFO ")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let info: Value = serde_json::from_slice(line).ok()?;
    // What a server says that is none of NATS' kin.
    info.get("server_id").and_then(Value::as_str)?;
    let version = info.get("version").and_then(Value::as_str);
    Some(Identity::certain("nats").product("NATS", version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_tells_the_version() {
        // What nats-server 2.9.10 of Debian 12 said, cut in the middle.
        let greeting = b"INFO {\"server_id\":\"ND5FX7EYZKYFYF7UZPJYIQGSQYYAYOIBXQQGCVDSATSEWNTNFROVB7GD\",\"version\":\"2.9.10\",\"proto\":1,\"go\":\"go1.19.8\",\"host\":\"127.0.0.1\",\"port\":4222} \r\n";
        let told = parse_info(greeting).unwrap();
        assert_eq!(told, Identity::certain("nats").product("NATS", Some("2.9.10")));
    }

    #[test]
    fn other_bytes_are_not() {
        for bytes in [
            b"".as_slice(),
            b"INFO ",
            b"INFO {}\r\n",
            b"INFO [[[[[[[[[\r\n",
            b"INFO server\r\n",
        ] {
            assert_eq!(parse_info(bytes), None);
        }
    }
}
