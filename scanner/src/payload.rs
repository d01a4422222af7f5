//! What a UDP port is asked: the first words of the protocol that is at home there, since most services answer to
//! nothing else.
//!
//! One row for each protocol, written after its specification. Almost every question bears a number that differs from
//! host to host, port to port and attempt to attempt, and with it its checksum, which an ICMP error quotes. A port
//! where nothing is at home gets empty lines. Where several protocols share a port they take turns, attempt by
//! attempt. Pure. None changes anything on a server or logs in; SNMP's old versions have no question without a
//! community, so that one names `public`, as the discovery does.

use std::net::IpAddr;

use crate::{
    ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, SEQUENCE, write},
    message::{
        dns, netbios,
        snmp::{self, Ask, engine, system_objects},
    },
    service::tftp,
};

/// The first words of one protocol.
struct Payload {
    ports: &'static [u16],
    /// To this host, with this number in it.
    say: fn(IpAddr, u32) -> Vec<u8>,
}

/// What is said to a port at an attempt; the first is number 1.
pub(crate) fn payload(host: IpAddr, port: u16, attempt: u8, number: u32) -> Vec<u8> {
    let rows = || PAYLOADS.iter().filter(|row| row.ports.contains(&port));
    let turn = usize::from(attempt.saturating_sub(1)) % rows().count().max(1);
    match rows().nth(turn) {
        Some(row) => (row.say)(host, number),
        None => text(number),
    }
}

/// The ports where a protocol is at home that we know the words of.
pub fn known_ports() -> impl Iterator<Item = u16> {
    PAYLOADS.iter().flat_map(|row| row.ports.iter().copied())
}

const PAYLOADS: &[Payload] = &[
    // DNS (RFC 1035), its server's name (RFC 4892).
    Payload {
        ports: &[53, 5335],
        say: |_, number| {
            [
                &half(number)[..],
                b"\0\0\0\x01\0\0\0\0\0\0\x07version\x04bind\0\0\x10\0\x03",
            ]
            .concat()
        },
    },
    // TFTP (RFC 1350): a file that nobody has. Most answer from another port, and are recognised as a service alone.
    Payload {
        ports: &[69],
        say: |_, number| tftp::question(&format!("vedette-{number:08x}")),
    },
    // ONC RPC (RFC 5531): the null procedure of the port mapper, version 2, and of NFS, version 3.
    Payload {
        ports: &[111],
        say: |_, number| rpc(number, 100_000, 2),
    },
    Payload {
        ports: &[2049],
        say: |_, number| rpc(number, 100_003, 3),
    },
    // NTP (RFC 5905): version 4, a client; the number is in the time of transmission.
    Payload {
        ports: &[123],
        say: |_, number| [&[0x23][..], &[0; 39], &number.to_be_bytes(), &[0; 4]].concat(),
    },
    Payload {
        ports: &[137],
        say: |_, number| netbios::status_question(u16::from_be_bytes(half(number))),
    },
    // SNMP: version 3's discovery of the engine, and version 2c.
    Payload {
        ports: &[161, 1161],
        say: |_, number| engine::question(positive(number)),
    },
    Payload {
        ports: &[161, 1161],
        say: |_, number| {
            let id = i32::from(i16::from_be_bytes(positive(number)));
            snmp::question(Ask::Get, "public", id, &system_objects())
        },
    },
    // XDMCP (X Consortium standard), section 8: Query, without authentication.
    Payload {
        ports: &[177],
        say: |_, _| b"\0\x01\0\x02\0\x01\0".to_vec(),
    },
    // Connectionless LDAP (MS-ADTS, 3.1.1.3.1.3): the attribute netlogon of the root.
    Payload {
        ports: &[389],
        say: |_, number| cldap(number),
    },
    // QUIC (RFC 9000, section 6): a version that nobody speaks is answered with those that are spoken.
    Payload {
        ports: &[443, 784, 853, 8853],
        say: |_, number| {
            let id = [number.to_be_bytes(), number.to_be_bytes()].concat();
            let mut packet = [&[0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8][..], &id, &[8], &id].concat();
            packet.resize(1200, 0);
            packet
        },
    },
    // IKE (RFC 7296, section 2.5): a major version that nobody speaks is answered with a notification; on 4500
    // behind the marker of RFC 3948.
    Payload {
        ports: &[500],
        say: |_, number| ike(number),
    },
    Payload {
        ports: &[4500],
        say: |_, number| [&[0; 4][..], &ike(number)].concat(),
    },
    // RIP version 2 (RFC 2453, section 3.9.1): the whole table.
    Payload {
        ports: &[520],
        say: |_, _| [&[1, 2, 0, 0][..], &[0; 16], &[0, 0, 0, 16]].concat(),
    },
    // RMCP (IPMI 2.0, section 13.2.3): are you there?
    Payload {
        ports: &[623],
        say: |_, number| {
            [
                &[6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80][..],
                &half(number)[1..],
                &[0, 0],
            ]
            .concat()
        },
    },
    // OpenVPN's control channel: a hard reset of the client, version 2.
    Payload {
        ports: &[1194],
        say: |_, number| [&[0x38][..], &number.to_be_bytes(), &number.to_be_bytes(), &[0; 5]].concat(),
    },
    // SQL Server Resolution Protocol (MC-SQLR, 2.2.2): the instances of this one host.
    Payload {
        ports: &[1434],
        say: |_, _| vec![3],
    },
    // UPnP (UPnP Device Architecture 1.1, section 1.3.2), to one host.
    Payload {
        ports: &[1900],
        say: |host, number| {
            let host = authority(host);
            format!(
                "M-SEARCH * HTTP/1.1\r\nHOST: {host}:1900\r\nMAN: \"ssdp:discover\"\r\nST: upnp:rootdevice\r\nUSER-AGENT: {number:08x}\r\n\r\n"
            )
            .into_bytes()
        },
    },
    // STUN (RFC 8489, section 5): a binding request.
    Payload {
        ports: &[3478],
        say: |_, number| {
            [
                &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..],
                &[0; 8],
                &number.to_be_bytes(),
            ]
            .concat()
        },
    },
    // WS-Discovery 1.1, section 5.2: whatever device there is.
    Payload {
        ports: &[3702],
        say: |_, number| {
            format!(
                "<?xml version=\"1.0\"?><e:Envelope xmlns:e=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\"><e:Header><a:MessageID>urn:uuid:{number:08x}-0000-4000-8000-000000000000</a:MessageID><a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></e:Header><e:Body><d:Probe/></e:Body></e:Envelope>"
            )
            .into_bytes()
        },
    },
    // SIP (RFC 3261, section 11): what can you do?
    Payload {
        ports: &[5060],
        say: |host, number| {
            let host = authority(host);
            format!(
                "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{number:08x};rport\r\nMax-Forwards: 70\r\nFrom: <sip:scan@{host}>;tag={number:08x}\r\nTo: <sip:{host}>\r\nCall-ID: {number:08x}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes()
        },
    },
    // NAT-PMP (RFC 6886, section 3.2): the outer address.
    Payload {
        ports: &[5351],
        say: |_, _| vec![0, 0],
    },
    // Multicast DNS, to one host (RFC 6763, section 9), and LLMNR (RFC 4795).
    Payload {
        ports: &[5353],
        say: |_, number| names(number, &dns::Question::Services),
    },
    Payload {
        ports: &[5355],
        say: |host, number| names(number, &dns::Question::Reverse(host)),
    },
    // CoAP (RFC 7252; RFC 6690, section 4): what is there?
    Payload {
        ports: &[5683],
        say: |_, number| [&[0x40, 1][..], &half(number), b"\xbb.well-known\x04core"].concat(),
    },
    // memcached's UDP header and its version.
    Payload {
        ports: &[11_211],
        say: |_, number| [&half(number)[..], b"\0\0\0\x01\0\0version\r\n"].concat(),
    },
    // EtherNet/IP (CIP volume 2, section 2-4.2): List Identity.
    Payload {
        ports: &[44_818],
        say: |_, number| [&[0x63, 0][..], &[0; 10], &number.to_be_bytes(), &[0; 8]].concat(),
    },
];

