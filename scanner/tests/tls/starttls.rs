//! The ways to TLS that begin in the clear: a relay speaks the protocol's lines, behind it stands openssl.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
};

use vedette_protocol::finding::{FindingType, Outcome, TlsVersion};

use crate::{
    audit,
    openssl::{Keys, Server},
};

/// What a relay says, and then hears.
type Lines = &'static [(&'static [u8], &'static [u8])];

/// Listens on a port that the protocol is usual on, of those that are free here.
fn relay(ports: &[u16], lines: Lines, to: SocketAddr) -> Option<SocketAddr> {
    let listener = ports
        .iter()
        .find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).ok())?;
    let endpoint = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || converse(client, lines, to));
        }
    });
    Some(endpoint)
}

fn converse(mut client: TcpStream, lines: Lines, to: SocketAddr) -> io::Result<()> {
    for (say, hear) in lines {
        client.write_all(say)?;
        let mut heard = vec![0; hear.len()];
        client.read_exact(&mut heard)?;
        if heard != *hear {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let server = TcpStream::connect(to)?;
    let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
    let upwards = thread::spawn({
        let mut server = server.try_clone()?;
        move || {
            let _ = io::copy(&mut up, &mut server);
            server.shutdown(std::net::Shutdown::Write)
        }
    });
    let _ = io::copy(&mut down, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
    let _ = upwards.join();
    Ok(())
}

#[test]
fn tls_behind_other_protocols_is_audited_like_any_other() {
    let weak = ["-cipher", "ECDHE+AES:@SECLEVEL=0"];
    let server = Server::start(Keys::Ecdsa, &weak);
    let cases: &[(&[u16], Lines)] = &[
        (
            &[2525, 587],
            &[
                (b"220 mail.example ESMTP\r\n", b"EHLO scanner.invalid\r\n"),
                (b"250-mail.example\r\n250 STARTTLS\r\n", b"STARTTLS\r\n"),
                (b"220 go on\r\n", b""),
            ],
        ),
        (
            &[143],
            &[(b"* OK IMAP\r\n", b"a STARTTLS\r\n"), (b"a OK\r\n", b"")],
        ),
        (&[110], &[(b"+OK\r\n", b"STLS\r\n"), (b"+OK\r\n", b"")]),
        (
            &[2121],
            &[(b"220 FTP\r\n", b"AUTH TLS\r\n"), (b"234 go on\r\n", b"")],
        ),
        (
            &[3268, 389],
            &[
                (b"", b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
                (b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", b""),
            ],
        ),
        (
            &[5433, 6432],
            &[(b"", b"\0\0\0\x08\x04\xd2\x16\x2f"), (b"S", b"")],
        ),
    ];
    let mut audited_ports = 0;
    for (ports, lines) in cases {
        // A port that something else on this machine has is left to it.
        let Some(endpoint) = relay(ports, lines, server.endpoint) else {
            continue;
        };
        audited_ports += 1;
        let audited = audit(endpoint);
        assert_eq!(audited.report.outcome(), Outcome::Complete, "{ports:?}");
        assert!(audited.versions().contains(&TlsVersion::Tls13), "{ports:?}");
        assert!(
            audited.weaknesses().contains(&FindingType::TlsOldVersions),
            "{ports:?}"
        );
        let certificate = FindingType::TlsCertificateSelfSigned;
        assert!(
            audited
                .findings
                .iter()
                .any(|finding| finding.type_ == certificate)
        );
    }
    assert!(audited_ports >= 3, "only {audited_ports} of the ports were free");
}

#[test]
fn a_server_that_declines_is_left_in_peace() {
    let server = Server::start(Keys::Ecdsa, &[]);
    let lines: Lines = &[
        (b"220 mail.example ESMTP\r\n", b"EHLO scanner.invalid\r\n"),
        (b"250 mail.example\r\n", b"?"),
    ];
    let endpoint = relay(&[2525, 587, 25], lines, server.endpoint).expect("a free port of SMTP");
    let audited = audit(endpoint);
    assert_eq!(audited.report.outcome(), Outcome::Complete);
    assert!(audited.versions().is_empty() && audited.grade().is_none());
}
