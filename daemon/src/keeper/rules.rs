//! What the packet filter's sets hold, as one value, and the one transaction that makes the kernel's
//! equal to it.
//!
//! Pure. Grants are cut anew with every change, so that an address that has become the platform's, a
//! resolver's or our own leaves the running jobs' scope as well.

mod never;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
};

use serde_json::{Value, json};
use vedette_protocol::{
    JobId, JobScope,
    finding::Transport,
    scope::{Area, Run},
    target::Span,
    worker::LENT_PORTS,
};

use super::{
    frames,
    own::{Interface, Own},
};

/// The tables of the base filter.
pub const TABLE: &str = "vedette";

/// What is ours to fill: of the table for packets (family inet), and of that for whole frames (family netdev).
pub const SETS: [(&str, &str); 14] = [
    ("inet", "resolvers4"),
    ("inet", "resolvers6"),
    ("inet", "platform4"),
    ("inet", "platform6"),
    ("inet", "collector4"),
    ("inet", "collector6"),
    ("inet", "scope4"),
    ("inet", "scope6"),
    ("netdev", "own_ether"),
    ("netdev", "own4"),
    ("netdev", "scope4"),
    ("netdev", "neighbours4"),
    ("netdev", "echoes4"),
    ("netdev", "marks"),
];

/// The chain whose rules are ours to write, in the table for frames: a limit for each worker that has one.
pub const RATES: &str = "rates";

/// The other one: for each worker that asks by ICMP, the identifiers of its questions.
pub const ECHOES: &str = "echoes";

/// To where workers' uids reach, which are the marks of their sockets as well.
pub const WORKERS: (u32, u32) = (61_184, 65_519);

/// The most elements that all grants together may come to.
pub const ELEMENTS_LIMIT: usize = 16_384;

/// The sets' content.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Resolvers, for the link's user.
    pub resolvers: Vec<IpAddr>,
    /// Addresses of the platform, for the link's user.
    pub platform: Vec<IpAddr>,
    /// The platform's port.
    pub port: u16,
    /// Addresses of the operator's collector, for the link's user.
    pub collector: Vec<IpAddr>,
    /// The collector's port.
    pub collector_port: u16,
    /// What each worker's uid may send to.
    pub grants: BTreeMap<u32, Grant>,
}

/// What one worker may send to.
#[derive(Debug, Clone)]
pub struct Grant {
    /// For which job.
    pub job: JobId,
    /// Where.
    pub scope: JobScope,
    /// The most packets in a second.
    pub rate: Option<NonZeroU32>,
    /// The first of the ports from which it may send frames of its own, if it may.
    pub ports: Option<u16>,
    /// Whether those may be echo and timestamp requests to its targets too, with these ports as identifiers.
    pub echoes: bool,
}

/// The grants come to more elements than a filter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the jobs' targets and ports come to more than {ELEMENTS_LIMIT} filter elements")]
pub struct TooLarge;

impl Rules {
    /// Takes out of an area what is never scanned: the platform, resolvers, the collector, our own addresses,
    /// and what is no host of a network.
    pub fn lawful(&self, area: Area, own: &[IpAddr]) -> Area {
        let never = self.never(own);
        let cuts: Vec<Span> = area
            .hosts()
            .iter()
            .flat_map(|host| {
                let (first, last) = host.span.bounds();
                never.iter().filter_map(move |&(low, high)| {
                    let one_family = first.is_ipv4() == low.is_ipv4();
                    // What is out of order or of two families is no span: nothing is to be cut there.
                    let span = Span::between(first.max(low), last.min(high)).ok()?;
                    one_family.then_some(span)
                })
            })
            .collect();
        area.without(cuts)
    }

