//! What may be scanned: addresses, networks, ranges and names; and which ports.
//!
//! All are bounded: text that would mean too much is refused with the bound, before anything is
//! expanded. A [`Target`] says what was written; addresses come out of [`Target::contains`] and
//! [`Target::span`], so that a /8 costs no memory.

mod ports;

pub use ports::{ParsePortsError, PortSet, Ports};

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The most targets in one list.
pub const TARGETS_LIMIT: usize = 4096;

/// The most addresses of IPv4 that one target may span: a /12.
pub const SPAN_LIMIT: u128 = 1 << 20;

/// The most of IPv6: a /64, the network of one link (RFC 4291, section 2.5.1). Nobody can ask all of it: who plans a
/// scan takes as many as fit, and says so.
pub const SPAN_LIMIT_V6: u128 = 1 << 64;

/// One target as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// All addresses from the first to the last, both included; one address when they are equal.
    Span(Span),
    /// A host name (RFC 1123), resolved where the scan runs.
    Name(HostName),
}

/// An unbroken run of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(IpAddr, IpAddr)", into = "(IpAddr, IpAddr)")]
pub struct Span {
    first: IpAddr,
    last: IpAddr,
}

impl TryFrom<(IpAddr, IpAddr)> for Span {
    type Error = ParseTargetError;

    fn try_from((first, last): (IpAddr, IpAddr)) -> Result<Self, ParseTargetError> {
        Self::between(first, last)
    }
}

impl From<Span> for (IpAddr, IpAddr) {
    fn from(span: Span) -> Self {
        span.bounds()
    }
}

/// A host name: letters, digits, hyphens and dots, in lower case, at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

/// Text that is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTargetError {
    /// It is none of the four forms.
    #[error(
        "{0:?} is no target; write an address (192.0.2.7), a network (192.0.2.0/24), a range (192.0.2.1-192.0.2.9 or 192.0.2.1-9) or a host name"
    )]
    Form(String),
    /// A network's address has bits behind its prefix.
    #[error("{given} has bits set behind its prefix; did you mean {meant}?")]
    HostBits {
        /// What was written.
        given: String,
        /// The network that it lies in.
        meant: String,
    },
    /// A range ends before it begins.
    #[error("the range {0:?} ends before it begins; write the lower address first")]
    Backwards(String),
    /// It spans too much.
    #[error("{0:?} spans more than a /12 of IPv4 or a /64 of IPv6; split it into smaller networks")]
    TooLarge(String),
}

impl Span {
    /// One address.
    pub fn one(address: IpAddr) -> Self {
        Self {
            first: address,
            last: address,
        }
    }

    /// First and last address.
    pub fn bounds(&self) -> (IpAddr, IpAddr) {
        (self.first, self.last)
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && self.first <= address && address <= self.last
    }

    /// The addresses, in order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (first, last) = (*self).numbers();
        let v4 = self.first.is_ipv4();
        (first..=last).map(move |number| address(number, v4))
    }

    /// How many addresses.
    pub fn len(&self) -> u128 {
        let (first, last) = self.numbers();
        last - first + 1
    }

    /// Never: a span has at least one address.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The addresses from `first` to `last`.
    ///
    /// # Errors
    /// When they are of two families, in the wrong order or too far apart.
    pub fn between(first: IpAddr, last: IpAddr) -> Result<Self, ParseTargetError> {
        let text = || format!("{first}-{last}");
        if first.is_ipv4() != last.is_ipv4() {
            return Err(ParseTargetError::Form(text()));
        }
        if last < first {
            return Err(ParseTargetError::Backwards(text()));
        }
        let span = Self { first, last };
        let (low, high) = span.numbers();
        let limit = match first {
            IpAddr::V4(_) => SPAN_LIMIT,
            IpAddr::V6(_) => SPAN_LIMIT_V6,
        };
        if high - low >= limit {
            Err(ParseTargetError::TooLarge(text()))
        } else {
            Ok(span)
        }
    }

    fn numbers(self) -> (u128, u128) {
        let number = |address| match address {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        };
        (number(self.first), number(self.last))
    }
}

fn address(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if v4 => Ipv4Addr::from(number).into(),
        _ => Ipv6Addr::from(number).into(),
    }
}

impl Target {
    /// The run of addresses, unless it is a name.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Span(span) => Some(*span),
            Self::Name(_) => None,
        }
    }
}

