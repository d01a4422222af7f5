//! An endpoint as an auditor of TLS sees it: questions to it, and the answers that came.

use vedette_protocol::finding::TlsVersion;

use super::{
    flight::{Flight, Stage, parse_flight},
    group::Group,
    handshake::{self, Purpose},
    hello::{ClientHello, Offer},
    starttls::{StartTls, Upgrade},
    suite::Suite,
    survey::Survey,
};
use crate::{
    audit::Subject,
    known::Known,
    probe::{Probe, Silence, Turn, Until, Versions, Wrap},
    reply::{End, Reply, TlsFailure},
    service::TLS_PORTS,
};

/// Where TLS is spoken, or may be.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint<'a> {
    pub(crate) known: &'a Known,
    upgrade: Option<Upgrade>,
}

/// What came of a hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was not sent yet.
    NotAsked,
    /// An alert, a word that is not TLS, or a closed door.
    Refused,
    /// Nothing that says anything.
    Gap,
    /// A ServerHello at least.
    Flight(Box<Flight>),
}

impl<'a> Endpoint<'a> {
    /// What is to be audited, if it is likely to speak TLS at all.
    pub(crate) fn of(subject: &Subject<'a>) -> Option<Self> {
        let known = subject.known;
        let port = known.endpoint().port();
        let upgrade = match (&subject.wrap, &subject.identity) {
            (Wrap::Tls(_), _) => None,
            // TLS is spoken over TCP.
            (Wrap::Datagram, _) => return None,
            (Wrap::Plain, Some(identity)) => Some(StartTls::of_service(identity.protocol)?),
            (Wrap::Plain, None) => match StartTls::of_port(port) {
                Some(protocol) => Some(protocol),
                None if TLS_PORTS.contains(&port) || hangs_up(known) => None,
                None => return None,
            },
        };
        let upgrade = upgrade.map(|protocol| Upgrade {
            protocol,
            host: known.name().cloned(),
        });
        Some(Self { known, upgrade })
    }

    /// Says a hello, and listens for as much.
    pub(crate) fn probe(&self, hello: &ClientHello, stage: Stage) -> Probe {
        self.raw(hello.record(), stage)
    }

    /// Says these bytes.
    pub(crate) fn raw(&self, say: Vec<u8>, stage: Stage) -> Probe {
        Probe {
            endpoint: self.known.endpoint(),
            upgrade: self.upgrade.clone(),
            wrap: Wrap::Plain,
            turn: Turn::Ours,
            say,
            until: Until::Tls(stage),
            silence: Silence::IsAGapUnlessTheyHangUp,
        }
    }

    /// A handshake that is brought to its end by hand, in the newest version and with all the suites that can be, of
    /// those that are spoken.
    pub(crate) fn completed(&self, survey: &Survey, purpose: Purpose) -> Option<(TlsVersion, Probe)> {
        let spoken = handshake::VERSIONS.into_iter().find_map(|version| {
            let spoken = survey.version(version)?;
            let suites = handshake::SUITES
                .into_iter()
                .filter(|suite| spoken.suites.contains(suite));
            let suites: Vec<Suite> = suites
                .filter(|suite| !suite.needs_tls12() || version == TlsVersion::Tls12)
                .collect();
            (!suites.is_empty()).then_some((version, suites))
        });
        let (version, suites) = spoken?;
        let offers = match purpose {
            Purpose::Ticket => vec![Offer::Ticket],
            Purpose::Renegotiation | Purpose::EarlyKeys => Vec::new(),
        };
        let hello = ClientHello {
            suites,
            groups: handshake::GROUPS.to_vec(),
            offers,
            ..self.hello(version)
        };
        let probe = Probe {
            until: Until::Completed(purpose),
            ..self.raw(hello.record(), Stage::Flight)
        };
        Some((version, probe))
    }

    /// A handshake that is completed, behind whatever leads there.
    pub(crate) fn handshake(&self, versions: Versions) -> Probe {
        Probe {
            upgrade: self.upgrade.clone(),
            ..self.known.handshake(versions, Silence::Answers)
        }
    }

    /// What came of a hello.
    pub(crate) fn answer(&self, hello: &ClientHello, stage: Stage) -> Answer {
        self.answer_to(&self.probe(hello, stage))
    }

    /// What came of a probe.
    pub(crate) fn answer_to(&self, probe: &Probe) -> Answer {
        let Some(reply) = self.known.reply(probe) else {
            return Answer::NotAsked;
        };
        match (parse_flight(&reply.heard), reply.end) {
            (Ok(flight), _) if flight.hello.is_some() => Answer::Flight(Box::new(flight)),
            (Ok(flight), _) if flight.alert.is_some() => Answer::Refused,
            (_, End::Enough | End::Closed | End::NoTls(_)) => Answer::Refused,
            _ => Answer::Gap,
        }
    }

    /// Whether a protocol in the clear comes before.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgrade.is_some()
    }

    /// Whether the protocol in the clear said that it does not lead to TLS.
    pub(crate) fn declines(&self) -> bool {
        let declined = |reply: &Reply| reply.end == End::NoTls(TlsFailure::NotOffered);
        self.known.exchanges().iter().any(|(_, reply)| declined(reply))
    }

    /// A hello with nothing but what each must have; suites and groups are all that there are.
    pub(crate) fn hello(&self, version: TlsVersion) -> ClientHello {
        ClientHello {
            version,
            suites: Suite::of(version),
            groups: Group::all(),
            name: self.known.name().cloned(),
            offers: Vec::new(),
        }
    }
}

/// Whether it hung up on today's hello without a word, as some servers do that know older ones alone.
fn hangs_up(known: &Known) -> bool {
    let today = known.handshake(Versions::Both, Silence::Answers);
    let reply = known.reply(&today);
    reply.is_some_and(|reply| reply.end == End::NoTls(TlsFailure::HungUp))
}
