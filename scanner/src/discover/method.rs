//! The ways to ask whether a host is there, and what it is.

use std::{fmt, str::FromStr};

use super::question::Question;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// ARP and IPv6 neighbour discovery.
    Link,
    /// ICMP echo and timestamp.
    Icmp,
    /// TCP segments.
    Tcp,
    /// UDP questions: names, SNMP.
    Udp,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Link, Self::Icmp, Self::Tcp, Self::Udp];

    /// The one that a question belongs to.
    pub(crate) fn of(question: &Question) -> Self {
        match question {
            Question::Echo | Question::Timestamp | Question::Hop(_) => Self::Icmp,
            Question::Syn(_) | Question::Ack(_) | Question::TcpHop(..) => Self::Tcp,
            Question::MdnsName
            | Question::MdnsServices
            | Question::MdnsHost(_)
            | Question::Llmnr
            | Question::Netbios
            | Question::Snmp
            | Question::Walk(..)
            | Question::ReverseDns(_) => Self::Udp,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Link => "arp",
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Text that is no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no method named {0:?}; there are arp (with IPv6 neighbour discovery), icmp, tcp and udp")]
pub struct ParseMethodError(String);

impl FromStr for Method {
    type Err = ParseMethodError;

    fn from_str(text: &str) -> Result<Self, ParseMethodError> {
        Self::ALL
            .into_iter()
            .find(|method| method.name() == text)
            .ok_or_else(|| ParseMethodError(text.chars().take(64).collect()))
    }
}

/// A choice of methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Methods(Vec<Method>);

impl Methods {
    /// These; none means all.
    pub fn of(methods: &[Method]) -> Self {
        match methods {
            [] => Self(Method::ALL.to_vec()),
            some => Self(some.to_vec()),
        }
    }

    /// Whether one is in it.
    pub fn contains(&self, method: Method) -> bool {
        self.0.contains(&method)
    }
}
