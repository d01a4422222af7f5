//! What is known of one open endpoint: everything that was asked, and what came back.

use std::net::SocketAddr;

use vedette_protocol::{
    finding::{Confidence, Finding, FindingPlace, FindingType, Host, Label, Transport},
    target::HostName,
};

use crate::{
    probe::{Hello, Probe, Silence, Turn, Until, Versions, Wrap},
    reply::{Reply, Session},
    service::{Question, datagram},
};

/// An open endpoint under one name, and the exchanges with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    endpoint: SocketAddr,
    transport: Transport,
    name: Option<HostName>,
    exchanges: Vec<(Probe, Reply)>,
}

impl Known {
    /// An endpoint of which only that it is open is known.
    pub fn open(endpoint: SocketAddr, name: Option<HostName>) -> Self {
        Self {
            endpoint,
            transport: Transport::Tcp,
            name,
            exchanges: Vec::new(),
        }
    }

    /// The same place over UDP.
    #[must_use]
    pub fn over_udp(self) -> Self {
        Self {
            transport: Transport::Udp,
            ..self
        }
    }

    /// Over what it is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The endpoint.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// The name that it is scanned under, if the target was one.
    pub fn name(&self) -> Option<&HostName> {
        self.name.as_ref()
    }

    /// The host as findings name it.
    pub fn host(&self) -> Host {
        self.name
            .as_ref()
            .map_or_else(|| self.endpoint.ip().into(), Host::from)
    }

    /// Adds an exchange.
    pub fn learn(&mut self, probe: Probe, reply: Reply) {
        self.exchanges.push((probe, reply));
    }

    /// The reply to a probe, if it or one that asks the same was sent.
    pub fn reply(&self, probe: &Probe) -> Option<&Reply> {
        self.exchanges
            .iter()
            .find(|(sent, _)| sent.asks_the_same(probe))
            .map(|(_, reply)| reply)
    }

    /// All exchanges, in order.
    pub fn exchanges(&self) -> &[(Probe, Reply)] {
        &self.exchanges
    }

    /// The first TLS session in which a certificate was shown.
    pub fn session(&self) -> Option<&Session> {
        let sessions = self
            .exchanges
            .iter()
            .filter_map(|(_, reply)| reply.session.as_ref());
        sessions.into_iter().find(|session| !session.chain.is_empty())
    }

    /// A handshake with this endpoint.
    pub(crate) fn handshake(&self, versions: Versions, silence: Silence) -> Probe {
        Probe {
            endpoint: self.endpoint,
            upgrade: None,
            wrap: Wrap::Tls(self.hello(versions)),
            turn: Turn::Ours,
            say: Vec::new(),
            until: Until::Handshake,
            silence,
        }
    }

    pub(crate) fn hello(&self, versions: Versions) -> Hello {
        Hello {
            versions,
            name: self.name.clone(),
        }
    }

    /// What this endpoint is asked over UDP; nothing, if there is nothing to ask on its port.
    pub(crate) fn datagrams(&self) -> Vec<Probe> {
        let Some(datagram) = datagram(self.endpoint.port()) else {
            return Vec::new();
        };
        let probe = |say: &fn() -> Vec<u8>| {
            let question = Question {
                until: datagram.until,
                ..Question::saying(say())
            };
            self.probe(&Wrap::Datagram, question, Silence::Answers)
        };
        datagram.questions.iter().map(probe).collect()
    }

    /// A question to this endpoint.
    pub(crate) fn probe(&self, wrap: &Wrap, question: Question, silence: Silence) -> Probe {
        let Question { turn, say, until } = question;
        Probe {
            endpoint: self.endpoint,
            upgrade: None,
            wrap: wrap.clone(),
            turn,
            say,
            until,
            silence,
        }
    }

    /// The host as an HTTP request names it (RFC 9110, section 7.2).
    pub(crate) fn authority(&self, wrap: &Wrap) -> String {
        let host = match (&self.name, self.endpoint) {
            (Some(name), _) => name.as_str().to_owned(),
            (None, SocketAddr::V4(endpoint)) => endpoint.ip().to_string(),
            (None, SocketAddr::V6(endpoint)) => format!("[{}]", endpoint.ip()),
        };
        match (wrap, self.endpoint.port()) {
            (Wrap::Plain | Wrap::Datagram, 80) | (Wrap::Tls(_), 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// A finding about this port as a whole.
    pub(crate) fn finding(&self, type_: FindingType, confidence: Confidence) -> Finding {
        Finding::new(type_, self.place(), confidence)
    }

    /// A finding about something on this port that has a name of its own.
    pub(crate) fn finding_about(&self, type_: FindingType, name: Label) -> Finding {
        let place = FindingPlace {
            parameter: Some(name),
            ..self.place()
        };
        Finding::new(type_, place, Confidence::Certain)
    }

    fn place(&self) -> FindingPlace {
        FindingPlace {
            transport: self.transport,
            ..FindingPlace::port(self.host(), self.endpoint.port())
        }
    }
}
