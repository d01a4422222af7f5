//! The discovery of an SNMP engine: how version 3 has strangers begin (RFC 3414, section 4). Needs no community name
//! and no user, and every agent of version 3 answers it.

use crate::ber::{INTEGER, OCTETS, SEQUENCE, inside, write};

/// The message that asks, under a number that is positive.
pub(crate) fn question(id: [u8; 2]) -> Vec<u8> {
    let empty = || write(OCTETS, b"");
    let header = [
        write(INTEGER, &id),
        write(INTEGER, &[0, 0xff, 0xe3]),
        // Reportable, neither authenticated nor private.
        write(OCTETS, &[4]),
        write(INTEGER, USER_SECURITY),
    ];
    let security = [
        empty(),
        write(INTEGER, &[0]),
        write(INTEGER, &[0]),
        empty(),
        empty(),
        empty(),
    ];
    let get = [
        write(INTEGER, &id),
        write(INTEGER, &[0]),
        write(INTEGER, &[0]),
        write(SEQUENCE, b""),
    ];
    let scoped = [empty(), empty(), write(GET, &get.concat())];
    let message = [
        write(INTEGER, VERSION_3),
        write(SEQUENCE, &header.concat()),
        write(OCTETS, &write(SEQUENCE, &security.concat())),
        write(SEQUENCE, &scoped.concat()),
    ];
    write(SEQUENCE, &message.concat())
}

/// The number of an engine's maker (RFC 3411, SnmpEngineID; IANA's list of private enterprises), out of the report
/// that answers. It need not be whole: over TCP, what was heard may be cut short.
pub fn parse_report(id: [u8; 2], bytes: &[u8]) -> Option<u32> {
    let (message, _) = inside(bytes, SEQUENCE)?;
    let (version, rest) = inside(message, INTEGER)?;
    let (header, rest) = inside(rest, SEQUENCE)?;
    let (of, _) = inside(header, INTEGER)?;
    let (security, _) = inside(rest, OCTETS)?;
    let (security, _) = inside(security, SEQUENCE)?;
    let (engine, _) = inside(security, OCTETS)?;
    // Who only repeats the question names no engine.
    let maker = engine.first_chunk::<4>()?;
    let ours = version == VERSION_3 && *of == id;
    ours.then(|| u32::from_be_bytes(*maker) & 0x7fff_ffff)
}

const VERSION_3: &[u8] = &[3];
const USER_SECURITY: &[u8] = &[3];
const GET: u8 = 0xa0;
