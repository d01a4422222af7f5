//! MQTT 3.1.1 (OASIS standard): a connection without a name, and the topic under which brokers publish
//! their version.

use super::{Heard, Identity, Question, Service};

pub(crate) const SERVICE: Service = Service {
    ports: &[1883, 8883],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

/// CONNECT with a clean session, then SUBSCRIBE to `$SYS/broker/version` at quality 0.
const ASK: &[u8] =
    b"\x10\x13\x00\x04MQTT\x04\x02\x00\x1e\x00\x07vedette\x82\x18\x00\x01\x00\x13$SYS/broker/version\x00";

fn question(_: &str) -> Question {
    Question::saying(ASK)
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_answer(heard.bytes)
}

/// Reads CONNACK (section 3.2), and of what follows the message with the version.
pub fn parse_answer(bytes: &[u8]) -> Option<Identity> {
    let [0x20, 2, 0 | 1, 0..=5, rest @ ..] = bytes else {
        return None;
    };
    let identity = Identity::certain("mqtt");
    let topic = b"$SYS/broker/version";
    let at = rest.windows(topic.len()).position(|part| part == topic);
    let Some(at) = at else { return Some(identity) };
    let text: String = rest[at + topic.len()..]
        .iter()
        .take(64)
        .take_while(|byte| (b' '..=b'~').contains(byte))
        .map(|byte| char::from(*byte))
        .collect();
    // mosquitto version 2.0.11
    Some(match text.split_once(" version ") {
        Some((product, version)) if !product.is_empty() => identity.product(product, Some(version)),
        _ => identity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_well_formed() {
        assert_eq!(usize::from(ASK[1]), 19);
        assert_eq!(usize::from(ASK[22]), ASK.len() - 23);
        assert_eq!(parse_answer(ASK), None);
    }

    #[test]
    fn a_broker_tells_its_version_if_it_lets_strangers_in() {
        // What mosquitto 2.0.11 of Debian 12 answered.
        let told = parse_answer(
            b" \x02\x00\x00\x90\x03\x00\x01\x001-\x00\x13$SYS/broker/versionmosquitto version 2.0.11",
        )
        .unwrap();
        assert_eq!(
            told,
            Identity::certain("mqtt").product("mosquitto", Some("2.0.11"))
        );
        // Not authorised.
        assert_eq!(parse_answer(b"\x20\x02\x00\x05"), Some(Identity::certain("mqtt")));
    }

    #[test]
    fn other_bytes_are_not() {
        for bytes in [
            b"".as_slice(),
            b" \x02",
            b"\x20\x02\x00\x09",
            b"HTTP/1.1 400 Bad Request\r\n",
        ] {
            assert_eq!(parse_answer(bytes), None);
        }
    }
}