impl FromStr for HostName {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A last label of digits alone would be an address in disguise (RFC 3696, section 2).
        let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let valid =
            name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(numeric);
        if valid {
            Ok(Self(name))
        } else {
            Err(ParseTargetError::Form(text.chars().take(256).collect()))
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = ParseTargetError;

    fn try_from(text: String) -> Result<Self, ParseTargetError> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        let shown = || text.chars().take(256).collect::<String>();
        if text.contains('/') {
            let network: IpNet = text.parse().map_err(|_| ParseTargetError::Form(shown()))?;
            if network.trunc() != network {
                return Err(ParseTargetError::HostBits {
                    given: shown(),
                    meant: network.trunc().to_string(),
                });
            }
            return Span::between(network.network(), network.broadcast())
                .map(Self::Span)
                .map_err(|_| ParseTargetError::TooLarge(shown()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Span(Span::one(address)));
        }
        if let Some((first, last)) = text.split_once('-')
            && let Ok(first) = first.parse::<IpAddr>()
        {
            let last = range_end(first, last).ok_or_else(|| ParseTargetError::Form(shown()))?;
            return Span::between(first, last).map(Self::Span);
        }
        text.parse().map(Self::Name)
    }
}

/// The end of a range: a whole address, or the last octet of an IPv4 one.
fn range_end(first: IpAddr, end: &str) -> Option<IpAddr> {
    match (first, end.parse::<IpAddr>()) {
        (_, Ok(last)) => Some(last),
        (IpAddr::V4(first), Err(_)) => {
            let [a, b, c, _] = first.octets();
            Some(Ipv4Addr::new(a, b, c, end.parse().ok()?).into())
        }
        (IpAddr::V6(_), Err(_)) => None,
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&name.0),
            Self::Span(Span { first, last }) if first == last => write!(f, "{first}"),
            Self::Span(Span { first, last }) => {
                let nets: Vec<IpNet> = match (first, last) {
                    (IpAddr::V4(a), IpAddr::V4(b)) => ipnet::Ipv4Subnets::new(*a, *b, 0)
                        .take(2)
                        .map(IpNet::V4)
                        .collect(),
                    (IpAddr::V6(a), IpAddr::V6(b)) => ipnet::Ipv6Subnets::new(*a, *b, 0)
                        .take(2)
                        .map(IpNet::V6)
                        .collect(),
                    _ => vec![],
                };
                match nets.as_slice() {
                    [network] => write!(f, "{network}"),
                    _ => write!(f, "{first}-{last}"),
                }
            }
        }
    }
}

impl TryFrom<String> for Target {
    type Error = ParseTargetError;

    fn try_from(text: String) -> Result<Self, ParseTargetError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// A list of targets: at least one, at most [`TARGETS_LIMIT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Target>", into = "Vec<Target>")]
pub struct Targets(Vec<Target>);

/// A list of targets that is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} targets given; between 1 and {TARGETS_LIMIT} are possible")]
pub struct TargetCountError(usize);

impl Targets {
    /// The targets.
    pub fn as_slice(&self) -> &[Target] {
        &self.0
    }
}

impl TryFrom<Vec<Target>> for Targets {
    type Error = TargetCountError;

    fn try_from(targets: Vec<Target>) -> Result<Self, TargetCountError> {
        match targets.len() {
            1..=TARGETS_LIMIT => Ok(Self(targets)),
            count => Err(TargetCountError(count)),
        }
    }
}

impl From<Targets> for Vec<Target> {
    fn from(targets: Targets) -> Self {
        targets.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_target_is_read_and_printed() {
        for (text, printed, count) in [
            ("192.0.2.7", "192.0.2.7", 1),
            ("192.0.2.0/24", "192.0.2.0/24", 256),
            ("192.0.2.1-9", "192.0.2.1-192.0.2.9", 9),
            ("192.0.2.250-192.0.3.4", "192.0.2.250-192.0.3.4", 11),
            ("2001:db8::/120", "2001:db8::/120", 256),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), printed);
            assert_eq!(target.span().unwrap().len(), count);
            assert_eq!(printed.parse(), Ok(target));
        }
        assert_eq!(
            "Host.Example.".parse::<Target>().unwrap().to_string(),
            "host.example"
        );
        assert_eq!("db-1.lan".parse::<Target>().unwrap().to_string(), "db-1.lan");
    }

    #[test]
    fn a_wrong_target_says_what_is_wrong() {
        for (text, part) in [
            ("192.0.2.7/24", "did you mean 192.0.2.0/24"),
            ("192.0.2.9-1", "lower address first"),
            ("10.0.0.0/8", "split it"),
            ("192.0.2", "write an address"),
            ("192.0.2.256", "write an address"),
            ("-oG", "write an address"),
            ("a b", "write an address"),
            ("", "write an address"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_last_address_of_a_family_is_no_overflow() {
        let span = "255.255.255.254-255.255.255.255"
            .parse::<Target>()
            .unwrap()
            .span()
            .unwrap();
        assert_eq!(span.addresses().count(), 2);
    }
}
