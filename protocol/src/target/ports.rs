//! Ports: a set of them, and a set for each transport.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::finding::Transport;

/// A set of TCP or UDP ports as sorted ranges that neither overlap nor touch; port 0 is never in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortSet(Vec<(u16, u16)>);

/// Text that is no set of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no set of ports; write numbers and ranges from 1 to 65535, as in 22,80,8000-8100")]
pub struct ParsePortsError(String);

impl PortSet {
    /// All ports but 0.
    pub fn all() -> Self {
        Self(vec![(1, u16::MAX)])
    }

    /// The ranges, in order, both ends included.
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// The ports, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// How many ports.
    pub fn len(&self) -> usize {
        self.0
            .iter()
            .map(|&(first, last)| usize::from(last - first) + 1)
            .sum()
    }

    /// Never: a set has at least one port.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|&(first, last)| first <= port && port <= last)
    }

    /// The set of these ports, if there is one and none is 0.
    pub fn from_ports(ports: impl IntoIterator<Item = u16>) -> Option<Self> {
        merged(ports.into_iter().map(|port| (port, port)).collect())
    }
}

/// A port, or two with a hyphen between them.
fn range(part: &str) -> Option<(u16, u16)> {
    let port = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (first, last) = part.split_once('-').unwrap_or((part, part));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

fn merged(mut ranges: Vec<(u16, u16)>) -> Option<PortSet> {
    ranges.sort_unstable();
    if ranges.first()?.0 == 0 {
        return None;
    }
    let mut merged: Vec<(u16, u16)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(range) if first <= range.1.saturating_add(1) => range.1 = range.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    Some(PortSet(merged))
}

impl FromStr for PortSet {
    type Err = ParsePortsError;

    fn from_str(text: &str) -> Result<Self, ParsePortsError> {
        let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
        ranges
            .and_then(merged)
            .ok_or_else(|| ParsePortsError(text.chars().take(256).collect()))
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(first, last)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?
            } else {
                write!(f, "{comma}{first}-{last}")?
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for PortSet {
    type Error = ParsePortsError;

    fn try_from(text: String) -> Result<Self, ParsePortsError> {
        text.parse()
    }
}

impl From<PortSet> for String {
    fn from(ports: PortSet) -> Self {
        ports.to_string()
    }
}

/// Ports of TCP and of UDP; at least one. In text as nmap's `-p` has it: `22,80,U:53,161` is 22 and 80 of TCP, 53 and
/// 161 of UDP; what no `T:` or `U:` stands before is TCP's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ports {
    tcp: Option<PortSet>,
    udp: Option<PortSet>,
}

impl Ports {
    /// Those of each transport, if there are any.
    pub fn new(tcp: Option<PortSet>, udp: Option<PortSet>) -> Option<Self> {
        (tcp.is_some() || udp.is_some()).then_some(Self { tcp, udp })
    }

    /// One port; none is 0.
    pub fn one(over: Transport, port: u16) -> Option<Self> {
        let set = PortSet::from_ports([port]);
        match over {
            Transport::Tcp => Self::new(set, None),
            Transport::Udp => Self::new(None, set),
        }
    }

    /// Those that tell who a host is: what discovery asks, of what a job names.
    pub fn of_discovery() -> Self {
        Self {
            tcp: PortSet::from_ports(DISCOVERY_TCP),
            udp: PortSet::from_ports(DISCOVERY_UDP),
        }
    }

    /// Those that are among these as well, if there are any.
    pub fn common(&self, other: &Self) -> Option<Self> {
        let both = |over| {
            let (ours, theirs) = (self.over(over)?, other.over(over)?);
            PortSet::from_ports(ours.iter().filter(|port| theirs.contains(*port)))
        };
        Self::new(both(Transport::Tcp), both(Transport::Udp))
    }

    /// Those of one transport, if there are any.
    pub fn over(&self, transport: Transport) -> Option<&PortSet> {
        match transport {
            Transport::Tcp => self.tcp.as_ref(),
            Transport::Udp => self.udp.as_ref(),
        }
    }

    /// Those of each transport that has any.
    pub fn each(&self) -> impl Iterator<Item = (Transport, &PortSet)> {
        let both = [Transport::Tcp, Transport::Udp].into_iter();
        both.filter_map(|transport| Some((transport, self.over(transport)?)))
    }

    /// The ranges, each with its transport.
    pub fn ranges(&self) -> impl Iterator<Item = (Transport, (u16, u16))> + '_ {
        self.each()
            .flat_map(|(transport, set)| set.ranges().iter().map(move |range| (transport, *range)))
    }

    /// How many, of both transports.
    pub fn count(&self) -> usize {
        self.each().map(|(_, set)| set.len()).sum()
    }

    /// Whether a port is among them.
    pub fn contains(&self, over: Transport, port: u16) -> bool {
        self.over(over).is_some_and(|set| set.contains(port))
    }

    /// Whether all of them are among these.
    pub fn lie_in(&self, all: &Self) -> bool {
        self.ranges().all(|(transport, (first, last))| {
            let within = |&(low, high): &(u16, u16)| low <= first && last <= high;
            all.over(transport)
                .is_some_and(|set| set.ranges().iter().any(within))
        })
    }
}

/// Where a host is likely to answer, open or closed: SSH, web, Windows.
const DISCOVERY_TCP: [u16; 4] = [22, 80, 443, 445];
/// Where hosts tell their names: DNS, NetBIOS, SNMP, multicast DNS, LLMNR.
const DISCOVERY_UDP: [u16; 5] = [53, 137, 161, 5353, 5355];

impl From<PortSet> for Ports {
    /// Of TCP.
    fn from(ports: PortSet) -> Self {
        Self {
            tcp: Some(ports),
            udp: None,
        }
    }
}

impl FromStr for Ports {
    type Err = ParsePortsError;

    fn from_str(text: &str) -> Result<Self, ParsePortsError> {
        let wrong = || ParsePortsError(text.chars().take(256).collect());
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        let mut over = Transport::Tcp;
        for part in text.split(',') {
            let (named, part) = match part.split_once(':') {
                Some((named, part)) => (Some(named.trim()), part),
                None => (None, part),
            };
            over = match named {
                None => over,
                Some("T" | "t") => Transport::Tcp,
                Some("U" | "u") => Transport::Udp,
                Some(_) => return Err(wrong()),
            };
            let ranges = match over {
                Transport::Tcp => &mut tcp,
                Transport::Udp => &mut udp,
            };
            ranges.push(range(part.trim()).ok_or_else(wrong)?);
        }
        let set = |ranges: Vec<(u16, u16)>| match ranges.is_empty() {
            true => Ok(None),
            false => merged(ranges).map(Some).ok_or_else(wrong),
        };
        Self::new(set(tcp)?, set(udp)?).ok_or_else(wrong)
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.tcp, &self.udp) {
            (Some(tcp), Some(udp)) => write!(f, "{tcp},U:{udp}"),
            (None, Some(udp)) => write!(f, "U:{udp}"),
            (Some(tcp), None) => tcp.fmt(f),
            (None, None) => Ok(()),
        }
    }
}

