//! What a discovery found, for people: a host in a few words, and how hosts hang together.

use std::{collections::BTreeSet, fmt};

use super::{DeviceKind, Evidence, Finding, FindingType, Label, MacAddress, Source};

/// A host in a few words: what a finding of type [`FindingType::Device`] says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Portrait {
    /// Its adapters, each with its maker if that is known.
    pub adapters: Vec<(MacAddress, Option<Label>)>,
    /// The names that it goes by, each once.
    pub names: Vec<Label>,
    /// What it is; several where that is not clear.
    pub kinds: Vec<DeviceKind>,
    /// What it runs.
    pub systems: Vec<Label>,
    /// What model it is.
    pub model: Option<Label>,
    /// Whether it answered on our own link.
    pub on_link: bool,
}

impl Portrait {
    /// Of a host; none of any other finding.
    pub fn of(finding: &Finding) -> Option<Self> {
        if finding.type_ != FindingType::Device {
            return None;
        }
        let mut portrait = Self {
            model: finding.product.clone(),
            ..Self::default()
        };
        for evidence in &finding.evidence {
            match evidence {
                Evidence::Interface { mac, vendor } => portrait.adapters.push((*mac, vendor.clone())),
                Evidence::HostName { name, .. } => once(&mut portrait.names, name),
                Evidence::Device { device, .. } => once(&mut portrait.kinds, device),
                Evidence::System { name, .. } => once(&mut portrait.systems, name),
                Evidence::Seen { by, .. } => {
                    portrait.on_link |= matches!(by, Source::Arp | Source::NeighbourDiscovery);
                }
                _ => {}
            }
        }
        Some(portrait)
    }
}

impl fmt::Display for Portrait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        words.extend(self.kinds.iter().map(ToString::to_string));
        words.extend(self.model.iter().chain(&self.systems).map(ToString::to_string));
        words.extend(self.adapters.iter().map(|(mac, vendor)| match vendor {
            Some(vendor) => format!("{mac} ({vendor})"),
            None => mac.to_string(),
        }));
        f.write_str(&words.join(", "))
    }
}

/// Two places in a network that hang together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Where it begins; none: at the appliance itself.
    pub from: Option<String>,
    /// Where it ends: a host, a network, a neighbour's name.
    pub to: String,
    /// How.
    pub how: String,
}

impl Edge {
    /// Those that a finding tells of, each once.
    pub fn of(finding: &Finding) -> BTreeSet<Self> {
        let host = finding.target.to_string();
        let from_host = |to: String, how: String| Self {
            from: Some(host.clone()),
            to,
            how,
        };
        let mut edges = BTreeSet::new();
        if finding.type_ == FindingType::Path {
            edges.extend(Self::of_way(finding));
        }
        if Portrait::of(finding).is_some_and(|portrait| portrait.on_link) {
            edges.insert(Self {
                from: None,
                to: host.clone(),
                how: "on the link".to_owned(),
            });
        }
        for evidence in &finding.evidence {
            match evidence {
                Evidence::Network { network, .. } if finding.type_ == FindingType::Gateway => {
                    edges.insert(from_host(network.to_string(), "leads to".to_owned()));
                }
                Evidence::Network { network, .. } => {
                    edges.insert(from_host(network.to_string(), "stands in".to_owned()));
                }
                Evidence::Vlan { id } => {
                    edges.insert(from_host(format!("VLAN {id}"), "stands in".to_owned()));
                }
                Evidence::Neighbour {
                    by,
                    interface,
                    chassis,
                    port,
                    name,
                    address,
                } => {
                    let label = |label: &Option<Label>| label.as_ref().map(ToString::to_string);
                    let address = address.as_ref().map(ToString::to_string);
                    let to = address.or_else(|| label(name)).or_else(|| label(chassis));
                    let end = |port: &Option<Label>| label(port).unwrap_or_else(|| "a port".to_owned());
                    let how = format!("cable from {} to {}, by {by}", end(interface), end(port));
                    edges.extend(to.map(|to| from_host(to, how)));
                }
                _ => {}
            }
        }
        edges
    }

