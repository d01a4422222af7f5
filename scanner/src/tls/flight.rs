//! What a server answers to a ClientHello, as far as it is in the clear: records (RFC 5246, section 6.2),
//! the messages in them, alerts. Bytes of a stranger's choosing: lengths are believed only as far as there
//! are bytes, and nothing is kept that was not sent.

use vedette_protocol::finding::TlsVersion;

use super::{
    group::Group,
    hello::{ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, HEARTBEAT},
    suite::{Ssl2Cipher, Suite},
};

/// The first flight of a server, or its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flight {
    /// ServerHello, or HelloRetryRequest.
    pub hello: Option<ServerHello>,
    /// The certificates, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// Length of a stapled OCSP response (CertificateStatus).
    pub staple: Option<usize>,
    /// ServerKeyExchange.
    pub key_exchange: Option<KeyExchange>,
    /// Whether the server has said all that it says in this flight.
    pub done: bool,
    /// The description of the first alert.
    pub alert: Option<u8>,
    /// Whether a heartbeat was answered.
    pub heartbeat: bool,
    /// A session ticket (RFC 5077, section 3.3).
    pub ticket: Option<Vec<u8>>,
    /// Whether the server changed to the keys agreed on.
    pub changed: bool,
    /// What it said after that: content types, and how many bytes were sealed. Records that are not whole are not here.
    pub sealed: Vec<(u8, usize)>,
}

/// A ServerHello (RFC 5246, section 7.4.1.3), or a HelloRetryRequest (RFC 8446, section 4.1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// The version agreed on.
    pub version: TlsVersion,
    /// The suite agreed on.
    pub suite: Suite,
    /// The group that TLS 1.3 agrees on, or wants.
    pub group: Option<Group>,
    /// The session's id.
    pub session: Vec<u8>,
    /// Whether records will be compressed.
    pub compressed: bool,
    /// The other extensions, with how long they are.
    pub extensions: Vec<Extension>,
}

/// An extension of a ServerHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// IANA's number.
    pub number: u16,
    /// What is in it.
    pub body: Vec<u8>,
}

/// The server's share of a key (RFC 5246, section 7.4.3; RFC 8422, section 5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyExchange {
    /// On a curve.
    Curve(Group),
    /// In a finite field: its prime, without leading zeros.
    Field(Vec<u8>),
    /// RSA with a short key of its own: its modulus.
    ShortRsa(Vec<u8>),
}

/// Bytes that are no record of SSL or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these are no records of TLS")]
pub struct NotTls;

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// ServerHello.
    Hello,
    /// The whole first flight.
    Flight,
    /// An alert, or the end.
    Alert,
    /// The ServerHello of SSLv2.
    Ssl2,
}

impl Stage {
    /// Whether it is reached, or never will be.
    pub(crate) fn is_reached(self, heard: &[u8]) -> bool {
        if self == Self::Ssl2 {
            return ssl2_length(heard).is_none_or(|length| heard.len() >= 2 + length);
        }
        match parse_flight(heard) {
            Err(NotTls) => true,
            Ok(flight) => {
                flight.alert.is_some()
                    || match self {
                        Self::Hello => flight.hello.is_some(),
                        Self::Flight => flight.done,
                        Self::Alert | Self::Ssl2 => false,
                    }
            }
        }
    }
}