    /// The transaction that empties the sets and fills them with this content.
    ///
    /// Made as text, piece by piece: as one tree of values, copied at each level, a grant of some thousand elements
    /// does not fit into the memory that the keeper may lock.
    ///
    /// # Errors
    /// When that is more than the bound.
    pub fn transaction(&self, own: &Own) -> Result<String, TooLarge> {
        let kind = |set: &str| if set == MARKS { "map" } else { "set" };
        let mut commands: Vec<String> = SETS
            .iter()
            .map(|(family, set)| {
                let named = json!({"family": family, "table": TABLE, "name": set});
                json!({"flush": {kind(set): named}}).to_string()
            })
            .collect();
        for chain in [RATES, ECHOES] {
            let chain = json!({"family": "netdev", "table": TABLE, "name": chain});
            commands.push(json!({"flush": {"chain": chain}}).to_string());
        }
        let rules = self.rates().chain(self.identifiers());
        commands.extend(rules.map(|rule| rule.to_string()));
        let mut fill = |family: &str, set: &str, elements: Vec<String>| {
            if !elements.is_empty() {
                let elements = elements.join(",");
                commands.push(format!(
                    r#"{{"add":{{"element":{{"elem":[{elements}],"family":"{family}","name":"{set}","table":"{TABLE}"}}}}}}"#
                ));
            }
        };
        for (digit, v4) in [('4', true), ('6', false)] {
            let family = |address: &&IpAddr| address.is_ipv4() == v4;
            let resolvers = distinct(&self.resolvers);
            let resolvers = resolvers
                .iter()
                .filter(family)
                .map(|address| json!(address).to_string());
            fill("inet", &format!("resolvers{digit}"), resolvers.collect());
            for (set, addresses, port) in [
                ("platform", &self.platform, self.port),
                ("collector", &self.collector, self.collector_port),
            ] {
                let addresses = distinct(addresses);
                let endpoints = addresses
                    .iter()
                    .filter(family)
                    .map(|address| json!({"concat": [address, port]}).to_string());
                fill("inet", &format!("{set}{digit}"), endpoints.collect());
            }
        }
        let (scope4, scope6): (Vec<_>, Vec<_>) = self
            .elements(&own.addresses)?
            .into_iter()
            .partition(Element::is_ipv4);
        let frames = scope4.iter().copied().filter(|element| element.frames);
        fill("netdev", "scope4", frames.map(Element::json).collect());
        fill("netdev", "neighbours4", self.neighbours(own));
        fill("netdev", "echoes4", self.echoes(own));
        let marks = self.grants.keys().map(|uid| json!([uid, uid]).to_string());
        fill("netdev", MARKS, marks.collect());
        let macs = own.interfaces.iter().filter_map(|interface| interface.mac);
        fill("netdev", "own_ether", texts(macs));
        let addresses = own.interfaces.iter().flat_map(|interface| &interface.addresses);
        fill("netdev", "own4", texts(addresses));
        for (set, elements) in [("scope4", scope4), ("scope6", scope6)] {
            fill("inet", set, elements.into_iter().map(Element::json).collect());
        }
        Ok(format!(r#"{{"nftables":[{}]}}"#, commands.join(",")))
    }

    /// Ports for a worker's own frames that no running job has.
    pub fn free_ports(&self) -> Option<u16> {
        let taken = |first: u16| self.grants.values().any(|grant| grant.ports == Some(first));
        (FIRST_PORT..LAST_PORT)
            .step_by(LENT_PORTS.into())
            .find(|first| !taken(*first))
    }

    /// Whom workers may ask for their link-layer addresses: targets, and who passes packets on to them.
    fn neighbours(&self, own: &Own) -> Vec<String> {
        let mut elements = Vec::new();
        for (uid, grant) in self.grants.iter().filter(|(_, grant)| grant.ports.is_some()) {
            let mut runs = self.targets(grant, own);
            for gateway in own.gateways() {
                // A set takes no element twice.
                if !runs
                    .iter()
                    .any(|(first, last)| (first..=last).contains(&&gateway))
                {
                    runs.push((gateway, gateway));
                }
            }
            elements.extend(runs.into_iter().map(|run| of_worker(*uid, run)));
        }
        elements
    }

    /// Whom workers may ask by ICMP: their targets, and nobody on the way.
    fn echoes(&self, own: &Own) -> Vec<String> {
        let asking = self.asking();
        let runs = asking.flat_map(|(uid, grant, _)| {
            let runs = self.targets(grant, own).into_iter();
            runs.map(move |run| of_worker(uid, run))
        });
        runs.collect()
    }

    /// The rules that let a worker's questions by ICMP go with its own identifiers.
    fn identifiers(&self) -> impl Iterator<Item = Value> + '_ {
        self.asking().map(|(uid, _, first)| {
            let of_it = json!({"op": "==", "left": {"meta": {"key": "mark"}}, "right": uid});
            // Behind type, code and checksum (RFC 792).
            let identifier = json!({"payload": {"base": "th", "offset": 32, "len": 16}});
            let own = json!({"range": [first, first + (LENT_PORTS - 1)]});
            let its_own = json!({"op": "==", "left": identifier, "right": own});
            json!({"add": {"rule": {
                "family": "netdev",
                "table": TABLE,
                "chain": ECHOES,
                "expr": [{"match": of_it}, {"match": its_own}, {"accept": null}],
            }}})
        })
    }

    /// The workers that may ask by ICMP, with what is theirs and the first of their identifiers.
    fn asking(&self) -> impl Iterator<Item = (u32, &Grant, u16)> {
        let grants = self.grants.iter().filter(|(_, grant)| grant.echoes);
        grants.filter_map(|(uid, grant)| Some((*uid, grant, grant.ports?)))
    }

    /// The targets over IPv4 as they may be sent to now.
    fn targets(&self, grant: &Grant, own: &Own) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let area = self.lawful(grant.scope.area.clone(), &own.addresses);
        area.runs().into_iter().filter_map(frames::v4).collect()
    }

