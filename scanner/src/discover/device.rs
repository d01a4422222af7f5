//! The hosts that were seen, each with the facts that show it; closed, each is a finding. Pure.
//!
//! What must stay true: only addresses in scope are kept, a fact once, and no more of either than the bounds
//! below, whatever is heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use vedette_protocol::{
    Finding, JobScope,
    finding::{Confidence, DeviceKind, Evidence, FindingPlace, FindingType, Host, Label, MacAddress, Source},
    scope::Area,
};

use super::signs;
use crate::{topology::trace::Path, vendor::vendor};

/// Something that was learnt of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It answered us.
    Answered(Source, Option<u16>),
    /// It was overheard: anyone on the link could have said it in its name.
    Overheard(Source),
    /// It has this adapter, by its own answer.
    Adapter(MacAddress),
    /// It bears this adapter's address in a frame that was not for us.
    AdapterOverheard(MacAddress),
    /// It goes by this name.
    Name(String, Source),
    /// It is of this kind.
    Kind(DeviceKind, Source),
    /// It runs this.
    System(String, Option<String>, Source),
    /// It is this model.
    Model(String),
    /// Something to mend, at a port of it or at the host as a whole, with the evidence.
    Weakness(FindingType, Option<u16>, Option<Evidence>),
    /// Its frames bear this tag.
    Vlan(u16),
    /// It is joined to another.
    Neighbour(Evidence),
    /// It stands in a network.
    Subnet(Evidence),
    /// It leads to a network.
    Route(Evidence),
    /// A router so many hops on the way to it.
    Router(u8, IpAddr, Source),
    /// It answered itself with so many hops allowed.
    Arrived(u8, Source),
}

impl Fact {
    /// The fact as it leaves, if it stands for itself.
    pub(crate) fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::Answered(by, port) => Some(Evidence::Seen { by: *by, port: *port }),
            Self::Overheard(by) => Some(Evidence::Seen { by: *by, port: None }),
            Self::Name(name, by) => Some(Evidence::HostName {
                name: Label::cut(name)?,
                by: *by,
            }),
            Self::Kind(device, by) => Some(Evidence::Device {
                device: *device,
                by: *by,
            }),
            Self::System(name, version, by) => Some(Evidence::System {
                name: Label::cut(name)?,
                version: version.as_deref().and_then(Label::cut),
                by: *by,
            }),
            Self::Adapter(_)
            | Self::AdapterOverheard(_)
            | Self::Model(_)
            | Self::Weakness(..)
            | Self::Vlan(_)
            | Self::Neighbour(_)
            | Self::Subnet(_)
            | Self::Route(_)
            | Self::Router(..)
            | Self::Arrived(..) => None,
        }
    }
}

/// The hosts of one scope.
#[derive(Debug)]
pub(crate) struct Devices {
    scope: Arc<JobScope>,
    devices: BTreeMap<IpAddr, Device>,
    full: bool,
}

#[derive(Debug, Default)]
struct Device {
    answered: bool,
    adapters: BTreeMap<MacAddress, Claim>,
    model: Option<Label>,
    evidence: Vec<Evidence>,
    weaknesses: BTreeMap<(FindingType, Option<u16>), Vec<Evidence>>,
    vlans: BTreeSet<u16>,
    neighbours: Vec<Evidence>,
    subnets: Vec<Evidence>,
    routes: Vec<Evidence>,
    path: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Overheard,
    Answered,
}

impl Devices {
    /// None yet.
    pub(crate) fn new(scope: Arc<JobScope>) -> Self {
        Self {
            scope,
            devices: BTreeMap::new(),
            full: false,
        }
    }

    /// Takes a fact; of an address that is not in scope, none is kept.
    pub(crate) fn learn(&mut self, address: IpAddr, fact: Fact) {
        if !self.scope.area.permits(address) {
            return;
        }
        if self.devices.len() >= DEVICES && !self.devices.contains_key(&address) {
            self.full = true;
            return;
        }
        self.devices.entry(address).or_default().learn(fact);
    }

    /// Whether there were more hosts than are kept.
    pub(crate) fn full(&self) -> bool {
        self.full
    }

    /// How many answered.
    pub(crate) fn answering(&self) -> u64 {
        self.devices.values().filter(|device| device.answered).count() as u64
    }

    /// The address of a host with this adapter, if one is known.
    pub(crate) fn with_adapter(&self, mac: MacAddress) -> Option<IpAddr> {
        self.devices
            .iter()
            .find(|(_, device)| device.adapters.contains_key(&mac))
            .map(|(address, _)| *address)
    }

