//! What answers on an open port: which question comes next, and what the answers so far mean. Pure.
//!
//! In the clear first what the port suggests, then TLS, then the rest; where TLS answers, the questions
//! are asked again inside it. A service that was recognised by its answer to another's question is asked
//! its own, which tells more.

use std::time::Duration;

use crate::{
    known::Known,
    probe::{Probe, Silence, Turn, Versions, Wrap},
    reply::{End, Reply, TlsFailure},
    service::{self, Heard, Identity, Question, SERVICES, Service, TLS_PORTS, recognise},
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
    /// It kept us waiting, or would not stop, so often that it is asked no further: what it is was not
    /// found out.
    GivenUp,
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

/// Recognises an endpoint from what it said over UDP; none, if it was not asked there or said nothing known.
pub(crate) fn over_udp(known: &Known) -> Option<Identity> {
    let recognise = service::datagram(known.endpoint().port())?.recognise;
    known.datagrams().iter().find_map(|asked| {
        let reply = known.reply(asked).filter(|reply| !is_echo(asked, reply))?;
        recognise(&reply.heard)
    })
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

/// Asks one question after the other until a service is recognised, or until it is plain that there is
/// nobody to answer.
fn among(known: &Known, wrap: &Wrap, probes: &[Probe]) -> Identified {
    for probe in probes {
        let Some(reply) = known.reply(probe) else {
            return if fruitless(known) < PATIENCE {
                Identified::Ask(probe.clone())
            } else {
                Identified::GivenUp
            };
        };
        if let Some((service, identity)) = recognise_answer(known, probe, reply) {
            return settle(known, wrap, probe, service, identity);
        }
    }
    Identified::Unknown
}

/// What an answer is recognised as. Who only repeats what was said has not answered: many protocols'
/// answers look like their questions.
fn recognise_answer(known: &Known, asked: &Probe, reply: &Reply) -> Option<(&'static Service, Identity)> {
    let heard = Heard {
        port: known.endpoint().port(),
        bytes: &reply.heard,
    };
    if is_echo(asked, reply) {
        None
    } else {
        recognise(&heard)
    }
}

fn is_echo(asked: &Probe, reply: &Reply) -> bool {
    let same = asked
        .say
        .iter()
        .zip(&reply.heard)
        .take_while(|(said, heard)| said == heard);
    !asked.say.is_empty() && !reply.heard.is_empty() && same.count() == asked.say.len().min(reply.heard.len())
}

/// How many questions were ended by us: by time, or because there was no end to the answer.
fn fruitless(known: &Known) -> usize {
    let replies = known.exchanges().iter().map(|(_, reply)| reply);
    replies
        .filter(|reply| matches!(reply.end, End::Quiet | End::Full))
        .count()
}

fn settle(known: &Known, wrap: &Wrap, asked: &Probe, service: &Service, identity: Identity) -> Identified {
    let authority = known.authority(wrap);
    let Some(question) = service.question else {
        return Identified::As(identity, wrap.clone());
    };
    let own = Question {
        turn: Turn::Ours,
        ..question(&authority)
    };
    let identity = if asked.say == own.say {
        identity
    } else {
        match told(known, wrap, service, own) {
            Ok(better) => better.unwrap_or(identity),
            Err(ask) => return Identified::Ask(*ask),
        }
    };
    let more = service.follow.filter(|_| identity.version.is_none());
    let Some(question) = more.and_then(|follow| follow(&identity, &authority)) else {
        return Identified::As(identity, wrap.clone());
    };
    match told(known, wrap, service, question) {
        Ok(better) => {
            // What it is called was seen already; another page may only add its version.
            let better =
                better.filter(|better| better.product == identity.product && better.version.is_some());
            Identified::As(better.unwrap_or(identity), wrap.clone())
        }
        Err(ask) => Identified::Ask(*ask),
    }
}

/// What a service says to a question of its own; or the question, if it was not asked yet.
fn told(
    known: &Known,
    wrap: &Wrap,
    service: &Service,
    question: Question,
) -> Result<Option<Identity>, Box<Probe>> {
    let own = known.probe(wrap, question, Silence::Answers);
    let Some(reply) = known.reply(&own) else {
        return Err(Box::new(own));
    };
    let heard = Heard {
        port: known.endpoint().port(),
        bytes: &reply.heard,
    };
    let said = (!is_echo(&own, reply)).then(|| (service.recognise)(&heard));
    Ok(said.flatten())
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

/// So many fruitless questions are enough: who hears nothing that it understands mostly hangs up.
const PATIENCE: usize = 3;
/// Where a service that greets is expected, it may be slow: many mail servers look the client up first.
const EXPECTED_GREETING: Duration = Duration::from_secs(6);
