//! How protocols that begin in the clear get to TLS, one exchange of lines after the other. Pure: what was
//! heard goes in, what is to be done next comes out.

use vedette_protocol::target::HostName;

/// A way to TLS that begins in the clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// In which protocol.
    pub protocol: StartTls,
    /// As what the server is addressed, where a protocol asks for that.
    pub host: Option<HostName>,
}

/// A protocol with a way to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartTls {
    /// RFC 3207.
    Smtp,
    /// RFC 9051, section 6.2.1.
    Imap,
    /// RFC 2595, section 4.
    Pop3,
    /// RFC 4217.
    Ftp,
    /// RFC 4511, section 4.14.
    Ldap,
    /// PostgreSQL's protocol 3.0, "SSLRequest".
    PostgreSql,
    /// MySQL's client/server protocol, "SSLRequest".
    MySql,
    /// RFC 6120, section 5.
    Xmpp,
}

/// What to do next on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Listen for more.
    Listen,
    /// Say this, and forget what was heard.
    Say(Vec<u8>),
    /// TLS begins.
    Begin,
    /// They do not offer it.
    Declined,
}

/// The protocols, with the names that services go by and their usual ports.
const PROTOCOLS: &[(StartTls, &str, &[u16])] = &[
    (StartTls::Smtp, "smtp", &[25, 587, 2525]),
    (StartTls::Imap, "imap", &[143]),
    (StartTls::Pop3, "pop3", &[110]),
    (StartTls::Ftp, "ftp", &[21, 2121]),
    (StartTls::Ldap, "ldap", &[389, 3268]),
    (StartTls::PostgreSql, "postgresql", &[5432, 5433, 6432]),
    (StartTls::MySql, "mysql", &[3306]),
    (StartTls::Xmpp, "xmpp", &[5222, 5269]),
];

impl StartTls {
    /// The way that a recognised service has.
    pub fn of_service(name: &str) -> Option<Self> {
        let found = PROTOCOLS.iter().find(|(_, service, _)| *service == name);
        found.map(|(protocol, _, _)| *protocol)
    }

    /// The way that is usual on a port.
    pub fn of_port(port: u16) -> Option<Self> {
        let found = PROTOCOLS.iter().find(|(_, _, ports)| ports.contains(&port));
        found.map(|(protocol, _, _)| *protocol)
    }
}

impl Upgrade {
    /// What to do when so many things were said by us, and this was heard since.
    pub fn next(&self, said: usize, heard: &[u8]) -> Move {
        match self.protocol {
            StartTls::Smtp => smtp(said, heard),
            StartTls::Imap => imap(said, heard),
            StartTls::Pop3 => pop3(said, heard),
            StartTls::Ftp => ftp(said, heard),
            StartTls::Ldap => ldap(said, heard),
            StartTls::PostgreSql => postgresql(said, heard),
            StartTls::MySql => mysql(said, heard),
            StartTls::Xmpp => self.xmpp(said, heard),
        }
    }

    fn xmpp(&self, said: usize, heard: &[u8]) -> Move {
        let has = |text: &str| heard.windows(text.len()).any(|part| part == text.as_bytes());
        match said {
            0 => {
                let to = self.host.as_ref().map(|host| format!(" to='{}'", host.as_str()));
                let stream = format!(
                    "<?xml version='1.0'?><stream:stream{} xmlns='jabber:client' \
                     xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
                    to.unwrap_or_default()
                );
                Move::Say(stream.into_bytes())
            }
            1 if has("</stream:features>") && has(XMPP_TLS) => {
                Move::Say(format!("<starttls xmlns='{XMPP_TLS}'/>").into_bytes())
            }
            1 if has("</stream:features>") || has("</stream:stream>") => Move::Declined,
            2 if has("<proceed") && heard.ends_with(b">") => Move::Begin,
            2 if has("<failure") || has("</stream:stream>") => Move::Declined,
            _ => Move::Listen,
        }
    }
}