/// Reads a flight; one that is cut gives what is whole in it.
///
/// # Errors
/// When it is not TLS, or contradicts itself.
pub fn parse_flight(bytes: &[u8]) -> Result<Flight, NotTls> {
    let mut flight = Flight::default();
    let mut handshake = Vec::new();
    let mut rest = bytes;
    while let [kind, major, minor, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *major != 3 || *minor > 4 || !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(kind) || length > LONGEST {
            return Err(NotTls);
        }
        let body = &after[..length.min(after.len())];
        match *kind {
            _ if flight.changed => {
                if body.len() == length && flight.sealed.len() < SEALED_LIMIT {
                    flight.sealed.push((*kind, length));
                }
            }
            CHANGE_CIPHER_SPEC if body.len() == length => flight.changed = true,
            HANDSHAKE => handshake.extend_from_slice(body),
            ALERT => {
                if let [_, description, ..] = body {
                    flight.alert = flight.alert.or(Some(*description));
                }
            }
            HEARTBEAT => flight.heartbeat |= body.first() == Some(&HEARTBEAT_RESPONSE),
            // What follows is encrypted.
            _ => break,
        }
        rest = after.get(length..).unwrap_or_default();
    }
    if bytes
        .first()
        .is_some_and(|kind| !(CHANGE_CIPHER_SPEC..=HEARTBEAT).contains(kind))
    {
        return Err(NotTls);
    }
    let mut messages = Reader(&handshake);
    while let Some((kind, body)) = messages.message() {
        flight.take(kind, body)?;
    }
    Ok(flight)
}

/// The handshake messages before the keys change, one behind the other with their headers: what a Finished is made
/// over (RFC 5246, section 7.4.9).
pub(super) fn transcript(bytes: &[u8]) -> Vec<u8> {
    let (mut messages, mut rest) = (Vec::new(), bytes);
    while let [HANDSHAKE, _, _, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        messages.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    messages
}

/// The body of the first message of a kind.
pub(super) fn message(transcript: &[u8], kind: u8) -> Option<&[u8]> {
    let mut reader = Reader(transcript);
    std::iter::from_fn(|| reader.message()).find_map(|(found, body)| (found == kind).then_some(body))
}

impl Flight {
    fn take(&mut self, kind: u8, body: &[u8]) -> Result<(), NotTls> {
        match kind {
            2 if self.hello.is_none() => {
                let hello = ServerHello::parse(body).ok_or(NotTls)?;
                // The rest of TLS 1.3 is encrypted, or waits for another hello of ours.
                self.done = hello.version == TlsVersion::Tls13;
                self.hello = Some(hello);
            }
            11 if self.chain.is_empty() => self.chain = chain(body).ok_or(NotTls)?,
            // A lifetime comes before it.
            4 if self.ticket.is_none() => {
                let mut reader = Reader(body.get(4..).unwrap_or_default());
                self.ticket = reader.block16().map(<[u8]>::to_vec);
            }
            22 => self.staple = body.get(4..).map(<[u8]>::len),
            12 => {
                let suite = self.hello.as_ref().ok_or(NotTls)?.suite;
                self.key_exchange = KeyExchange::parse(suite, body);
            }
            14 => self.done = true,
            _ => {}
        }
        Ok(())
    }
}

impl ServerHello {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let legacy = reader.u16()?;
        let _random = reader.take(32)?;
        let session = reader.block8()?.to_vec();
        let suite = Suite(reader.u16()?);
        let compressed = reader.take(1)? != [0];
        let mut extensions = Vec::new();
        if let Some(block) = reader.block16() {
            let mut reader = Reader(block);
            while let (Some(number), Some(body)) = (reader.u16(), reader.block16()) {
                if extensions.len() < EXTENSIONS_LIMIT {
                    extensions.push(Extension {
                        number,
                        body: body.to_vec(),
                    });
                }
            }
        }
        let body_of = |number: u16| {
            let found = extensions.iter().find(|extension| extension.number == number);
            found.map(|extension| extension.body.as_slice())
        };
        let group = body_of(51).and_then(|body| Reader(body).u16()).map(Group);
        let version = match body_of(43) {
            Some(body) => Reader(body).u16()?,
            None => legacy,
        };
        Some(Self {
            version: TlsVersion::from_number(version)?,
            suite,
            group,
            session,
            compressed,
            extensions,
        })
    }

    /// An extension by its number.
    pub fn extension(&self, number: u16) -> Option<&[u8]> {
        let found = self
            .extensions
            .iter()
            .find(|extension| extension.number == number);
        found.map(|extension| extension.body.as_slice())
    }
}