impl TryFrom<String> for Ports {
    type Error = ParsePortsError;

    fn try_from(text: String) -> Result<Self, ParsePortsError> {
        text.parse()
    }
}

impl From<Ports> for String {
    fn from(ports: Ports) -> Self {
        ports.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_merged_and_zero_is_refused() {
        let ports: PortSet = "443,80-90, 85-100,101".parse().unwrap();
        assert_eq!(ports.to_string(), "80-101,443");
        assert_eq!(ports.len(), 23);
        assert!(ports.contains(101) && !ports.contains(102));
        for text in ["0", "0-5", "", "1,", "5-1", "65536", "+1"] {
            assert!(text.parse::<PortSet>().is_err(), "{text}");
        }
    }

    #[test]
    fn ports_of_both_transports_are_read_and_printed() {
        for (text, printed, tcp, udp) in [
            ("22,80", "22,80", 2, 0),
            ("22,U:53,161", "22,U:53,161", 1, 2),
            ("U:161", "U:161", 0, 1),
            ("u:53, T:80-81,22", "22,80-81,U:53", 3, 1),
        ] {
            let ports: Ports = text.parse().unwrap();
            assert_eq!(ports.to_string(), printed);
            assert_eq!(printed.parse::<Ports>().unwrap(), ports);
            let count = |over| ports.over(over).map_or(0, PortSet::len);
            assert_eq!(
                (count(Transport::Tcp), count(Transport::Udp)),
                (tcp, udp),
                "{text}"
            );
            assert_eq!(ports.count(), tcp + udp);
        }
        for text in ["", "U:", "U:0", "S:80", "80,U", "U:53:54", "T:80,,U:53"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_common_is_in_both() {
        let ports = |text: &str| text.parse::<Ports>().unwrap();
        for (ours, common) in [
            ("1-65535,U:1-65535", Some("22,80,443,445,U:53,137,161,5353,5355")),
            ("20-100", Some("22,80")),
            ("161,U:22,161", Some("U:161")),
            ("8080", None),
        ] {
            let found = ports(ours).common(&Ports::of_discovery());
            assert_eq!(found.map(|ports| ports.to_string()).as_deref(), common, "{ours}");
        }
    }

    #[test]
    fn ports_of_one_transport_do_not_lie_in_those_of_the_other() {
        let ports = |text: &str| text.parse::<Ports>().unwrap();
        let all = ports("22,80-90,U:53");
        for (text, lies) in [
            ("22", true),
            ("85,U:53", true),
            ("U:53", true),
            ("53", false),
            ("U:22", false),
            ("80-91", false),
        ] {
            assert_eq!(ports(text).lie_in(&all), lies, "{text}");
        }
    }
}