    /// From router to router to a host.
    fn of_way(path: &Finding) -> Vec<Self> {
        let hops = path.evidence.iter().filter_map(|evidence| match evidence {
            Evidence::Hop { address, .. } => Some(address.as_ref().map(ToString::to_string)),
            _ => None,
        });
        let (mut edges, mut from, mut silent) = (Vec::new(), None, 0);
        for end in hops.chain([Some(path.target.to_string())]) {
            let Some(to) = end else {
                silent += 1;
                continue;
            };
            let how = match silent {
                0 => "the way".to_owned(),
                silent => format!("the way, over {silent} that did not answer"),
            };
            edges.push(Self {
                from: from.replace(to.clone()),
                to,
                how,
            });
            silent = 0;
        }
        edges
    }
}

/// Adds what is not there yet.
fn once<T: PartialEq + Clone>(all: &mut Vec<T>, one: &T) {
    if !all.contains(one) {
        all.push(one.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Confidence, FindingPlace, Host};

    fn finding(type_: FindingType, evidence: Vec<Evidence>) -> Finding {
        let host: std::net::IpAddr = "192.0.2.7".parse().unwrap();
        let mut finding = Finding::new(type_, FindingPlace::host(host.into()), Confidence::Certain);
        finding.evidence = evidence;
        finding
    }

    fn label(text: &str) -> Label {
        Label::cut(text).unwrap()
    }

    fn shown(finding: &Finding) -> Vec<String> {
        let end = |from: &Option<String>| from.clone().unwrap_or_else(|| "here".to_owned());
        Edge::of(finding)
            .iter()
            .map(|edge| format!("{} > {}: {}", end(&edge.from), edge.to, edge.how))
            .collect()
    }

    #[test]
    fn a_host_is_told_in_a_few_words_each_once() {
        let name = |by| Evidence::HostName {
            name: label("printer.lan"),
            by,
        };
        let host = finding(
            FindingType::Device,
            vec![
                Evidence::Seen {
                    by: Source::Arp,
                    port: None,
                },
                name(Source::Mdns),
                name(Source::ReverseDns),
                Evidence::Device {
                    device: DeviceKind::Printer,
                    by: Source::Mdns,
                },
                Evidence::Interface {
                    mac: MacAddress([2, 0, 0x5e, 0x10, 0, 0]),
                    vendor: Some(label("Maker")),
                },
            ],
        );
        let portrait = Portrait::of(&host).unwrap();
        assert_eq!(
            portrait.to_string(),
            "printer.lan, printer, 02:00:5e:10:00:00 (Maker)"
        );
        assert_eq!(shown(&host), ["here > 192.0.2.7: on the link"]);
        assert_eq!(Portrait::of(&finding(FindingType::Path, vec![])), None);
    }

    #[test]
    fn a_way_leads_over_those_that_answered_and_counts_the_others() {
        let hop = |distance, address: Option<&str>| Evidence::Hop {
            distance,
            address: address.map(|address| address.parse::<std::net::IpAddr>().unwrap().into()),
            by: Source::IcmpEcho,
        };
        let path = finding(
            FindingType::Path,
            vec![hop(1, Some("198.51.100.1")), hop(2, None), hop(3, None)],
        );
        assert_eq!(
            shown(&path),
            [
                "198.51.100.1 > 192.0.2.7: the way, over 2 that did not answer",
                "here > 198.51.100.1: the way"
            ]
            .map(str::to_owned)
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
        );
    }

    #[test]
    fn networks_and_cables_are_edges() {
        let network = |via: Option<Host>| Evidence::Network {
            network: label("203.0.113.0/24"),
            interface: label("eth0"),
            via,
        };
        assert_eq!(
            shown(&finding(FindingType::Gateway, vec![network(None)])),
            ["192.0.2.7 > 203.0.113.0/24: leads to"]
        );
        assert_eq!(
            shown(&finding(FindingType::Subnet, vec![network(None)])),
            ["192.0.2.7 > 203.0.113.0/24: stands in"]
        );
        let cable = Evidence::Neighbour {
            by: Source::Lldp,
            interface: Some(label("gi1")),
            chassis: None,
            port: None,
            name: Some(label("switch")),
            address: None,
        };
        assert_eq!(
            shown(&finding(FindingType::Neighbours, vec![cable])),
            ["192.0.2.7 > switch: cable from gi1 to a port, by lldp"]
        );
    }
}