/// What each protocol makes of these bytes, at each step of its way.
pub fn each_upgrade(heard: &[u8]) -> Vec<Move> {
    let upgrades = PROTOCOLS.iter().map(|(protocol, ..)| Upgrade {
        protocol: *protocol,
        host: None,
    });
    upgrades
        .flat_map(|upgrade| (0..4).map(move |said| upgrade.next(said, heard)))
        .collect()
}

fn smtp(said: usize, heard: &[u8]) -> Move {
    match (said, code(heard)) {
        (_, None) => Move::Listen,
        (0, Some(220)) => Move::Say(b"EHLO scanner.invalid\r\n".to_vec()),
        (1, Some(250))
            if heard
                .to_ascii_uppercase()
                .windows(8)
                .any(|part| part == b"STARTTLS") =>
        {
            Move::Say(b"STARTTLS\r\n".to_vec())
        }
        (2, Some(220)) => Move::Begin,
        _ => Move::Declined,
    }
}

fn ftp(said: usize, heard: &[u8]) -> Move {
    match (said, code(heard)) {
        (_, None) => Move::Listen,
        (0, Some(220)) => Move::Say(b"AUTH TLS\r\n".to_vec()),
        (1, Some(234)) => Move::Begin,
        _ => Move::Declined,
    }
}

fn imap(said: usize, heard: &[u8]) -> Move {
    let answer = if said == 0 { "* OK" } else { "a OK" };
    match line(heard, if said == 0 { "* " } else { "a " }) {
        None => Move::Listen,
        Some(line) if !line.starts_with(answer.as_bytes()) => Move::Declined,
        Some(_) if said == 0 => Move::Say(b"a STARTTLS\r\n".to_vec()),
        Some(_) => Move::Begin,
    }
}

fn pop3(said: usize, heard: &[u8]) -> Move {
    match line(heard, "") {
        None => Move::Listen,
        Some(line) if !line.starts_with(b"+OK") => Move::Declined,
        Some(_) if said == 0 => Move::Say(b"STLS\r\n".to_vec()),
        Some(_) => Move::Begin,
    }
}

/// An extended request for 1.3.6.1.4.1.1466.20037; the answer is an extended response with a result code.
fn ldap(said: usize, heard: &[u8]) -> Move {
    const REQUEST: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
    if said == 0 {
        return Move::Say(REQUEST.to_vec());
    }
    let result = || {
        let (0x30, message, _) = tlv(heard)? else {
            return None;
        };
        let (_, _number, rest) = tlv(message)?;
        let (0x78, response, _) = tlv(rest)? else {
            return None;
        };
        let (0x0a, [result], _) = tlv(response)? else {
            return None;
        };
        Some(*result)
    };
    match (result(), heard.first()) {
        (Some(0), _) => Move::Begin,
        (Some(_), _) => Move::Declined,
        (None, Some(0x30) | None) => Move::Listen,
        (None, Some(_)) => Move::Declined,
    }
}

fn postgresql(said: usize, heard: &[u8]) -> Move {
    const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    match (said, heard.first()) {
        (0, _) => Move::Say(SSL_REQUEST.to_vec()),
        (_, None) => Move::Listen,
        (_, Some(b'S')) => Move::Begin,
        (_, Some(_)) => Move::Declined,
    }
}

/// After the greeting, whose lower capabilities stand behind version, thread and the first salt.
fn mysql(said: usize, heard: &[u8]) -> Move {
    const CLIENT_SSL: u8 = 0x08;
    /// Protocol 4.1 and SSL; packets up to 16 MiB; UTF-8; 23 zeros.
    const SSL_REQUEST: [u8; 36] = {
        let mut packet = [0; 36];
        packet[0] = 32;
        packet[3] = 1;
        packet[5] = 0x0a;
        packet[7] = 0x01;
        packet[12] = 33;
        packet
    };
    if said > 0 {
        return Move::Begin;
    }
    let [low, middle, high, _, packet @ ..] = heard else {
        return Move::Listen;
    };
    let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
    let Some(packet) = packet.get(..length) else {
        return Move::Listen;
    };
    let version = packet.iter().position(|byte| *byte == 0);
    let capabilities = version.and_then(|end| packet.get(end + 1 + 4 + 8 + 1 + 1));
    match (packet.first(), capabilities) {
        (Some(10), Some(high)) if high & CLIENT_SSL != 0 => Move::Say(SSL_REQUEST.to_vec()),
        _ => Move::Declined,
    }
}