/// Two empty lines, which what takes lines will say something to, and the number.
fn text(number: u32) -> Vec<u8> {
    [b"\r\n\r\n", &number.to_be_bytes()[..]].concat()
}

fn half(number: u32) -> [u8; 2] {
    let [a, b, c, d] = number.to_be_bytes();
    [a ^ c, b ^ d]
}

/// As two bytes of a positive INTEGER, in its shortest form.
fn positive(number: u32) -> [u8; 2] {
    let [a, b] = half(number);
    [a & 0x3f | 0x40, b]
}

fn authority(host: IpAddr) -> String {
    match host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    }
}

fn rpc(number: u32, program: u32, version: u32) -> Vec<u8> {
    // A call, RPC version 2, the null procedure, without credentials.
    let words = [number, 0, 2, program, version, 0, 0, 0, 0, 0];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

fn ike(number: u32) -> Vec<u8> {
    let spi = [number.to_be_bytes(), [0, 0, 0, 1]].concat();
    // IKE_SA_INIT of version 3.0, by an initiator, message 0, of 28 bytes.
    [&spi[..], &[0; 8], &[0, 0x30, 34, 0x08], &[0; 4], &[0, 0, 0, 28]].concat()
}

fn cldap(number: u32) -> Vec<u8> {
    let search = [
        write(OCTETS, b""),
        write(ENUMERATED, &[0]),
        write(ENUMERATED, &[0]),
        write(INTEGER, &[0]),
        write(INTEGER, &[0]),
        write(BOOLEAN, &[0]),
        // Whatever has a class.
        write(0x87, b"objectClass"),
        write(SEQUENCE, &write(OCTETS, b"netlogon")),
    ];
    let message = [write(INTEGER, &positive(number)), write(0x63, &search.concat())];
    write(SEQUENCE, &message.concat())
}

fn names(number: u32, question: &dns::Question) -> Vec<u8> {
    let id = u16::from_be_bytes(half(number));
    // The names are literals, or made of an address.
    dns::question(id, dns::Asked::Host, question).unwrap_or_else(|| text(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_question_fits_into_a_packet_and_most_bear_the_number() {
        let host = IpAddr::from([192, 0, 2, 1]);
        for port in known_ports().chain([9, 40_000]) {
            let say = |number| payload(host, port, 1, number);
            assert!((1..=1200).contains(&say(1).len()), "{port}");
            assert_eq!(say(1).len(), say(0x7fff_fff1).len(), "{port}");
            let bare = [177, 520, 1434, 5351].contains(&port);
            assert_eq!(say(1) == say(0x7fff_fff1), bare, "{port}");
        }
    }

    #[test]
    fn who_shares_a_port_takes_turns() {
        let host = IpAddr::from([192, 0, 2, 1]);
        let say = |attempt| payload(host, 161, attempt, 7);
        assert_ne!(say(1), say(2));
        assert_eq!(say(1), say(3));
    }

    proptest! {
        #[test]
        fn no_port_is_without_a_question(host: IpAddr, port: u16, attempt: u8, number: u32) {
            prop_assert!(!payload(host, port, attempt, number).is_empty());
        }
    }
}
