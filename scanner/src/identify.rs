//! What answers on an open port: which question comes next, and what the answers so far mean. Pure.
//!
//! In the clear first what the port suggests, then TLS, then the rest; where TLS answers, the questions
//! are asked again inside it. A service that was recognised by its answer to another's question is asked
//! its own, which tells more.

use std::time::Duration;

use crate::{
    known::Known,
    probe::{Probe, Silence, Turn, Versions, Wrap},
    reply::{End, TlsFailure},
    service::{Heard, Identity, Question, SERVICES, Service, TLS_PORTS, recognise},
};

/// How far the recognition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identified {
    /// This is to be asked next.
    Ask(Probe),
    /// It is known, inside of this.
    As(Identity, Wrap),
    /// It speaks TLS, and nothing that we know inside of it.
    Tls,
    /// It answered nothing that we know.
    Unknown,
}

/// Whether to look only for TLS, or for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only whether TLS is spoken.
    TlsOnly,
    /// What it is.
    Service,
}

/// Recognises an endpoint from what is known, or says what to ask.
pub fn identify(known: &Known, depth: Depth) -> Identified {
    let plain = questions(known, &Wrap::Plain);
    let before = match depth {
        Depth::TlsOnly => return after_handshake(known, depth, |_| Identified::Unknown),
        Depth::Service if TLS_PORTS.contains(&known.endpoint().port()) => 0,
        Depth::Service => 1,
    };
    let (first, rest) = plain.split_at(before.min(plain.len()));
    match among(known, &Wrap::Plain, first) {
        Identified::Unknown => {}
        settled => return settled,
    }
    after_handshake(known, depth, |known| among(known, &Wrap::Plain, rest))
}

/// The handshake, what is inside of it, or what is left when there is no TLS.
fn after_handshake(known: &Known, depth: Depth, otherwise: impl FnOnce(&Known) -> Identified) -> Identified {
    let handshake = known.handshake(Versions::Both, Silence::Answers);
    let wrap = handshake.wrap.clone();
    let Some(reply) = known.reply(&handshake) else {
        return Identified::Ask(handshake);
    };
    match (&reply.session, reply.end) {
        (Some(session), _) if session.version.is_some() && depth == Depth::Service => {
            match among(known, &wrap, &questions(known, &wrap)) {
                Identified::Unknown => Identified::Tls,
                settled => settled,
            }
        }
        (Some(_), _) | (None, End::NoTls(TlsFailure::Alert(_) | TlsFailure::Incompatible)) => Identified::Tls,
        (None, _) => otherwise(known),
    }
}

/// Asks one question after the other until a service is recognised.
fn among(known: &Known, wrap: &Wrap, probes: &[Probe]) -> Identified {
    for probe in probes {
        let Some(reply) = known.reply(probe) else {
            return Identified::Ask(probe.clone());
        };
        let heard = Heard {
            port: known.endpoint().port(),
            bytes: &reply.heard,
        };
        if let Some((service, identity)) = recognise(&heard) {
            return settle(known, wrap, probe, service, identity);
        }
    }
    Identified::Unknown
}

fn settle(known: &Known, wrap: &Wrap, asked: &Probe, service: &Service, identity: Identity) -> Identified {
    let Some(question) = service.question else {
        return Identified::As(identity, wrap.clone());
    };
    let own = Question {
        turn: Turn::Ours,
        ..question(&known.authority(wrap))
    };
    if asked.say == own.say {
        return Identified::As(identity, wrap.clone());
    }
    let own = known.probe(wrap, own, Silence::Answers);
    let Some(reply) = known.reply(&own) else {
        return Identified::Ask(own);
    };
    let heard = Heard {
        port: known.endpoint().port(),
        bytes: &reply.heard,
    };
    Identified::As((service.recognise)(&heard).unwrap_or(identity), wrap.clone())
}

/// The questions to ask, the most promising first; none twice.
fn questions(known: &Known, wrap: &Wrap) -> Vec<Probe> {
    let port = known.endpoint().port();
    let at_home = |service: &&Service| service.ports.contains(&port);
    let authority = known.authority(wrap);
    let hinted = SERVICES
        .iter()
        .filter(at_home)
        .map(|service| match service.question {
            // Where it is expected there is nothing to wait for.
            Some(question) => Question {
                turn: Turn::Ours,
                ..question(&authority)
            },
            None => Question::greeting(EXPECTED_GREETING),
        });
    let others = SERVICES.iter().filter(|service| !at_home(service));
    let others = others
        .filter_map(|service| service.question)
        .map(|question| question(&authority));
    let mut questions: Vec<Question> = Vec::new();
    for question in hinted.chain(others) {
        if !questions.iter().any(|asked| asked.say == question.say) {
            questions.push(question);
        }
    }
    questions
        .into_iter()
        .map(|question| known.probe(wrap, question, Silence::Answers))
        .collect()
}

/// Where a service that greets is expected, it may be slow: many mail servers look the client up first.
const EXPECTED_GREETING: Duration = Duration::from_secs(6);