/// The code of a reply of FTP or SMTP, once its last line is there (RFC 5321, section 4.2.1).
fn code(heard: &[u8]) -> Option<u16> {
    let end = heard.iter().rposition(|byte| *byte == b'\n')?;
    let last = heard[..end].rsplit(|byte| *byte == b'\n').next()?;
    let digits = last
        .get(..3)
        .filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let more = last.get(3) == Some(&b'-');
    (!more).then(|| std::str::from_utf8(digits).ok()?.parse().ok())?
}

/// The first whole line that starts so.
fn line<'a>(heard: &'a [u8], start: &str) -> Option<&'a [u8]> {
    let end = heard.iter().rposition(|byte| *byte == b'\n')?;
    let mut lines = heard[..end].split(|byte| *byte == b'\n');
    lines.find(|line| line.starts_with(start.as_bytes()))
}

/// Tag, value and rest of a value in BER (X.690, section 8.1) with a definite length.
fn tlv(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0x00..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

const XMPP_TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Plays a server's lines; what it would be said to in the end.
    fn play(protocol: StartTls, lines: &[&[u8]]) -> Move {
        let host = Some("host.example".parse().unwrap());
        let upgrade = Upgrade { protocol, host };
        let (mut said, mut lines) = (0, lines.iter());
        let mut heard = Vec::new();
        loop {
            match upgrade.next(said, &heard) {
                Move::Listen => match lines.next() {
                    Some(line) => heard.extend_from_slice(line),
                    None => return Move::Listen,
                },
                Move::Say(_) => {
                    said += 1;
                    heard.clear();
                }
                end => return end,
            }
        }
    }

    #[test]
    fn each_protocol_gets_to_tls_or_hears_that_there_is_none() {
        let mysql = |capabilities: u8| {
            let version = b"8.0.36\0";
            let mut packet = vec![10];
            packet.extend(version);
            packet.extend([0; 4 + 8 + 1]);
            packet.extend([0xff, capabilities, 33, 0, 0]);
            [&[u8::try_from(packet.len()).unwrap(), 0, 0, 0], packet.as_slice()].concat()
        };
        let (with, without) = (mysql(0xff), mysql(0xf7));
        let features =
            b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>";
        type Lines<'a> = &'a [&'a [u8]];
        let cases: &[(StartTls, Lines<'_>, Lines<'_>)] = &[
            (
                StartTls::Smtp,
                &[
                    b"220-mail\r\n",
                    b"220 ready\r\n",
                    b"250-mail\r\n250-STARTTLS\r\n",
                    b"250 OK\r\n",
                    b"220 go\r\n",
                ],
                &[b"220 ready\r\n", b"250-mail\r\n250 SIZE\r\n"],
            ),
            (
                StartTls::Imap,
                &[b"* OK ready\r\n", b"* note\r\na OK begin\r\n"],
                &[b"* OK ready\r\n", b"a BAD no\r\n"],
            ),
            (
                StartTls::Pop3,
                &[b"+OK\r\n", b"+OK\r\n"],
                &[b"+OK\r\n", b"-ERR\r\n"],
            ),
            (
                StartTls::Ftp,
                &[b"220 x\r\n", b"234 x\r\n"],
                &[b"220 x\r\n", b"530 x\r\n"],
            ),
            (
                StartTls::Ldap,
                &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00", b"\x04\x00\x04\x00"],
                &[b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00"],
            ),
            (StartTls::PostgreSql, &[b"S"], &[b"N"]),
            (StartTls::MySql, &[&with], &[&without]),
            (
                StartTls::Xmpp,
                &[
                    b"<stream:stream>",
                    features,
                    b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                ],
                &[b"<stream:stream><stream:features></stream:features>"],
            ),
        ];
        for (protocol, offers, declines) in cases {
            assert_eq!(play(*protocol, offers), Move::Begin, "{protocol:?}");
            assert_eq!(play(*protocol, declines), Move::Declined, "{protocol:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = each_upgrade(&bytes);
        }
    }
}
