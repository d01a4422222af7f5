//! What a client says first, written by hand: no library offers what ought to be refused.
//!
//! Everything in it is fixed, so that the same question is the same bytes. Nothing here is secret: few
//! handshakes that are opened with it come to their end, and nobody's words go through those.

use vedette_protocol::{finding::TlsVersion, target::HostName};

use super::{
    group::Group,
    suite::{RENEGOTIATION, Ssl2Cipher, Suite},
};

/// A ClientHello (RFC 5246, section 7.4.1.2; RFC 8446, section 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// The one version that is offered.
    pub version: TlsVersion,
    /// The suites, the most welcome first.
    pub suites: Vec<Suite>,
    /// The groups; no share is sent for any, so that TLS 1.3 answers with the group that it wants.
    pub groups: Vec<Group>,
    /// The server name.
    pub name: Option<HostName>,
    /// What else is offered.
    pub offers: Vec<Offer>,
}

/// What a client may offer beside suites and groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// DEFLATE (RFC 3749).
    Compression,
    /// HTTP/2 and others (RFC 7301).
    Protocols,
    /// A session ticket (RFC 5077).
    Ticket,
    /// To look at a stapled OCSP answer (RFC 6066, section 8).
    Staple,
    /// To look at certificate timestamps (RFC 6962, section 3.3.1).
    Timestamps,
    /// Heartbeats (RFC 6520).
    Heartbeat,
    /// The master secret that is bound to the handshake (RFC 7627).
    ExtendedMasterSecret,
    /// To encrypt first and authenticate then (RFC 7366).
    EncryptThenMac,
}

/// What a hello has beside what each has.
enum More<'a> {
    Nothing,
    Ticket { session: &'a [u8], ticket: &'a [u8] },
    Verified(&'a [u8]),
}

impl ClientHello {
    /// Its record.
    pub fn record(&self) -> Vec<u8> {
        self.first(&self.message(&More::Nothing))
    }

    /// Its record, for a client that returns with a ticket and a session's id of its own choosing (RFC 5077, section
    /// 3.4): who takes the ticket repeats the id.
    pub fn returning(&self, session: &[u8], ticket: &[u8]) -> Vec<u8> {
        self.first(&self.message(&More::Ticket { session, ticket }))
    }

    /// The message alone, for a client that begins anew inside a handshake's keys, whose Finished had this in it
    /// (RFC 5746, section 3.5).
    pub fn anew(&self, verify: &[u8]) -> Vec<u8> {
        self.message(&More::Verified(verify))
    }

    fn first(&self, message: &[u8]) -> Vec<u8> {
        let outer = match self.version {
            TlsVersion::Ssl2 | TlsVersion::Ssl3 => TlsVersion::Ssl3,
            _ => TlsVersion::Tls10,
        };
        record(HANDSHAKE, outer, message)
    }

    fn message(&self, more: &More<'_>) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.legacy_version().to_be_bytes());
        body.extend(RANDOM);
        match (self.version, more) {
            (_, More::Ticket { session, .. }) => block8(&mut body, session),
            (TlsVersion::Tls13, _) => block8(&mut body, &SESSION),
            _ => block8(&mut body, &[]),
        }
        let mut suites: Vec<u8> = self
            .suites
            .iter()
            .flat_map(|suite| suite.0.to_be_bytes())
            .collect();
        if self.version < TlsVersion::Tls13 && !matches!(more, More::Verified(_)) {
            suites.extend(RENEGOTIATION.0.to_be_bytes());
        }
        block16(&mut body, &suites);
        match self.offers.contains(&Offer::Compression) {
            true => block8(&mut body, &[1, 0]),
            false => block8(&mut body, &[0]),
        }
        // SSLv3 knows no extensions.
        if self.version > TlsVersion::Ssl3 {
            let mut extensions = self.extensions();
            match more {
                More::Nothing => {}
                More::Ticket { ticket, .. } => {
                    extension(&mut extensions, TICKET, |body| body.extend(*ticket))
                }
                More::Verified(verify) => {
                    extension(&mut extensions, RENEGOTIATION_INFO, |body| block8(body, verify));
                }
            }
            pad(&mut extensions, body.len());
            block16(&mut body, &extensions);
        }
        let mut message = vec![CLIENT_HELLO];
        block24(&mut message, &body);
        message
    }

    fn legacy_version(&self) -> u16 {
        self.version.min(TlsVersion::Tls12).number()
    }