impl KeyExchange {
    fn parse(suite: Suite, body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if suite.is_ecdhe() {
            // named_curve
            return (reader.take(1)? == [3])
                .then(|| reader.u16().map(|number| Self::Curve(Group(number))))?;
        }
        let number = reader.block16()?;
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let number = number[zeros..].to_vec();
        if suite.is_dhe() {
            Some(Self::Field(number))
        } else {
            suite
                .name()
                .is_some_and(|name| name.starts_with("TLS_RSA_EXPORT"))
                .then_some(Self::ShortRsa(number))
        }
    }
}

fn chain(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut reader = Reader(Reader(body).block24()?);
    let mut chain = Vec::new();
    while let Some(der) = reader.block24() {
        if chain.len() < CHAIN_LIMIT {
            chain.push(der.to_vec());
        }
    }
    Some(chain)
}

/// Reads the ServerHello of SSLv2 (Hickman 1995, section 5.6.1): the ciphers that the server knows.
pub fn parse_ssl2(bytes: &[u8]) -> Option<Vec<Ssl2Cipher>> {
    let length = ssl2_length(bytes)?;
    let mut reader = Reader(bytes.get(2..2 + length)?);
    let [SSL2_SERVER_HELLO, _hit, _kind] = reader.take(3)? else {
        return None;
    };
    if reader.u16()? != TlsVersion::Ssl2.number() {
        return None;
    }
    let (certificate, ciphers, _connection) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let _certificate = reader.take(certificate.into())?;
    let ciphers = reader.take(ciphers.into())?;
    let known = ciphers.chunks_exact(3).take(CIPHERS_LIMIT);
    Some(
        known
            .map(|cipher| Ssl2Cipher([cipher[0], cipher[1], cipher[2]]))
            .collect(),
    )
}

/// The length of a record of SSLv2 with a short header, if it may be one.
fn ssl2_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [] => Some(1),
        [high, low, ..] if high & 0x80 != 0 => Some(usize::from(u16::from_be_bytes([high & 0x7f, *low]))),
        [high] if high & 0x80 != 0 => Some(1),
        _ => None,
    }
}

/// Takes bytes from the front as long as there are enough.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let [high, low] = self.take(2)? else { return None };
        Some(u16::from_be_bytes([*high, *low]))
    }

    fn u24(&mut self) -> Option<usize> {
        let [high, middle, low] = self.take(3)? else {
            return None;
        };
        Some(usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low))
    }

    fn block8(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length)
    }

    fn block16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn block24(&mut self) -> Option<&'a [u8]> {
        let length = self.u24()?;
        self.take(length)
    }

    fn message(&mut self) -> Option<(u8, &'a [u8])> {
        let kind = *self.take(1)?.first()?;
        Some((kind, self.block24()?))
    }
}