    /// Everything that is known, as findings.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.devices
            .iter()
            .flat_map(|(address, device)| {
                let hosts = asked_for(&self.scope.area, *address);
                hosts.into_iter().flat_map(|host| device.findings(&host))
            })
            .collect()
    }
}

impl Device {
    fn learn(&mut self, fact: Fact) {
        if let Some(evidence) = fact.evidence() {
            self.add(evidence);
        }
        match fact {
            Fact::Answered(..) => self.answered = true,
            Fact::Overheard(_) | Fact::Name(..) | Fact::Kind(..) | Fact::System(..) => {}
            Fact::Adapter(mac) => self.claim(mac, Claim::Answered),
            Fact::AdapterOverheard(mac) => self.claim(mac, Claim::Overheard),
            Fact::Model(model) => {
                if self.model.is_none() {
                    self.model = Label::cut(&model);
                }
            }
            Fact::Weakness(type_, port, evidence) => {
                let known = self.weaknesses.entry((type_, port)).or_default();
                if let Some(evidence) = evidence
                    && known.len() < FACTS
                    && !known.contains(&evidence)
                {
                    known.push(evidence);
                }
            }
            Fact::Vlan(id) => {
                if self.vlans.len() < FACTS {
                    self.vlans.insert(id);
                }
            }
            Fact::Neighbour(evidence) => edge(&mut self.neighbours, evidence),
            Fact::Subnet(evidence) => edge(&mut self.subnets, evidence),
            Fact::Route(evidence) => edge(&mut self.routes, evidence),
            Fact::Router(distance, address, by) => self.path.router(distance, address, by),
            Fact::Arrived(distance, by) => self.path.arrived(distance, by),
        }
    }

    fn claim(&mut self, mac: MacAddress, claim: Claim) {
        let room = self.adapters.len() < ADAPTERS;
        if let Some(known) = self.adapters.get_mut(&mac) {
            *known = claim.max(*known);
        } else if room {
            self.adapters.insert(mac, claim);
        }
    }

    fn add(&mut self, evidence: Evidence) {
        if self.evidence.len() < FACTS && !self.evidence.contains(&evidence) {
            self.evidence.push(evidence);
        }
    }

    fn findings(&self, host: &Host) -> Vec<Finding> {
        let place = || FindingPlace::host(host.clone());
        let sure = match self.answered {
            true => Confidence::Certain,
            false => Confidence::Tentative,
        };
        let interface = |mac: &MacAddress| Evidence::Interface {
            mac: *mac,
            vendor: vendor(*mac),
        };
        let mut device = Finding::new(FindingType::Device, place(), sure);
        device.product.clone_from(&self.model);
        device.evidence = self.evidence.clone();
        device.evidence.extend(self.adapters.keys().map(interface));
        for mac in self.adapters.keys() {
            let kinds = signs::kind_by_adapter(*mac).map(|device| Evidence::Device {
                device,
                by: Source::Vendor,
            });
            device
                .evidence
                .extend(kinds.filter(|evidence| !self.evidence.contains(evidence)));
        }
        let mut findings = vec![device];
        let firm = |type_, evidence| {
            let mut finding = Finding::new(type_, place(), Confidence::Firm);
            finding.evidence = evidence;
            finding
        };
        for ((type_, port), evidence) in &self.weaknesses {
            let place = match port {
                Some(port) => FindingPlace::udp(host.clone(), *port),
                None => place(),
            };
            let mut finding = Finding::new(*type_, place, Confidence::Certain);
            finding.evidence.clone_from(evidence);
            findings.push(finding);
        }
        // Both answered a question that was put to all: one of them has the other's address.
        let answering = self
            .adapters
            .iter()
            .filter(|(_, claim)| **claim == Claim::Answered);
        let answering: Vec<Evidence> = answering.map(|(mac, _)| interface(mac)).collect();
        if answering.len() > 1 {
            findings.push(firm(FindingType::AddressConflict, answering));
        }
        if !self.vlans.is_empty() {
            let tags = self.vlans.iter().map(|id| Evidence::Vlan { id: *id }).collect();
            findings.push(firm(FindingType::Vlan, tags));
        }
        let edges = [
            (FindingType::Neighbours, self.neighbours.clone()),
            (FindingType::Subnet, self.subnets.clone()),
            (FindingType::Gateway, self.routes.clone()),
            (FindingType::Path, self.path.evidence()),
        ];
        for (type_, evidence) in edges {
            if !evidence.is_empty() {
                findings.push(firm(type_, evidence));
            }
        }
        findings
    }
}

