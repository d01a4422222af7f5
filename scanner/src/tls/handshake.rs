//! A handshake before TLS 1.3 that is brought to its end by hand (RFC 5246, section 7.3), because some flaws show only
//! behind it and no library does what shows them.
//!
//! It is told what was heard and says what to say next; `wire` does the rest. Nothing in it is secret, and nobody's
//! words go through it: the premaster secret of RSA is a literal. What a stranger sends can end it, no more.

mod prf;
mod seal;

use ring::{
    agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral},
    rand::SystemRandom,
};
use vedette_protocol::finding::TlsVersion;

use self::{
    prf::Prf,
    seal::{Cipher, Seal},
};
use super::{
    flight::{Flight, message, parse_flight, transcript},
    group::Group,
    hello::{CHANGE_CIPHER_SPEC, ClientHello, HANDSHAKE, RANDOM, record},
    suite::Suite,
};
use crate::certificate::rsa_key;

/// What a handshake is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To be given a session ticket.
    Ticket,
    /// To begin another one inside it (RFC 5246, section 7.4.1.2).
    Renegotiation,
    /// To have it done under keys made of nothing, which are forced on the server before there are others
    /// (CVE-2014-0224).
    EarlyKeys,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Hear more.
    Listen,
    /// Say this.
    Say(Vec<u8>),
    /// It is over, or cannot go on.
    Done,
}

/// A handshake under way.
#[derive(Debug)]
pub struct Handshake {
    purpose: Purpose,
    /// The ClientHello, as a record.
    hello: Vec<u8>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The hello is said.
    Greeted,
    /// Our Finished is said, and this is said to theirs.
    Finished(Option<Vec<u8>>),
    /// All is said.
    Asked,
}

/// The suites whose handshake can be brought to its end.
pub const SUITES: [Suite; 12] = [
    Suite(0xc02f),
    Suite(0xc02b),
    Suite(0xc030),
    Suite(0xc02c),
    Suite(0xc013),
    Suite(0xc009),
    Suite(0xc014),
    Suite(0xc00a),
    Suite(0x009c),
    Suite(0x009d),
    Suite(0x002f),
    Suite(0x0035),
];

/// The groups in which it can be.
pub const GROUPS: [Group; 2] = [Group(29), Group(23)];

/// The versions.
pub const VERSIONS: [TlsVersion; 3] = [TlsVersion::Tls12, TlsVersion::Tls11, TlsVersion::Tls10];

impl Handshake {
    /// One that begins with this record.
    pub fn begun(purpose: Purpose, hello: &[u8]) -> Self {
        Self {
            purpose,
            hello: hello.to_vec(),
            stage: Stage::Greeted,
        }
    }

    /// What to do, all of this having been heard.
    pub fn next(&mut self, heard: &[u8]) -> Move {
        let Ok(flight) = parse_flight(heard) else {
            return Move::Done;
        };
        if flight.alert.is_some() {
            return Move::Done;
        }
        match &mut self.stage {
            Stage::Greeted if !flight.done => Move::Listen,
            Stage::Greeted => match Answer::to(self.purpose, &self.hello, heard, &flight) {
                Some(answer) => {
                    self.stage = Stage::Finished(answer.then);
                    Move::Say(answer.say)
                }
                None => Move::Done,
            },
            // The ticket comes before the keys change, the proof of early keys with it.
            Stage::Finished(None) if flight.changed => Move::Done,
            Stage::Finished(then) if !flight.sealed.is_empty() => match then.take() {
                Some(then) => {
                    self.stage = Stage::Asked;
                    Move::Say(then)
                }
                None => Move::Done,
            },
            Stage::Asked if renegotiates(&flight).is_some() => Move::Done,
            Stage::Finished(_) | Stage::Asked => Move::Listen,
        }
    }
}

/// What a server did that was asked to begin anew: whether it did; none: it has said nothing yet.
///
/// Its words are sealed, but what kind they are is not. A HelloRequest of its own, which may cross ours, is told from a
/// hello by its length.
pub fn renegotiates(flight: &Flight) -> Option<bool> {
    let [_finished, after @ ..] = flight.sealed.as_slice() else {
        return None;
    };
    let words = after.iter().filter(|(kind, _)| *kind == HANDSHAKE);
    if words.map(|(_, length)| length).sum::<usize>() >= HELLO {
        return Some(true);
    }
    after.iter().any(|(kind, _)| *kind != HANDSHAKE).then_some(false)
}

/// What is said to a server's first flight, and what later.
struct Answer {
    say: Vec<u8>,
    then: Option<Vec<u8>>,
}

