//! Scope: the addresses and ports that may be sent to, and nothing else.
//!
//! Made from a job ([`JobScope`]) or from a command line, read by the engine when it plans and by its wire before
//! each packet ([`Scope`], one transport's), and by the keeper when it writes the kernel's filter. What is excluded
//! always wins.

mod runs;

pub use runs::Run;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    finding::Transport,
    job::Job,
    target::{HostName, PortSet, Ports, Span, Target},
};

/// The most addresses that one name may stand for.
pub const ADDRESSES_PER_NAME: usize = 16;

/// A name and the addresses that it was resolved to, for the time of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The name.
    pub name: HostName,
    /// Its addresses; none when it does not resolve.
    pub addresses: Vec<IpAddr>,
}

/// Hosts that may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    hosts: Vec<Host>,
    never: Vec<Span>,
}

/// What may be sent to over one transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    area: Area,
    ports: PortSet,
}

/// What a job may send to: hosts, and on each of them ports of both transports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobScope {
    /// Where.
    pub area: Area,
    /// On which ports.
    pub ports: Ports,
}

/// Hosts to scan: a run of addresses, or one address under the name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Host {
    /// The addresses.
    pub span: Span,
    /// The name, if the target was one.
    pub name: Option<HostName>,
}

impl Area {
    /// The hosts of these targets. A target's name that `names` does not resolve adds nothing; an excluded
    /// name that it does not resolve leaves nothing, because what must not be touched could be any of it.
    pub fn new(targets: &[Target], exclude: &[Target], names: &[Resolved]) -> Self {
        let spans = |target: &Target| -> Vec<Host> {
            match target {
                Target::Span(span) => vec![Host {
                    span: *span,
                    name: None,
                }],
                Target::Name(name) => names
                    .iter()
                    .filter(|resolved| resolved.name == *name)
                    .flat_map(|resolved| resolved.addresses.iter().take(ADDRESSES_PER_NAME))
                    .map(|address| Host {
                        span: Span::one(*address),
                        name: Some(name.clone()),
                    })
                    .collect(),
            }
        };
        let mut hosts: Vec<Host> = targets.iter().flat_map(spans).collect();
        hosts.sort();
        hosts.dedup();
        if exclude.iter().any(|target| spans(target).is_empty()) {
            hosts.clear();
        }
        let never = exclude.iter().flat_map(spans).map(|host| host.span).collect();
        Self { hosts, never }
    }

    /// Takes addresses out of it, for good.
    #[must_use]
    pub fn without(mut self, spans: impl IntoIterator<Item = Span>) -> Self {
        self.never.extend(spans);
        self
    }

    /// Whether a host is in it.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.hosts.iter().any(|host| host.span.contains(address)) && !self.forbids(address)
    }

    /// The addresses to scan, in order, each with the name it was asked for by, if any.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, Option<&HostName>)> + '_ {
        // What is forbidden is stepped over, not through: it may be a /64.
        let never = runs::sorted(&self.never);
        self.hosts.iter().flat_map(move |host| {
            let left = runs::left(host.span, &never).into_iter();
            let spans = left.filter_map(|(first, last)| Span::between(first, last).ok());
            let addresses = spans.flat_map(|span| span.addresses());
            addresses.map(|address| (address, host.name.as_ref()))
        })
    }

    /// The addresses as sorted runs that do not overlap, for a filter.
    pub fn runs(&self) -> Vec<Run> {
        runs::of(self)
    }

    /// Whether every address that may be sent to lies in one of these.
    pub fn lies_in(&self, spans: &[Span]) -> bool {
        runs::lie_in(&self.runs(), spans)
    }

    /// The hosts as they were asked for; what [`Self::never`] names is to be cut out of them.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The addresses that are never sent to.
    pub fn never(&self) -> &[Span] {
        &self.never
    }

    fn forbids(&self, address: IpAddr) -> bool {
        self.never.iter().any(|span| span.contains(address))
    }
}

impl Scope {
    /// The scope of these targets and ports, as [`Area::new`] reads them.
    pub fn new(targets: &[Target], exclude: &[Target], names: &[Resolved], ports: PortSet) -> Self {
        let area = Area::new(targets, exclude, names);
        Self { area, ports }
    }

