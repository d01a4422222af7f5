//! SNMP (RFC 3411 to 3418): asked who it is in the way in which version 3 has strangers begin, the
//! discovery of its engine (RFC 3414, section 4); over UDP in version 2c as well, with the community that agents come
//! with. No other community name is tried.

use vedette_protocol::finding::{Evidence, Label};

use super::{Datagram, Heard, Identity, Question, Service};
use crate::{
    discover::question::PUBLIC,
    message::snmp::{self, Ask, ObjectId, Value, engine},
    probe::Until,
};

pub(crate) const SERVICE: Service = Service {
    ports: &[161, 1161],
    question: Some(question),
    follow: None,
    recognise,
    datagram: Some(Datagram {
        ports: &[161, 1161],
        questions: &[|| engine::question(ID), with_public],
        until: Until::Pause,
        recognise: |bytes| parse_report(bytes).or_else(|| of_system(bytes)),
    }),
};

fn with_public() -> Vec<u8> {
    snmp::question(Ask::Get, PUBLIC, NUMBER, &[product()])
}

/// An agent that answers with the number of its product (RFC 3418, sysObjectID).
fn of_system(bytes: &[u8]) -> Option<Identity> {
    let answer = snmp::parse_answer(bytes).filter(|answer| answer.id == NUMBER)?;
    let maker = answer.values.iter().find_map(|(_, value)| match value {
        Value::Object(object) => object.below(&enterprises())?.first().copied(),
        _ => None,
    });
    Some(
        maker
            .and_then(of_maker)
            .unwrap_or_else(|| Identity::certain(PROTOCOL)),
    )
}

/// Whether it answered to the community that everybody knows.
pub(crate) fn told_to_anybody(bytes: &[u8]) -> Option<Evidence> {
    snmp::parse_answer(bytes).filter(|answer| answer.id == NUMBER)?;
    Label::cut(PUBLIC).map(|name| Evidence::Community { name })
}

fn product() -> ObjectId {
    "1.3.6.1.2.1.1.2.0".parse().expect("a literal object")
}

/// Where the makers' numbers stand (IANA's list of private enterprises).
fn enterprises() -> ObjectId {
    "1.3.6.1.4.1".parse().expect("a literal object")
}

fn question(_: &str) -> Question {
    Question::saying(engine::question(ID))
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_report(heard.bytes)
}

/// Reads the report that names the engine; its maker is known by its number.
pub fn parse_report(bytes: &[u8]) -> Option<Identity> {
    let maker = engine::parse_report(ID, bytes)?;
    Some(of_maker(maker).unwrap_or_else(|| Identity::certain(PROTOCOL)))
}

/// The agent of a maker with this number, if there is one that is known.
pub(crate) fn of_maker(maker: u32) -> Option<Identity> {
    let (_, product) = MAKERS.iter().find(|(number, _)| *number == maker)?;
    Some(Identity::certain(PROTOCOL).product(product, None))
}

/// Numbers of IANA's list of private enterprises, and the agents that use them.
const MAKERS: &[(u32, &str)] = &[
    (8072, "Net-SNMP"),
    (9, "Cisco SNMP agent"),
    (2636, "Juniper SNMP agent"),
];
pub(crate) const PROTOCOL: &str = "snmp";
const ID: [u8; 2] = [0x56, 0x44];
const NUMBER: i32 = 0x5644;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{INTEGER, OBJECT, OCTETS, SEQUENCE, write};

    /// What snmpd 5.9.3 of Debian 12 answered.
    const SNMPD: &[u8] = b"0m\x02\x01\x030\x0f\x02\x02VD\x02\x03\x00\xff\xe3\x04\x01\x00\x02\x01\x03\x04!0\x1f\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x02\x01\x01\x02\x01\x19\x04\x00\x04\x00\x04\x0004\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x04\x00\xa8\x1d\x02\x02VD\x02\x01\x00\x02\x01\x000\x110\x0f\x06\n+\x06\x01\x06\x03\x0f\x01\x01\x04\x00A\x01\x01";

    #[test]
    fn an_engine_is_known_by_its_maker() {
        assert_eq!(
            parse_report(SNMPD),
            Some(Identity::certain(PROTOCOL).product("Net-SNMP", None))
        );
    }

    #[test]
    fn an_agent_that_answers_to_public_is_known_by_its_product() {
        let number = |number: &[u8]| write(INTEGER, number);
        let value = [
            write(OBJECT, &[0x2b, 6, 1, 2, 1, 1, 2, 0]),
            write(OBJECT, &[0x2b, 6, 1, 4, 1, 0xbf, 8, 3, 2, 10]),
        ];
        let response = [
            number(&ID),
            number(&[0]),
            number(&[0]),
            write(SEQUENCE, &write(SEQUENCE, &value.concat())),
        ];
        let message = [
            number(&[1]),
            write(OCTETS, PUBLIC.as_bytes()),
            write(0xa2, &response.concat()),
        ];
        let answer = write(SEQUENCE, &message.concat());
        assert_eq!(
            of_system(&answer),
            Some(Identity::certain(PROTOCOL).product("Net-SNMP", None))
        );
        assert!(told_to_anybody(&answer).is_some());
        assert_eq!(told_to_anybody(&with_public()), None, "an echo");
        assert_eq!(told_to_anybody(SNMPD), None, "an answer to the other question");
    }

    #[test]
    fn an_echo_and_other_bytes_are_not() {
        assert_eq!(parse_report(&question("").say), None);
        for cut in [0, 1, 5, 20, 40] {
            let _ = parse_report(&SNMPD[..cut]);
        }
        assert_eq!(parse_report(b"0\x03\x02\x01\x03"), None);
    }
}
