//! Services that are recognised: one file each, one line here. All of it is pure.
//!
//! A service that greets needs no question. What a service says is judged by every file, whoever's
//! question it answered; the port only decides what is asked first, and settles a greeting that two
//! protocols share.

pub mod amqp;
mod banner;
mod catalogue;
pub mod dns;
pub mod ftp;
pub mod http;
pub mod imap;
pub mod ldap;
pub mod memcached;
pub mod mqtt;
pub mod mysql;
pub mod nats;
pub mod pop3;
pub mod postgres;
pub mod redis;
pub mod smb;
pub mod smtp;
pub mod snmp;
pub mod ssh;
pub mod tftp;

use std::time::Duration;

use vedette_protocol::finding::{Confidence, Cpe, Evidence, Label};

use crate::probe::{Turn, Until};

/// Every service, in the order in which they are asked for where the port gives no hint.
pub(crate) const SERVICES: &[Service] = &[
    http::SERVICE,
    ssh::SERVICE,
    smtp::SERVICE,
    ftp::SERVICE,
    imap::SERVICE,
    pop3::SERVICE,
    mysql::SERVICE,
    nats::SERVICE,
    dns::SERVICE,
    smb::SERVICE,
    redis::SERVICE,
    postgres::SERVICE,
    ldap::SERVICE,
    mqtt::SERVICE,
    memcached::SERVICE,
    amqp::SERVICE,
    snmp::SERVICE,
    tftp::SERVICE,
];

/// Ports where TLS is tried before anything else.
pub(crate) const TLS_PORTS: &[u16] = &[
    443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 2376, 4433, 5061, 5986, 6443, 6697, 8443, 9443,
    10250,
];

/// How one service is asked and recognised.
#[derive(Debug)]
pub(crate) struct Service {
    /// Where it is usually met.
    pub(crate) ports: &'static [u16],
    /// What makes it speak; none: it speaks first. The argument is the host as HTTP names it.
    pub(crate) question: Option<fn(&str) -> Question>,
    /// What tells more of a product that did not tell its version; the argument is the host again.
    pub(crate) follow: Option<fn(&Identity, &str) -> Option<Question>>,
    pub(crate) recognise: fn(&Heard<'_>) -> Option<Identity>,
    /// How it is asked over UDP, if it speaks that too.
    pub(crate) datagram: Option<Datagram>,
}

/// How one service is asked and recognised over UDP. Questions go only to where it is at home: silence
/// says nothing there.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) ports: &'static [u16],
    /// Each is asked; the first answer that is recognised tells what it is.
    pub(crate) questions: &'static [fn() -> Vec<u8>],
    /// Where answers come from.
    pub(crate) until: Until,
    pub(crate) recognise: fn(&[u8]) -> Option<Identity>,
}

/// Something to say, and when its answer is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) turn: Turn,
    pub(crate) say: Vec<u8>,
    pub(crate) until: Until,
}

/// What was heard, and on which port.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    /// The port.
    pub port: u16,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its protocol.
    pub protocol: &'static str,
    /// Its product.
    pub product: Option<Label>,
    /// Its version, as it says itself.
    pub version: Option<Label>,
    /// How sure that is.
    pub confidence: Confidence,
    /// The product as the vulnerability databases name it.
    pub cpe: Option<Cpe>,
}

impl Identity {
    /// A service that said so, without its product.
    pub(crate) fn certain(protocol: &'static str) -> Self {
        Self {
            protocol,
            product: None,
            version: None,
            confidence: Confidence::Certain,
            cpe: None,
        }
    }

    /// One that is known by what others might show as well.
    pub(crate) fn firm(protocol: &'static str) -> Self {
        Self {
            confidence: Confidence::Firm,
            ..Self::certain(protocol)
        }
    }

    /// What it is, as a fact.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        Some(Evidence::Product {
            protocol: Label::cut(self.protocol)?,
            product: self.product.clone(),
            version: self.version.clone(),
        })
    }

    pub(crate) fn product(mut self, product: &str, version: Option<&str>) -> Self {
        self.product = Label::cut(product);
        self.version = version.and_then(Label::cut);
        self.cpe = catalogue::name(product, version);
        self
    }
}

impl Question {
    /// Says this at once, and listens until there is a pause.
    pub(crate) fn saying(say: impl Into<Vec<u8>>) -> Self {
        Self {
            turn: Turn::Ours,
            say: say.into(),
            until: Until::Pause,
        }
    }

    /// Only listens.
    pub(crate) fn greeting(wait: Duration) -> Self {
        Self {
            turn: Turn::Theirs(wait),
            say: Vec::new(),
            until: Until::Line,
        }
    }
}

/// How this port is asked over UDP.
pub(crate) fn datagram(port: u16) -> Option<&'static Datagram> {
    let mut datagrams = SERVICES.iter().filter_map(|service| service.datagram.as_ref());
    datagrams.find(|datagram| datagram.ports.contains(&port))
}

/// The service that this is the voice of.
pub(crate) fn recognise(heard: &Heard<'_>) -> Option<(&'static Service, Identity)> {
    SERVICES
        .iter()
        .find_map(|service| Some((service, (service.recognise)(heard)?)))
}