    /// The rules that hold each worker to its rate, whatever it sends: a tenth of a second's worth at once.
    fn rates(&self) -> impl Iterator<Item = Value> + '_ {
        self.grants.iter().filter_map(|(uid, grant)| {
            let rate = grant.rate?.get();
            let limit = json!({"rate": rate, "per": "second", "burst": rate / 10 + 1, "inv": true});
            let of_it = json!({"op": "==", "left": {"meta": {"key": "mark"}}, "right": uid});
            Some(json!({"add": {"rule": {
                "family": "netdev",
                "table": TABLE,
                "chain": RATES,
                "expr": [{"match": of_it}, {"limit": limit}, {"drop": null}],
            }}}))
        })
    }

    fn elements(&self, own: &[IpAddr]) -> Result<Vec<Element>, TooLarge> {
        let mut elements = Vec::new();
        for (&uid, grant) in &self.grants {
            let runs = self.lawful(grant.scope.area.clone(), own).runs();
            let ports: Vec<_> = grant.scope.ports.ranges().collect();
            if elements.len() + runs.len().saturating_mul(ports.len()) > ELEMENTS_LIMIT {
                return Err(TooLarge);
            }
            elements.extend(
                runs.iter()
                    .flat_map(|&run| ports.iter().map(move |&ports| (run, ports)))
                    .map(|(run, (over, ports))| Element {
                        uid,
                        run,
                        over,
                        ports,
                        frames: grant.ports.is_some(),
                    }),
            );
        }
        Ok(elements)
    }

    fn never(&self, own: &[IpAddr]) -> Vec<Run> {
        let one = |address: &IpAddr| (*address, *address);
        let link = self.platform.iter().chain(&self.resolvers).chain(&self.collector);
        let known = link.chain(own);
        never::everywhere().chain(known.map(one)).collect()
    }
}

/// One element of a scope set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    uid: u32,
    run: Run,
    over: Transport,
    ports: (u16, u16),
    /// Whether it holds for frames of the worker's own as well.
    frames: bool,
}

impl Element {
    fn is_ipv4(&self) -> bool {
        self.run.0.is_ipv4()
    }

    fn json(self) -> String {
        let Self { uid, run, ports, .. } = self;
        let protocol = frames::protocol(self.over);
        json!({"concat": [uid, {"range": [run.0, run.1]}, protocol, {"range": [ports.0, ports.1]}]})
            .to_string()
    }
}

/// An element that names a worker and addresses.
fn of_worker(uid: u32, (first, last): (Ipv4Addr, Ipv4Addr)) -> String {
    json!({"concat": [uid, {"range": [first, last]}]}).to_string()
}

/// The rules that have an interface send through the table for frames: what is marked as a worker's own frames, what
/// comes from its other sockets; and nothing of root, whose sockets are for others.
pub fn guard(interface: &Interface) -> Vec<Value> {
    let name = format!("out_{}", interface.index);
    let chain = json!({"family": "netdev", "table": TABLE, "name": name});
    let mut hooked = chain.clone();
    for (key, value) in [
        ("type", json!("filter")),
        ("hook", json!("egress")),
        ("policy", json!("accept")),
    ] {
        hooked[key] = value;
    }
    (hooked["dev"], hooked["prio"]) = (json!(interface.name), json!(0));
    let rule = |key: &str, right: Value, verdict: Value| {
        let of = json!({"match": {"op": "==", "left": {"meta": {"key": key}}, "right": right}});
        json!({"add": {"rule": {"family": "netdev", "table": TABLE, "chain": name, "expr": [of, verdict]}}})
    };
    let workers = json!({"range": [WORKERS.0, WORKERS.1]});
    vec![
        json!({"add": {"chain": hooked}}),
        json!({"flush": {"chain": chain}}),
        rule("mark", workers.clone(), json!({"goto": {"target": "frames"}})),
        rule("skuid", workers, json!({"goto": {"target": "sockets"}})),
        rule("skuid", json!(0), json!({"drop": null})),
    ]
}