/// A host as findings name it: by each name that it was asked for by, or else by its address.
pub(crate) fn asked_for(area: &Area, address: IpAddr) -> Vec<Host> {
    let of_it = area.hosts().iter().filter(|host| host.span.contains(address));
    let names: Vec<Host> = of_it
        .filter_map(|host| host.name.as_ref().map(Host::from))
        .collect();
    match names.is_empty() {
        true => vec![address.into()],
        false => names,
    }
}

fn edge(edges: &mut Vec<Evidence>, edge: Evidence) {
    if edges.len() < EDGES && !edges.contains(&edge) {
        edges.push(edge);
    }
}

/// With the bounds on each of them, some 200 MB at the very worst and 10 in a network of /16.
const DEVICES: usize = 65_536;
const FACTS: usize = 32;
const ADAPTERS: usize = 8;
/// Of one kind.
const EDGES: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vedette_protocol::{scope::Resolved, target::Ports};

    fn devices(target: &str) -> Devices {
        let area = Area::new(&[target.parse().unwrap()], &[], &[]);
        let ports = Ports::of_discovery();
        Devices::new(Arc::new(JobScope { area, ports }))
    }

    fn found(devices: &Devices, type_: FindingType) -> Vec<Finding> {
        let mut findings = devices.findings();
        findings.retain(|finding| finding.type_ == type_);
        findings
    }

    const ONE: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    #[test]
    fn who_was_asked_for_by_name_is_told_by_name() {
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        let names = ["web.lan", "www.lan"].map(|name| Resolved {
            name: name.parse().unwrap(),
            addresses: vec![address],
        });
        let targets = ["web.lan", "www.lan", "192.0.2.8"].map(|target| target.parse().unwrap());
        let area = Area::new(&targets, &[], &names);
        let ports = Ports::of_discovery();
        let mut devices = Devices::new(Arc::new(JobScope { area, ports }));
        for host in [address, "192.0.2.8".parse().unwrap()] {
            devices.learn(host, Fact::Answered(Source::Arp, None));
        }
        let found = devices.findings();
        let told: Vec<&str> = found.iter().map(|finding| finding.target.as_str()).collect();
        assert_eq!(told, ["web.lan", "www.lan", "192.0.2.8"]);
        assert!(found.iter().all(Finding::id_is_right));
    }

    #[test]
    fn what_is_not_in_scope_is_not_told() {
        let mut devices = devices("192.0.2.0/30");
        devices.learn("192.0.2.9".parse().unwrap(), Fact::Overheard(Source::Arp));
        assert_eq!(devices.findings(), []);
    }

    #[test]
    fn two_adapters_that_answer_for_one_address_conflict() {
        let address = "192.0.2.1".parse().unwrap();
        let mut devices = devices("192.0.2.0/30");
        devices.learn(address, Fact::Adapter(ONE));
        devices.learn(address, Fact::Adapter(ONE));
        devices.learn(address, Fact::AdapterOverheard(OTHER));
        assert_eq!(
            found(&devices, FindingType::AddressConflict),
            [],
            "hearsay is no conflict"
        );
        devices.learn(address, Fact::Adapter(OTHER));
        let conflict = found(&devices, FindingType::AddressConflict);
        assert_eq!(conflict[0].evidence.len(), 2);
    }

    #[test]
    fn who_was_only_overheard_is_tentative() {
        let address = "192.0.2.1".parse().unwrap();
        let mut devices = devices("192.0.2.0/30");
        devices.learn(address, Fact::Overheard(Source::Mdns));
        assert_eq!(
            found(&devices, FindingType::Device)[0].confidence,
            Confidence::Tentative
        );
        devices.learn(address, Fact::Answered(Source::Arp, None));
        assert_eq!(
            found(&devices, FindingType::Device)[0].confidence,
            Confidence::Certain
        );
        assert_eq!(devices.answering(), 1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn a_storm_stays_within_bounds(names in proptest::collection::vec(".{0,200}", 0..200), macs in any::<[[u8; 6]; 20]>()) {
            let mut devices = devices("192.0.2.0/24");
            let address = "192.0.2.77".parse().unwrap();
            for name in names {
                devices.learn(address, Fact::Name(name.clone(), Source::Mdns));
                devices.learn(address, Fact::Model(name));
            }
            for (at, mac) in macs.into_iter().enumerate() {
                devices.learn(address, Fact::Adapter(MacAddress(mac)));
                devices.learn(address, Fact::Vlan(u16::try_from(at).unwrap()));
            }
            for finding in devices.findings() {
                prop_assert!(finding.evidence.len() <= FACTS + 2 * ADAPTERS);
                prop_assert!(finding.id_is_right());
            }
        }
    }
}