/// RFC 5246, section 6.2.3: with all that a cipher may add.
const LONGEST: usize = (1 << 14) + 2048;
const EXTENSIONS_LIMIT: usize = 64;
const CHAIN_LIMIT: usize = 16;
const CIPHERS_LIMIT: usize = 64;
const SEALED_LIMIT: usize = 16;
const HEARTBEAT_RESPONSE: u8 = 2;
const SSL2_SERVER_HELLO: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::hello::record;
    use proptest::prelude::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind], &length[1..], body].concat()
    }

    fn server_hello(version: u16, suite: u16, extensions: &[u8]) -> Vec<u8> {
        let length = u16::try_from(extensions.len()).unwrap().to_be_bytes();
        let parts: [&[u8]; 7] = [
            &version.to_be_bytes(),
            &[7; 32],
            &[0],
            &suite.to_be_bytes(),
            &[0],
            &length,
            extensions,
        ];
        message(2, &parts.concat())
    }

    #[test]
    fn a_flight_of_tls_1_2_is_read_in_any_cut() {
        let certificate = message(11, &[&[0, 0, 6, 0, 0, 3], b"der".as_slice()].concat());
        let exchange = message(12, &[3, 0, 29, 1, 0]);
        let messages = [
            server_hello(0x0303, 0xc02f, &[]),
            certificate,
            exchange,
            message(14, &[]),
        ]
        .concat();
        let (one, two) = messages.split_at(50);
        let bytes = [
            record(HANDSHAKE, TlsVersion::Tls12, one),
            record(HANDSHAKE, TlsVersion::Tls12, two),
        ]
        .concat();
        let flight = parse_flight(&bytes).unwrap();
        assert_eq!(flight.hello.as_ref().unwrap().suite, Suite(0xc02f));
        assert_eq!(flight.chain, [b"der"]);
        assert_eq!(flight.key_exchange, Some(KeyExchange::Curve(Group(29))));
        assert!(flight.done && flight.alert.is_none());
        for length in 0..bytes.len() {
            let part = parse_flight(&bytes[..length]).unwrap();
            assert!(!part.done);
        }
        assert!(!Stage::Hello.is_reached(&bytes[..20]) && Stage::Hello.is_reached(&bytes[..55]));
    }

    #[test]
    fn what_tls_1_3_wants_is_read_from_its_retry_request() {
        let extensions = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0x11, 0xec];
        let bytes = record(
            HANDSHAKE,
            TlsVersion::Tls12,
            &server_hello(0x0303, 0x1302, &extensions),
        );
        let hello = parse_flight(&bytes).unwrap().hello.unwrap();
        assert_eq!(
            (hello.version, hello.suite, hello.group),
            (TlsVersion::Tls13, Suite(0x1302), Some(Group(4588)))
        );
    }

    #[test]
    fn an_alert_is_an_answer_and_text_is_none() {
        let alert = record(ALERT, TlsVersion::Tls12, &[2, 40]);
        assert_eq!(parse_flight(&alert).unwrap().alert, Some(40));
        assert!(Stage::Hello.is_reached(&alert));
        for text in [b"HTTP/1.1 400 Bad Request".as_slice(), b"220 ready", b"S"] {
            assert_eq!(parse_flight(text), Err(NotTls));
            assert!(Stage::Hello.is_reached(text));
        }
    }

    #[test]
    fn a_certificate_that_claims_more_than_was_sent_is_none() {
        let claim = record(
            HANDSHAKE,
            TlsVersion::Tls12,
            &[11, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        );
        let flight = parse_flight(&claim).unwrap();
        assert!(flight.chain.is_empty() && !flight.done);
    }

    #[test]
    fn the_ciphers_of_ssl_2_are_read() {
        let body = [
            &[4, 0, 1, 0, 2, 0, 3, 0, 6, 0, 2][..],
            b"der",
            &[1, 0, 0x80, 7, 0, 0xc0],
            b"id",
        ]
        .concat();
        let bytes = [&[0x80, u8::try_from(body.len()).unwrap()][..], &body].concat();
        assert_eq!(
            parse_ssl2(&bytes),
            Some(vec![Ssl2Cipher([1, 0, 0x80]), Ssl2Cipher([7, 0, 0xc0])])
        );
        assert!(Stage::Ssl2.is_reached(&bytes) && !Stage::Ssl2.is_reached(&bytes[..5]));
        assert_eq!(parse_ssl2(&bytes[..12]), None);
        assert_eq!(parse_ssl2(b"\x15\x03\x00\x00\x02\x02\x28"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, kind in 20_u8..25) {
            let _ = (parse_flight(&bytes), parse_ssl2(&bytes));
            let _ = parse_flight(&record(kind, TlsVersion::Tls12, &bytes));
            for message_kind in [2, 11, 12, 22] {
                let message = message(message_kind, &bytes);
                let _ = parse_flight(&record(HANDSHAKE, TlsVersion::Tls12, &message));
            }
        }
    }
}
