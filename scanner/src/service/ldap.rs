//! LDAP (RFC 4511): asked for its root entry (RFC 4512, section 5.1), which every server shows to strangers.

use super::{Heard, Identity, Question, Service};
use crate::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, elements, inside, write};

pub(crate) const SERVICE: Service = Service {
    ports: &[389, 636, 3268, 3269, 1389],
    question: Some(question),
    follow: None,
    recognise,
    datagram: None,
};

/// A search of the root alone, for its attributes and those that are shown only when asked for.
fn question(_: &str) -> Question {
    let attributes = [write(OCTETS, b"*"), write(OCTETS, b"+")].concat();
    let search = [
        write(OCTETS, b""),
        write(ENUMERATED, &[0]),
        write(ENUMERATED, &[0]),
        write(INTEGER, &[1]),
        write(INTEGER, &[5]),
        write(BOOLEAN, &[0]),
        write(PRESENT, b"objectClass"),
        write(SEQUENCE, &attributes),
    ];
    let message = [write(INTEGER, &[1]), write(SEARCH, &search.concat())];
    Question::saying(write(SEQUENCE, &message.concat()))
}

fn recognise(heard: &Heard<'_>) -> Option<Identity> {
    parse_answer(heard.bytes)
}

/// Reads the answer to that search: the root entry, or its end alone.
pub fn parse_answer(bytes: &[u8]) -> Option<Identity> {
    let (message, _) = inside(bytes, SEQUENCE)?;
    let (id, answer) = inside(message, INTEGER)?;
    if id != [1] {
        return None;
    }
    let identity = Identity::certain("ldap");
    if let Some((done, _)) = inside(answer, SEARCH_DONE) {
        return inside(done, ENUMERATED).map(|_| identity);
    }
    let (entry, _) = inside(answer, SEARCH_ENTRY)?;
    let (_, attributes) = inside(entry, OCTETS)?;
    let (attributes, _) = inside(attributes, SEQUENCE)?;
    let value = |wanted: &str| {
        elements(attributes).find_map(|(_, attribute)| {
            let (name, values) = inside(attribute, OCTETS)?;
            let (values, _) = inside(values, SET)?;
            name.eq_ignore_ascii_case(wanted.as_bytes()).then_some(values)
        })
    };
    let text = |wanted| {
        let (text, _) = inside(value(wanted)?, OCTETS)?;
        std::str::from_utf8(text).ok().filter(|text| text.is_ascii())
    };
    let is_openldap = value("objectClass")
        .is_some_and(|classes| elements(classes).any(|(_, class)| class == b"OpenLDAProotDSE"));
    Some(match (text("vendorName"), text("vendorVersion")) {
        _ if is_openldap => identity.product("OpenLDAP", None),
        (Some(vendor), version) => {
            // 389-Directory/2.3.1 B2024.018.0000
            let number = version.and_then(|version| version.rsplit('/').next()?.split(' ').next());
            let number = number.filter(|number| number.starts_with(|c: char| c.is_ascii_digit()));
            match vendor {
                "389 Project" => identity.product("389 Directory Server", number),
                vendor => identity.product(vendor, number),
            }
        }
        (None, _) if value("domainControllerFunctionality").is_some() => {
            Identity::firm("ldap").product("Microsoft Active Directory", None)
        }
        (None, _) => identity,
    })
}

const SET: u8 = 0x31;
const SEARCH: u8 = 0x63;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const PRESENT: u8 = 0x87;

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of what slapd 2.5.13 of Debian 12 answered.
    const SLAPD: &[u8] = b"0\x82\x03]\x02\x01\x01d\x82\x03V\x04\x000\x82\x03P0%\x04\x0bobjectClass1\x16\x04\x03top\x04\x0fOpenLDAProotDSE0*\x04\x15structuralObjectClass1\x11\x04\x0fOpenLDAProotDSE";

    #[test]
    fn the_question_is_a_search_of_the_root() {
        let question = question("").say;
        assert_eq!(question[..8], [0x30, 0x2b, 0x02, 0x01, 0x01, 0x63, 0x26, 0x04]);
        // Who only repeats it does not answer it.
        assert_eq!(parse_answer(&question), None);
    }

    #[test]
    fn servers_are_known_by_their_root() {
        assert_eq!(
            parse_answer(SLAPD),
            Some(Identity::certain("ldap").product("OpenLDAP", None))
        );
        let done = b"0\x0c\x02\x01\x01e\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert_eq!(parse_answer(done), Some(Identity::certain("ldap")));
        // Put together by hand, after RFC 3045.
        let vendor = b"0\x41\x02\x01\x01d\x3c\x04\x000\x380\x1b\x04\x0avendorname1\x0d\x04\x0b389 Project0\x19\x04\x0dvendorversion1\x08\x04\x06x/2.3 B1";
        let told = parse_answer(vendor).unwrap();
        assert_eq!(told.product.unwrap().as_str(), "389 Directory Server");
        assert_eq!(told.version.unwrap().as_str(), "2.3");
    }

    #[test]
    fn other_bytes_are_not() {
        for bytes in [
            b"".as_slice(),
            b"0",
            b"0\x84\xff\xff\xff\xff",
            b"0\x03\x02\x01\x02",
            b"HTTP/1.1 400",
        ] {
            assert_eq!(parse_answer(bytes), None);
        }
    }
}
