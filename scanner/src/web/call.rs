//! An injection that nothing on a page shows: it has the target come to an address of ours. Pure.
//!
//! What must stay true: who reads the text of a payload does not find the address in a form that could be visited, wherever
//! the language that is injected into can put it together; beside each call stands a twin that says the same where nothing
//! acts on it.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use super::{input::Payload, trial::Proof};

/// A payload for any address of ours.
type Spell = Box<dyn Fn(Place) -> Payload + Send + Sync>;

/// One way to have the target come to us.
pub(crate) struct Call {
    /// What it proves.
    pub(crate) proof: Proof,
    /// The payload.
    pub(crate) spell: Spell,
    /// The same without what makes it act.
    pub(crate) twin: Spell,
}

/// An address of ours, as payloads spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(SocketAddr);

impl Call {
    pub(crate) fn new(
        proof: Proof,
        spell: impl Fn(Place) -> Payload + Send + Sync + 'static,
        twin: impl Fn(Place) -> Payload + Send + Sync + 'static,
    ) -> Self {
        Self {
            proof,
            spell: Box::new(spell),
            twin: Box::new(twin),
        }
    }
}

impl Place {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The host as a URL has it (RFC 3986, section 3.2.2).
    pub(crate) fn host(self) -> String {
        match self.0.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }
    }

    /// The address alone.
    pub(crate) fn address(self) -> String {
        self.0.ip().to_string()
    }

    /// The port.
    pub(crate) fn port(self) -> u16 {
        self.0.port()
    }

    /// The port as a sum, which stands in no request as what it is.
    pub(crate) fn sum(self) -> String {
        let one = self.port() / 3;
        format!("{one}+{}", self.port() - one)
    }
}

/// The codes of a text's characters, each between `before` and `after`, with `between` in the middle.
pub(crate) fn codes(text: &str, before: &str, after: &str, between: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if !out.is_empty() {
            out.push_str(between);
        }
        let _ = write!(out, "{before}{byte}{after}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelled_for_both_families_and_its_port_as_a_sum() {
        let four = Place::new("192.0.2.1:61007".parse().unwrap());
        let six = Place::new("[2001:db8::1]:61007".parse().unwrap());
        assert_eq!(
            (four.host().as_str(), six.host().as_str()),
            ("192.0.2.1", "[2001:db8::1]")
        );
        assert_eq!(six.address(), "2001:db8::1");
        let (one, other) = (four
            .sum()
            .split_once('+')
            .map(|(a, b)| (a.to_owned(), b.to_owned())))
        .unwrap();
        assert_eq!(
            one.parse::<u16>().unwrap() + other.parse::<u16>().unwrap(),
            61_007
        );
        assert!(!four.sum().contains("61007"));
        assert_eq!(codes("ab", "chr(", ")", "."), "chr(97).chr(98)");
    }
}
