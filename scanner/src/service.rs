//! Services that are recognised: one file each, one line here. All of it is pure.
//!
//! A service that greets needs no question. What a service says is judged by every file, whoever's
//! question it answered; the port only decides what is asked first, and settles a greeting that two
//! protocols share.

mod banner;
pub mod ftp;
pub mod http;
pub mod mysql;
pub mod postgres;
pub mod redis;
pub mod smtp;
pub mod ssh;

use std::time::Duration;

use vedette_protocol::finding::{Confidence, Label};

use crate::probe::{Turn, Until};

/// Every service, in the order in which they are asked for where the port gives no hint.
pub(crate) const SERVICES: &[Service] = &[
    http::SERVICE,
    ssh::SERVICE,
    smtp::SERVICE,
    ftp::SERVICE,
    mysql::SERVICE,
    redis::SERVICE,
    postgres::SERVICE,
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
    pub(crate) recognise: fn(&Heard<'_>) -> Option<Identity>,
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
}

impl Identity {
    /// A service that said so, without its product.
    pub(crate) fn certain(protocol: &'static str) -> Self {
        Self {
            protocol,
            product: None,
            version: None,
            confidence: Confidence::Certain,
        }
    }

    pub(crate) fn product(mut self, product: &str, version: Option<&str>) -> Self {
        self.product = Label::cut(product);
        self.version = version.and_then(Label::cut);
        self
    }
}

impl Question {
    /// Only listens.
    pub(crate) fn greeting(wait: Duration) -> Self {
        Self {
            turn: Turn::Theirs(wait),
            say: Vec::new(),
            until: Until::Line,
        }
    }
}

/// The service that this is the voice of.
pub(crate) fn recognise(heard: &Heard<'_>) -> Option<(&'static Service, Identity)> {
    SERVICES
        .iter()
        .find_map(|service| Some((service, (service.recognise)(heard)?)))
}