/// Each of them once, as JSON.
fn texts<T: ToString>(values: impl Iterator<Item = T>) -> Vec<String> {
    let mut texts: Vec<String> = values.map(|value| json!(value.to_string()).to_string()).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}

fn distinct(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = addresses.to_vec();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// The map from a worker's uid to the mark of what it sends.
const MARKS: &str = "marks";

/// Below the ports that the kernel gives out by itself (`ip_local_port_range`), above those of services.
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 21_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vedette_protocol::target::Target;

    fn area(targets: &[&str]) -> Area {
        let targets: Vec<Target> = targets.iter().map(|text| text.parse().unwrap()).collect();
        Area::new(&targets, &[], &[])
    }

    fn scope(targets: &[&str], ports: &str) -> JobScope {
        JobScope {
            area: area(targets),
            ports: ports.parse().unwrap(),
        }
    }

    fn rules(grants: Vec<(u32, JobScope)>) -> Rules {
        let grant = |scope| Grant {
            job: JobId([1; 16]),
            scope,
            rate: None,
            ports: None,
            echoes: false,
        };
        Rules {
            resolvers: vec!["192.0.2.53".parse().unwrap()],
            platform: vec!["198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            port: 8443,
            collector: vec!["192.0.2.99".parse().unwrap(), "2001:db8::99".parse().unwrap()],
            collector_port: 6514,
            grants: grants
                .into_iter()
                .map(|(uid, scope)| (uid, grant(scope)))
                .collect(),
        }
    }

    fn texts(runs: &[Run]) -> Vec<String> {
        runs.iter()
            .map(|(first, last)| format!("{first}-{last}"))
            .collect()
    }

    #[test]
    fn platform_resolvers_collector_and_own_addresses_are_cut_out() {
        let rules = rules(vec![]);
        let own = ["192.0.2.7".parse().unwrap(), "192.0.2.255".parse().unwrap()];
        let lawful = rules.lawful(area(&["192.0.2.0/24", "198.51.100.1"]), &own);
        assert_eq!(
            texts(&lawful.runs()),
            [
                "192.0.2.0-192.0.2.6",
                "192.0.2.8-192.0.2.52",
                "192.0.2.54-192.0.2.98",
                "192.0.2.100-192.0.2.254"
            ]
        );
    }

    #[test]
    fn what_is_no_host_is_never_in_scope() {
        let rules = rules(vec![]);
        for target in [
            "127.0.0.1",
            "127.255.0.0/16",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "ff02::1",
            "fd00:ec2::254",
            "2001:db8::1",
            "192.0.2.99",
            "2001:db8::99",
        ] {
            let lawful = rules.lawful(area(&[target]), &[]);
            assert_eq!(lawful.addresses().count(), 0, "{target}");
            assert!(lawful.runs().is_empty(), "{target}");
        }
    }

    #[test]
    fn a_transaction_empties_every_set_and_fills_what_there_is() {
        let rules = rules(vec![(
            61_184,
            scope(&["192.0.2.8-9", "2001:db8::8"], "80,443,U:53"),
        )]);
        let transaction = rules.transaction(&Own::default()).unwrap().to_string();
        for (family, set) in SETS {
            assert!(transaction.contains(&format!(
                r#"{{"family":"{family}","name":"{set}","table":"vedette"}}}}}}"#
            )));
        }
        for element in [
            r#"{"concat":["198.51.100.1",8443]}"#,
            r#"{"concat":["192.0.2.99",6514]}"#,
            r#"{"concat":["2001:db8::99",6514]}"#,
            r#"{"concat":[61184,{"range":["192.0.2.8","192.0.2.9"]},6,{"range":[443,443]}]}"#,
            r#"{"concat":[61184,{"range":["2001:db8::8","2001:db8::8"]},6,{"range":[80,80]}]}"#,
            r#"{"concat":[61184,{"range":["192.0.2.8","192.0.2.9"]},17,{"range":[53,53]}]}"#,
        ] {
            assert!(transaction.contains(element), "{element} in {transaction}");
        }
    }

    #[test]
    fn icmp_is_granted_to_whom_it_is_granted_and_for_the_targets_alone() {
        let mut rules = rules(vec![
            (61_184, scope(&["192.0.2.8-9"], "80")),
            (61_185, scope(&["192.0.2.8-9"], "80")),
            (61_186, scope(&["192.0.2.8-9"], "80")),
        ]);
        let mut set = |uid, ports, echoes| {
            let grant = rules.grants.get_mut(&uid).unwrap();
            (grant.ports, grant.echoes) = (ports, echoes);
        };
        set(61_184, Some(20_000), true);
        set(61_185, Some(20_008), false);
        // Without a socket of its own there is nothing to ask by.
        set(61_186, None, true);
        let own = Own {
            interfaces: vec![],
            addresses: vec!["192.0.2.9".parse().unwrap()],
        };
        let read: Value = serde_json::from_str(&rules.transaction(&own).unwrap()).unwrap();
        let commands = read["nftables"].as_array().unwrap();
        let filled = |set: &str| {
            let of_set = |command: &&Value| command["add"]["element"]["name"] == set;
            let elements = commands
                .iter()
                .find(of_set)
                .map(|found| &found["add"]["element"]["elem"]);
            elements.cloned().unwrap_or_default()
        };
        let one = |uid: u32| json!({"concat": [uid, {"range": ["192.0.2.8", "192.0.2.8"]}]});
        assert_eq!(filled("echoes4"), json!([one(61_184)]));
        assert_eq!(filled("neighbours4"), json!([one(61_184), one(61_185)]));
        let rules: Vec<_> = commands
            .iter()
            .filter(|command| command["add"]["rule"]["chain"] == ECHOES)
            .map(|command| command["add"]["rule"]["expr"].to_string())
            .collect();
        assert_eq!(rules.len(), 1, "{rules:?}");
        assert!(rules[0].contains("61184") && rules[0].contains(r#""range":[20000,20007]"#));
    }

    #[test]
    fn a_transaction_is_json_and_as_small_as_its_text() {
        let ports: Vec<String> = (1..16_000).step_by(2).map(|port: u32| port.to_string()).collect();
        let scope = scope(&["192.0.2.8", "192.0.2.10"], &ports.join(","));
        let transaction = rules(vec![(61_184, scope)]).transaction(&Own::default()).unwrap();
        let read: Value = serde_json::from_str(&transaction).unwrap();
        let elements = |command: &Value| command["add"]["element"]["elem"].as_array().map(Vec::len);
        let most = read["nftables"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(elements)
            .max();
        assert_eq!(most, Some(16_000));
        assert!(transaction.len() < 2 << 20, "{}", transaction.len());
    }

    #[test]
    fn more_than_the_bound_is_refused() {
        let ports: Vec<String> = (1..20_000).step_by(2).map(|port: u32| port.to_string()).collect();
        let scope = scope(&["192.0.2.8", "192.0.2.10"], &ports.join(","));
        assert_eq!(
            rules(vec![(61_184, scope)]).transaction(&Own::default()),
            Err(TooLarge)
        );
    }

    proptest! {
        /// The kernel's elements and the scope that the worker is told are the same set.
        #[test]
        fn elements_are_exactly_the_scope(
            spans in prop::collection::vec((0u8..=255, 0u8..=255), 1..6),
            cuts in prop::collection::vec((0u8..=255, 0u8..=255), 0..6),
            own in prop::collection::vec(0u8..=255, 0..4),
        ) {
            let target = |&(a, b): &(u8, u8)| format!("192.0.2.{}-192.0.2.{}", a.min(b), a.max(b)).parse::<Target>().unwrap();
            let targets: Vec<Target> = spans.iter().map(target).collect();
            let exclude: Vec<Target> = cuts.iter().map(target).collect();
            let own: Vec<IpAddr> = own.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect();
            let rules = Rules { collector: vec![], ..rules(vec![]) };
            let area = rules.lawful(Area::new(&targets, &exclude, &[]), &own);
            let runs = area.runs();
            for last in 0..=255u8 {
                let address = IpAddr::from([192, 0, 2, last]);
                let holding = runs.iter().filter(|(first, end)| *first <= address && address <= *end).count();
                prop_assert_eq!(holding, usize::from(area.permits(address)));
                prop_assert!(!own.contains(&address) || holding == 0);
            }
        }
    }
}