impl Answer {
    fn to(purpose: Purpose, hello: &[u8], heard: &[u8], flight: &Flight) -> Option<Self> {
        let spoken = flight.hello.as_ref()?;
        let version = spoken.version;
        let (prf, cipher) = of(spoken.suite, version)?;
        let theirs = transcript(heard);
        let ours = hello.get(RECORD_HEADER..)?;
        let random = message(&theirs, SERVER_HELLO)?.get(2..34)?;
        let (exchange, premaster) = exchange(flight, &theirs, ours)?;
        let certificate =
            message(&theirs, CERTIFICATE_REQUEST).map_or_else(Vec::new, |_| wrap(CERTIFICATE, &[0; 3]));
        let randoms = [&RANDOM, random];
        let master = prf.expand(&premaster, "master secret", &randoms.concat(), 48);
        let said = [&certificate[..], &exchange].concat();
        let all = [ours, &theirs, &said].concat();
        let verify = prf.expand(&master, "client finished", &prf.digest(&all), 12);
        let finished = wrap(FINISHED, &verify);
        let change = record(CHANGE_CIPHER_SPEC, version, &[1]);
        let keys = |master: &[u8]| {
            let block = prf.expand(
                master,
                "key expansion",
                &[random, &RANDOM].concat(),
                cipher.keys(),
            );
            Seal::new(cipher, version, &block)
        };
        if purpose == Purpose::EarlyKeys {
            // A server that makes keys before there is a master secret makes them of an empty one, and keeps them when
            // it is told to change a second time, counting from 0 again.
            let (mut early, mut later) = (keys(&[])?, keys(&[])?);
            let say = [
                change,
                early.record(HANDSHAKE, &said)?,
                early.record(CHANGE_CIPHER_SPEC, &[1])?,
                later.record(HANDSHAKE, &finished)?,
            ];
            return Some(Self {
                say: say.concat(),
                then: None,
            });
        }
        let mut seal = keys(&master)?;
        let say = [
            record(HANDSHAKE, version, &said),
            change,
            seal.record(HANDSHAKE, &finished)?,
        ];
        let anew = ClientHello {
            version,
            suites: vec![spoken.suite],
            groups: GROUPS.to_vec(),
            name: None,
            offers: Vec::new(),
        };
        let then = match purpose {
            Purpose::Renegotiation => Some(seal.record(HANDSHAKE, &anew.anew(&verify))?),
            Purpose::Ticket | Purpose::EarlyKeys => None,
        };
        Some(Self {
            say: say.concat(),
            then,
        })
    }
}

/// The ClientKeyExchange (RFC 5246, section 7.4.7), and the premaster secret.
fn exchange(flight: &Flight, theirs: &[u8], hello: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let suite = flight.hello.as_ref()?.suite;
    if suite.is_ecdhe() {
        let [3, high, low, length, point @ ..] = message(theirs, SERVER_KEY_EXCHANGE)? else {
            return None;
        };
        let curve = match u16::from_be_bytes([*high, *low]) {
            29 => &X25519,
            23 => &ECDH_P256,
            _ => return None,
        };
        let point = UnparsedPublicKey::new(curve, point.get(..usize::from(*length))?);
        let own = EphemeralPrivateKey::generate(curve, &SystemRandom::new()).ok()?;
        let share = own.compute_public_key().ok()?;
        let premaster = agree_ephemeral(own, &point, <[u8]>::to_vec).ok()?;
        let length = u8::try_from(share.as_ref().len()).ok()?;
        let body = [&[length], share.as_ref()].concat();
        return Some((wrap(CLIENT_KEY_EXCHANGE, &body), premaster));
    }
    let key = flight.chain.first().and_then(|der| rsa_key(der))?;
    // The version that was offered (RFC 5246, section 7.4.7.1).
    let offered = hello.get(4..6)?;
    let premaster = [offered, &[0x5a; 46]].concat();
    let filling = key
        .length()
        .checked_sub(premaster.len() + 3)
        .filter(|filling| *filling >= 8)?;
    let block = [&[0, 2][..], &vec![0x5a; filling], &[0], &premaster].concat();
    let secret = key.encrypt(&block)?;
    let length = u16::try_from(secret.len()).ok()?.to_be_bytes();
    Some((
        wrap(CLIENT_KEY_EXCHANGE, &[&length[..], &secret].concat()),
        premaster,
    ))
}

/// How a suite works in a version, if it is one of [`SUITES`].
fn of(suite: Suite, version: TlsVersion) -> Option<(Prf, Cipher)> {
    let (prf, cipher) = match suite.0 {
        0x009c | 0xc02b | 0xc02f => (Prf::Sha256, Cipher::Gcm { key: 16 }),
        0x009d | 0xc02c | 0xc030 => (Prf::Sha384, Cipher::Gcm { key: 32 }),
        0x002f | 0xc009 | 0xc013 => (Prf::Sha256, Cipher::Cbc { key: 16 }),
        0x0035 | 0xc00a | 0xc014 => (Prf::Sha256, Cipher::Cbc { key: 32 }),
        _ => return None,
    };
    match (version, cipher) {
        (TlsVersion::Tls12, _) => Some((prf, cipher)),
        (TlsVersion::Tls10 | TlsVersion::Tls11, Cipher::Cbc { .. }) => Some((Prf::Old, cipher)),
        (
            TlsVersion::Ssl2 | TlsVersion::Ssl3 | TlsVersion::Tls10 | TlsVersion::Tls11 | TlsVersion::Tls13,
            _,
        ) => None,
    }
}

/// A message with its header.
fn wrap(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

const RECORD_HEADER: usize = 5;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const FINISHED: u8 = 20;
/// A ServerHello has 42 bytes or more, a HelloRequest 4; sealing adds 24 to 52.
const HELLO: usize = 64;
