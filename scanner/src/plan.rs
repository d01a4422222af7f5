//! What to send, decided from values alone: first every endpoint of the scope, then, for each open one,
//! whatever its answers so far call for.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use vedette_protocol::{
    Scope,
    finding::Host,
    job::{Check, Checks},
    scope::Run,
    target::HostName,
};

use crate::{
    audit::{AUDITS, Subject},
    identify::{Depth, Identified, identify},
    known::Known,
    probe::{Probe, Versions, Wrap},
    service::datagram,
};

/// The endpoints of a scan, and the names that its hosts go by.
#[derive(Debug, Clone)]
pub struct Plan {
    addresses: Vec<IpAddr>,
    ports: Vec<u16>,
    names: BTreeMap<IpAddr, Vec<HostName>>,
    /// Addresses of the scope that are too many to be asked.
    beyond: u64,
}

impl Plan {
    /// Draws up the plan for a scope. No endpoint is in it twice, however often targets overlap. Of more than
    /// [`MOST_HOSTS`] addresses the first ones are in it, and how many are not.
    pub fn of(scope: &Scope) -> Self {
        let mut addresses: Vec<IpAddr> = Vec::new();
        let mut names: BTreeMap<IpAddr, Vec<HostName>> = BTreeMap::new();
        for (address, name) in scope.addresses().take(MOST_HOSTS) {
            addresses.push(address);
            if let Some(name) = name {
                names.entry(address).or_default().push(name.clone());
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        let in_scope = scope.runs().into_iter().map(length).fold(0, u64::saturating_add);
        let (common, rest): (Vec<u16>, Vec<u16>) =
            scope.ports().iter().partition(|port| COMMON.contains(port));
        Self {
            beyond: in_scope.saturating_sub(addresses.len() as u64),
            addresses,
            ports: [common, rest].concat(),
            names,
        }
    }

    /// The endpoints: port by port, so that no host bears the whole scan at once, usual ports first.
    pub fn endpoints(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.endpoints_of(&self.addresses)
    }

    /// The endpoints of some of the hosts.
    pub(crate) fn endpoints_of<'a>(&'a self, hosts: &'a [IpAddr]) -> impl Iterator<Item = SocketAddr> + 'a {
        let host = move |port: u16| hosts.iter().map(move |address| SocketAddr::new(*address, port));
        self.ports.iter().copied().flat_map(host)
    }

    /// The hosts, in order.
    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// The ports.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// How many addresses of the scope are not in it, for being too many.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// How many endpoints.
    pub fn len(&self) -> u64 {
        self.addresses.len() as u64 * self.ports.len() as u64
    }

    /// Whether there is nothing to do: everything in scope is excluded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many hosts.
    pub fn hosts(&self) -> u64 {
        self.addresses.len() as u64
    }

    /// What an open endpoint is scanned as: once under each name that it was asked for by.
    pub fn guises(&self, endpoint: SocketAddr) -> Vec<Known> {
        match self.names.get(&endpoint.ip()) {
            Some(names) => names
                .iter()
                .map(|name| Known::open(endpoint, Some(name.clone())))
                .collect(),
            None => vec![Known::open(endpoint, None)],
        }
    }

    /// A host as findings name it: by each name that it was asked for by, or else by its address.
    pub(crate) fn hosts_named(&self, address: IpAddr) -> Vec<Host> {
        match self.names.get(&address) {
            Some(names) => names.iter().map(Host::from).collect(),
            None => vec![address.into()],
        }
    }
}

fn length((first, last): Run) -> u64 {
    let number = |address| match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    u64::try_from(number(last) - number(first) + 1).unwrap_or(u64::MAX)
}

/// What a host that answers is asked over UDP: those of the ports that a service speaks UDP on.
pub(crate) fn datagrams(ports: &[u16]) -> Vec<u16> {
    let ports = ports.iter().copied();
    ports.filter(|port| datagram(*port).is_some()).collect()
}

/// What to send to an open endpoint next; nothing when all is known that the checks ask for.
pub fn next(known: &Known, checks: &Checks) -> Vec<Probe> {
    let subject = match subject(known, checks) {
        Ok(subject) => subject,
        Err(Some(ask)) => return vec![*ask],
        Err(None) => return Vec::new(),
    };
    let mut wanted: Vec<Probe> = Vec::new();
    let audits = AUDITS.iter().filter(|audit| checks.contains(audit.check));
    for probe in audits.flat_map(|audit| (audit.probes)(&subject)) {
        if known.reply(&probe).is_none() && !wanted.iter().any(|other| other.asks_the_same(&probe)) {
            wanted.push(probe);
        }
    }
    wanted
}

/// Whether an endpoint of which nothing more is asked was given up before it was known.
pub(crate) fn is_given_up(known: &Known, checks: &Checks) -> bool {
    (checks.contains(Check::Services) || checks.contains(Check::Http))
        && identify(known, Depth::Service) == Identified::GivenUp
}

/// What is to be audited, or what must be asked before that is known; neither, when only ports count.
pub(crate) fn subject<'a>(known: &'a Known, checks: &Checks) -> Result<Subject<'a>, Option<Box<Probe>>> {
    let depth = match (
        checks.contains(Check::Services) || checks.contains(Check::Http),
        checks.contains(Check::Tls),
    ) {
        (true, _) => Depth::Service,
        (false, true) => Depth::TlsOnly,
        (false, false) => return Err(None),
    };
    match identify(known, depth) {
        Identified::Ask(probe) => Err(Some(Box::new(probe))),
        Identified::As(identity, wrap) => Ok(Subject::new(known, Some(identity), wrap)),
        Identified::Tls => {
            let wrap = Wrap::Tls(known.hello(Versions::Both));
            Ok(Subject::new(known, None, wrap))
        }
        Identified::Unknown | Identified::GivenUp => Ok(Subject::new(known, None, Wrap::Plain)),
    }
}

/// Of one scope: some 40 MiB.
pub const MOST_HOSTS: usize = 1 << 21;
/// Ports that are asked first, so that what takes longest begins early.
const COMMON: &[u16] = &[
    21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 389, 443, 445, 465, 587, 636, 993, 995, 1433, 1521,
    1883, 2049, 2375, 2376, 3000, 3306, 3389, 5000, 5432, 5672, 5900, 5985, 6379, 6443, 8000, 8080, 8443,
    8888, 9000, 9090, 9200, 9443, 11211, 27017,
];