    /// Whether a packet may be sent there.
    pub fn permits(&self, address: IpAddr, port: u16) -> bool {
        self.ports.contains(port) && self.permits_host(address)
    }

    /// Whether a host is in scope, on whatever port.
    pub fn permits_host(&self, address: IpAddr) -> bool {
        self.area.permits(address)
    }

    /// The addresses to scan, as [`Area::addresses`].
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, Option<&HostName>)> + '_ {
        self.area.addresses()
    }

    /// The addresses as [`Area::runs`].
    pub fn runs(&self) -> Vec<Run> {
        self.area.runs()
    }

    /// The hosts.
    pub fn area(&self) -> &Area {
        &self.area
    }

    /// The ports.
    pub fn ports(&self) -> &PortSet {
        &self.ports
    }
}

impl JobScope {
    /// Of a job whose names are resolved.
    pub fn of(job: &Job, names: &[Resolved]) -> Self {
        Self {
            area: Area::new(job.targets.as_slice(), &job.exclude, names),
            ports: job.ports.clone(),
        }
    }

    /// Whether a packet may be sent there.
    pub fn permits(&self, address: IpAddr, over: Transport, port: u16) -> bool {
        self.ports.contains(over, port) && self.area.permits(address)
    }

    /// What of it may be sent to over one transport, if anything.
    pub fn over(&self, transport: Transport) -> Option<Scope> {
        let ports = self.ports.over(transport)?.clone();
        let area = self.area.clone();
        Some(Scope { area, ports })
    }
}

impl From<Scope> for JobScope {
    /// Over TCP.
    fn from(Scope { area, ports }: Scope) -> Self {
        let ports = ports.into();
        Self { area, ports }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(texts: &[&str]) -> Vec<Target> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_exclusion_always_wins() {
        let ports: PortSet = "80".parse().unwrap();
        let scope = Scope::new(
            &targets(&["192.0.2.0/30", "192.0.2.2"]),
            &targets(&["192.0.2.2"]),
            &[],
            ports,
        );
        assert!(scope.permits("192.0.2.1".parse().unwrap(), 80));
        assert!(!scope.permits("192.0.2.1".parse().unwrap(), 81));
        assert!(!scope.permits("192.0.2.2".parse().unwrap(), 80));
        assert_eq!(scope.addresses().count(), 3);
    }

    #[test]
    fn a_whole_link_that_is_excluded_costs_no_time() {
        let ports: PortSet = "80".parse().unwrap();
        let link = targets(&["2001:db8::/64"]);
        let scope = Scope::new(&link, &link, &[], ports.clone());
        assert_eq!(scope.addresses().count(), 0);
        let most = targets(&["2001:db8::-2001:db8::ffff:ffff:ffff:fffe"]);
        let scope = Scope::new(&link, &most, &[], ports);
        let left: Vec<_> = scope
            .addresses()
            .map(|(address, _)| address.to_string())
            .collect();
        assert_eq!(left, ["2001:db8::ffff:ffff:ffff:ffff"]);
    }

    #[test]
    fn a_name_is_its_resolved_addresses_and_no_more() {
        let resolved = Resolved {
            name: "www.lan".parse().unwrap(),
            addresses: vec!["192.0.2.9".parse().unwrap()],
        };
        let scope = Scope::new(
            &targets(&["www.lan", "other.lan"]),
            &[],
            &[resolved],
            PortSet::all(),
        );
        let hosts: Vec<_> = scope
            .addresses()
            .map(|(address, name)| (address.to_string(), name.is_some()))
            .collect();
        assert_eq!(hosts, [("192.0.2.9".to_owned(), true)]);
    }

    #[test]
    fn an_excluded_name_that_does_not_resolve_leaves_nothing() {
        let (targets, exclude) = (targets(&["192.0.2.0/30"]), targets(&["printer.lan"]));
        let scope = Scope::new(&targets, &exclude, &[], PortSet::all());
        assert_eq!(scope.addresses().count(), 0);
    }
}
