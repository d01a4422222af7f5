//! SNMP (RFC 3411 to 3418): asked who it is in the way in which version 3 has strangers begin, the
//! discovery of its engine (RFC 3414, section 4). No community name is tried.

use super::{Datagram, Heard, Identity, Question, Service};
use crate::message::snmp::engine;

pub(crate) const SERVICE: Service = Service {
    ports: &[161, 1161],
    question: Some(question),
    follow: None,
    recognise,
    datagram: Some(Datagram {
        ports: &[161, 1161],
        question: || engine::question(ID),
        recognise: parse_report,
    }),
};

fn question(_: &str) -> Question {
    Question::saying(engine::question(ID))
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_report(heard.bytes)
}

/// Reads the report that names the engine; its maker is known by its number.
pub fn parse_report(bytes: &[u8]) -> Option<Identity> {
    let maker = engine::parse_report(ID, bytes)?;
    Some(of_maker(maker).unwrap_or_else(|| Identity::certain("snmp")))
}

/// The agent of a maker with this number, if there is one that is known.
pub(crate) fn of_maker(maker: u32) -> Option<Identity> {
    let (_, product) = MAKERS.iter().find(|(number, _)| *number == maker)?;
    Some(Identity::certain("snmp").product(product, None))
}

/// Numbers of IANA's list of private enterprises, and the agents that use them.
const MAKERS: &[(u32, &str)] = &[
    (8072, "Net-SNMP"),
    (9, "Cisco SNMP agent"),
    (2636, "Juniper SNMP agent"),
];
const ID: [u8; 2] = [0x56, 0x44];

#[cfg(test)]
mod tests {
    use super::*;

    /// What snmpd 5.9.3 of Debian 12 answered.
    const SNMPD: &[u8] = b"0m\x02\x01\x030\x0f\x02\x02VD\x02\x03\x00\xff\xe3\x04\x01\x00\x02\x01\x03\x04!0\x1f\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x02\x01\x01\x02\x01\x19\x04\x00\x04\x00\x04\x0004\x04\x11\x80\x00\x1f\x88\x80Wo\x00p\x86\xe5\x02k\x00\x00\x00\x00\x04\x00\xa8\x1d\x02\x02VD\x02\x01\x00\x02\x01\x000\x110\x0f\x06\n+\x06\x01\x06\x03\x0f\x01\x01\x04\x00A\x01\x01";

    #[test]
    fn an_engine_is_known_by_its_maker() {
        assert_eq!(
            parse_report(SNMPD),
            Some(Identity::certain("snmp").product("Net-SNMP", None))
        );
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
