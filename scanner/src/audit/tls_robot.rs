//! ROBOT (Böck, Somorovsky, Young: "Return Of Bleichenbacher's Oracle Threat", 2018): whether a server that
//! takes RSA key exchange tells by its behaviour which padding it found. Five secrets, each wrong in its own
//! way, must be answered alike; where they are not, they are sent once more, encrypted anew.

use vedette_protocol::{
    Finding, Timestamp,
    finding::{Confidence, Evidence, FindingType, TlsVersion},
    job::Check,
};

use super::{Audit, Subject};
use crate::{
    certificate::{RsaKey, rsa_key},
    probe::{Probe, Silence},
    reply::End,
    tls::{
        endpoint::Endpoint,
        flight::{Stage, parse_flight},
        hello::{CHANGE_CIPHER_SPEC, ClientHello, HANDSHAKE, record},
        suite::Suite,
    },
};

pub(crate) const AUDIT: Audit = Audit {
    check: Check::Tls,
    probes,
    judge,
};

/// What the encrypted premaster secret looks like (RFC 5246, section 7.4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    Right,
    WrongStart,
    ZeroTooEarly,
    NoZero,
    WrongVersion,
}

const PADDINGS: [Padding; 5] = [
    Padding::Right,
    Padding::WrongStart,
    Padding::ZeroTooEarly,
    Padding::NoZero,
    Padding::WrongVersion,
];

/// What a server did: how the connection ended, and with which alert.
type Behaviour = (End, Option<u8>);

fn probes(subject: &Subject<'_>) -> Vec<Probe> {
    let Some(oracle) = Oracle::of(subject) else {
        return Vec::new();
    };
    let first = oracle.round(0);
    match oracle.behaviours(&first) {
        Some(behaviours) if differ(&behaviours) => [first, oracle.round(1)].concat(),
        Some(_) | None => first,
    }
}

fn judge(subject: &Subject<'_>, _: Timestamp) -> Vec<Finding> {
    let Some(oracle) = Oracle::of(subject) else {
        return Vec::new();
    };
    let [first, second] = [0, 1].map(|round| oracle.behaviours(&oracle.round(round)));
    let (Some(first), Some(second)) = (first, second) else {
        return Vec::new();
    };
    // Who behaves otherwise the second time is moody, and tells nothing by it.
    if !differ(&first) || first != second {
        return Vec::new();
    }
    let mut finding = subject.known.finding(FindingType::TlsRobot, Confidence::Firm);
    finding.evidence = vec![Evidence::TlsVersion {
        version: oracle.version,
        offered: true,
    }];
    vec![finding]
}

fn differ(behaviours: &[Behaviour]) -> bool {
    behaviours.windows(2).any(|pair| pair[0] != pair[1])
}

struct Oracle<'a> {
    endpoint: Endpoint<'a>,
    version: TlsVersion,
    suites: Vec<Suite>,
    key: RsaKey,
}

impl<'a> Oracle<'a> {
    /// A server that takes RSA key exchange under a key that we know.
    fn of(subject: &Subject<'a>) -> Option<Self> {
        let survey = subject.survey().filter(|survey| survey.next.is_empty())?;
        let (version, suites) = survey.newest(Suite::encrypts_for_rsa)?;
        let mut chains = survey.flights.iter().filter_map(|flight| flight.chain.first());
        let key = chains.find_map(|der| rsa_key(der))?;
        Some(Self {
            endpoint: Endpoint::of(subject)?,
            version,
            suites,
            key,
        })
    }

    fn round(&self, round: u8) -> Vec<Probe> {
        PADDINGS
            .into_iter()
            .filter_map(|padding| self.probe(padding, round))
            .collect()
    }

    /// A hello, the secret, and a Finished that no key decrypts.
    fn probe(&self, padding: Padding, round: u8) -> Option<Probe> {
        let hello = ClientHello {
            suites: self.suites.clone(),
            ..self.endpoint.hello(self.version)
        };
        let secret = self
            .key
            .encrypt(&padded(padding, self.key.length(), self.version, round)?)?;
        let length = u16::try_from(secret.len()).ok()?.to_be_bytes();
        let body = match self.version {
            TlsVersion::Ssl3 => secret,
            _ => [&length[..], &secret].concat(),
        };
        let length = u32::try_from(body.len()).ok()?.to_be_bytes();
        let exchange = [&[CLIENT_KEY_EXCHANGE][..], &length[1..], &body].concat();
        let say = [
            hello.record(),
            record(HANDSHAKE, self.version, &exchange),
            record(CHANGE_CIPHER_SPEC, self.version, &[1]),
            record(HANDSHAKE, self.version, &[0x5a; 64]),
        ];
        Some(Probe {
            // Here silence is a behaviour.
            silence: Silence::Answers,
            ..self.endpoint.raw(say.concat(), Stage::Alert)
        })
    }

    fn behaviours(&self, probes: &[Probe]) -> Option<Vec<Behaviour>> {
        let behaviour = |probe: &Probe| {
            let reply = self
                .endpoint
                .known
                .reply(probe)
                .filter(|reply| reply.answers(probe))?;
            let flight = parse_flight(&reply.heard).ok()?;
            // Who did not answer the hello was too busy, not angry at the secret.
            flight.hello.is_some().then_some((reply.end, flight.alert))
        };
        probes.iter().map(behaviour).collect()
    }
}

fn padded(padding: Padding, length: usize, version: TlsVersion, round: u8) -> Option<Vec<u8>> {
    const SECRET: usize = 48;
    let mut block = vec![0x5a ^ round; length];
    let at = length.checked_sub(SECRET).filter(|at| *at > 11)?;
    block[..2].copy_from_slice(&[0, 2]);
    block[at - 1] = 0;
    block[at..at + 2].copy_from_slice(&version.number().to_be_bytes());
    match padding {
        Padding::Right => {}
        Padding::WrongStart => block[..2].copy_from_slice(&[0x41, 0x17]),
        Padding::ZeroTooEarly => {
            block[at - 1] = 0x11;
            block[length - 1] = 0;
        }
        Padding::NoZero => {
            block[at - 1] = 0x11;
            block[at] = 0x11;
        }
        Padding::WrongVersion => block[at..at + 2].copy_from_slice(&[2, 2]),
    }
    // RSA takes numbers below the modulus, whose first byte is 0x80 or more.
    Some(block)
}

const CLIENT_KEY_EXCHANGE: u8 = 16;