    fn extensions(&self) -> Vec<u8> {
        let mut all = Vec::new();
        if let Some(name) = &self.name {
            let mut entry = vec![0];
            block16(&mut entry, name.as_str().as_bytes());
            extension(&mut all, 0, |body| block16(body, &entry));
        }
        let groups: Vec<u8> = self
            .groups
            .iter()
            .flat_map(|group| group.0.to_be_bytes())
            .collect();
        if !groups.is_empty() {
            extension(&mut all, 10, |body| block16(body, &groups));
            extension(&mut all, 11, |body| block8(body, &[0, 1, 2]));
        }
        if self.version >= TlsVersion::Tls12 {
            let schemes: Vec<u8> = SIGNATURES
                .iter()
                .flat_map(|scheme| scheme.to_be_bytes())
                .collect();
            extension(&mut all, 13, |body| block16(body, &schemes));
        }
        for offer in &self.offers {
            match offer {
                Offer::Compression => {}
                Offer::Protocols => {
                    let mut names = Vec::new();
                    for name in PROTOCOLS {
                        block8(&mut names, name.as_bytes());
                    }
                    extension(&mut all, 16, |body| block16(body, &names));
                }
                Offer::Ticket => extension(&mut all, TICKET, |_| {}),
                Offer::Staple => extension(&mut all, 5, |body| body.extend([1, 0, 0, 0, 0])),
                Offer::Timestamps => extension(&mut all, 18, |_| {}),
                Offer::Heartbeat => extension(&mut all, 15, |body| body.push(1)),
                Offer::ExtendedMasterSecret => extension(&mut all, 23, |_| {}),
                Offer::EncryptThenMac => extension(&mut all, 22, |_| {}),
            }
        }
        if self.version == TlsVersion::Tls13 {
            extension(&mut all, 43, |body| {
                block8(body, &TlsVersion::Tls13.number().to_be_bytes())
            });
            extension(&mut all, 45, |body| block8(body, &[1]));
            extension(&mut all, 51, |body| block16(body, &[]));
        }
        all
    }
}

/// The ClientHello of SSLv2 (Hickman 1995, section 5.5.1), with all of its ciphers: the answer lists those
/// that the server knows.
pub fn ssl2_hello() -> Vec<u8> {
    let ciphers: Vec<u8> = Ssl2Cipher::ALL.iter().flat_map(|(cipher, _)| cipher.0).collect();
    let challenge = &RANDOM[..16];
    let mut body = vec![1];
    body.extend(TlsVersion::Ssl2.number().to_be_bytes());
    for part in [ciphers.len(), 0, challenge.len()] {
        body.extend(short(part).to_be_bytes());
    }
    body.extend(ciphers);
    body.extend(challenge);
    let mut hello = (short(body.len()) | 0x8000).to_be_bytes().to_vec();
    hello.extend(body);
    hello
}

/// A record with a whole message in it.
pub fn record(kind: u8, version: TlsVersion, message: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.extend(version.number().to_be_bytes());
    block16(&mut record, message);
    record
}

/// Some servers of F5 hang on hellos of 256 to 511 bytes (RFC 7685): none of ours is that long.
fn pad(extensions: &mut Vec<u8>, before: usize) {
    let length = before + extensions.len() + 6;
    if (256..512).contains(&length) {
        let zeros = 512_usize.saturating_sub(length + 4);
        extension(extensions, 21, |body| body.resize(zeros, 0));
    }
}

fn extension(all: &mut Vec<u8>, number: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    all.extend(number.to_be_bytes());
    block16(all, &body);
}

fn block8(to: &mut Vec<u8>, bytes: &[u8]) {
    to.push(u8::try_from(bytes.len()).expect("a list of ours, short by its making"));
    to.extend(bytes);
}

fn block16(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(short(bytes.len()).to_be_bytes());
    to.extend(bytes);
}

fn block24(to: &mut Vec<u8>, bytes: &[u8]) {
    to.push(0);
    block16(to, bytes);
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a message of ours, short by its making")
}

/// Content types and message types of records.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const HEARTBEAT: u8 = 24;
const CLIENT_HELLO: u8 = 1;

pub(crate) const RENEGOTIATION_INFO: u16 = 0xff01;
const TICKET: u16 = 35;

/// "vedette" and zeros: a random that is none shows in a packet capture who asks.
pub(crate) const RANDOM: [u8; 32] = *b"vedette scans this host for TLS.";
const SESSION: [u8; 32] = RANDOM;

const PROTOCOLS: &[&str] = &[
    "h2",
    "http/1.1",
    "http/1.0",
    "imap",
    "pop3",
    "xmpp-client",
    "ftp",
    "dot",
    "postgresql",
    "mqtt",
];

/// IANA's "TLS SignatureScheme" registry and, for TLS 1.2, the pairs of RFC 5246 with SHA-1, SHA-224, MD5
/// and DSA.
const SIGNATURES: &[u16] = &[
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501,
    0x0601, 0x081a, 0x081b, 0x081c, 0x0904, 0x0905, 0x0906, 0x0708, 0x0402, 0x0502, 0x0602, 0x0303, 0x0301,
    0x0302, 0x0203, 0x0201, 0x0202, 0x0101,
];
