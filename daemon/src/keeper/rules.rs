//! What the packet filter's sets hold, as one value, and the one transaction that makes the kernel's
//! equal to it.
//!
//! Pure. Grants are cut anew with every change, so that an address that has become the platform's, a
//! resolver's or our own leaves the running jobs' scope as well.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::json;
use vedette_protocol::{JobId, Scope, scope::Run, target::Span};

/// The table of the base filter.
pub const TABLE: &str = "vedette";

/// The sets of the table that are ours to fill.
pub const SETS: [&str; 6] = [
    "resolvers4",
    "resolvers6",
    "platform4",
    "platform6",
    "scope4",
    "scope6",
];

/// The most elements that all grants together may come to.
pub const ELEMENTS_LIMIT: usize = 16_384;

/// TCP, by number: the image has no /etc/protocols.
const TCP: u8 = 6;

/// The sets' content.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Resolvers, for the link's user.
    pub resolvers: Vec<IpAddr>,
    /// Addresses of the platform, for the link's user.
    pub platform: Vec<IpAddr>,
    /// The platform's port.
    pub port: u16,
    /// What each worker's uid may send to.
    pub grants: BTreeMap<u32, Grant>,
}

/// What one worker may send to.
#[derive(Debug, Clone)]
pub struct Grant {
    /// For which job.
    pub job: JobId,
    /// Where.
    pub scope: Scope,
}

/// The grants come to more elements than a filter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the jobs' targets and ports come to more than {ELEMENTS_LIMIT} filter elements")]
pub struct TooLarge;

impl Rules {
    /// Takes out of a scope what is never scanned: the platform, resolvers, our own addresses, and
    /// what is no host of a network.
    pub fn lawful(&self, scope: Scope, own: &[IpAddr]) -> Scope {
        let never = self.never(own);
        let cuts: Vec<Span> = scope
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
        scope.without(cuts)
    }

    /// The transaction that empties the sets and fills them with this content.
    ///
    /// Made as text, piece by piece: as one tree of values, copied at each level, a grant of some thousand elements
    /// does not fit into the memory that the keeper may lock.
    ///
    /// # Errors
    /// When that is more than the bound.
    pub fn transaction(&self, own: &[IpAddr]) -> Result<String, TooLarge> {
        let mut commands: Vec<String> = SETS
            .iter()
            .map(|set| json!({"flush": {"set": {"family": "inet", "table": TABLE, "name": set}}}).to_string())
            .collect();
        let mut fill = |set: &str, elements: Vec<String>| {
            if !elements.is_empty() {
                let elements = elements.join(",");
                commands.push(format!(
                    r#"{{"add":{{"element":{{"elem":[{elements}],"family":"inet","name":"{set}","table":"{TABLE}"}}}}}}"#
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
            fill(&format!("resolvers{digit}"), resolvers.collect());
            let platform = distinct(&self.platform);
            let platform = platform
                .iter()
                .filter(family)
                .map(|address| json!({"concat": [address, self.port]}).to_string());
            fill(&format!("platform{digit}"), platform.collect());
        }
        let (scope4, scope6): (Vec<_>, Vec<_>) = self.elements(own)?.into_iter().partition(Element::is_ipv4);
        for (set, elements) in [("scope4", scope4), ("scope6", scope6)] {
            fill(set, elements.into_iter().map(Element::json).collect());
        }
        Ok(format!(r#"{{"nftables":[{}]}}"#, commands.join(",")))
    }

    fn elements(&self, own: &[IpAddr]) -> Result<Vec<Element>, TooLarge> {
        let mut elements = Vec::new();
        for (&uid, grant) in &self.grants {
            let scope = self.lawful(grant.scope.clone(), own);
            let runs = scope.runs();
            let ports = scope.ports().ranges();
            if elements.len() + runs.len().saturating_mul(ports.len()) > ELEMENTS_LIMIT {
                return Err(TooLarge);
            }
            elements.extend(
                runs.iter()
                    .flat_map(|&run| ports.iter().map(move |&ports| Element { uid, run, ports })),
            );
        }
        Ok(elements)
    }

    fn never(&self, own: &[IpAddr]) -> Vec<Run> {
        let one = |address: &IpAddr| (*address, *address);
        NEVER4
            .iter()
            .map(|&(first, last)| (IpAddr::V4(first), IpAddr::V4(last)))
            .chain(
                NEVER6
                    .iter()
                    .map(|&(first, last)| (IpAddr::V6(first), IpAddr::V6(last))),
            )
            .chain(self.platform.iter().map(one))
            .chain(self.resolvers.iter().map(one))
            .chain(own.iter().map(one))
            .collect()
    }
}

/// One element of a scope set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    uid: u32,
    run: Run,
    ports: (u16, u16),
}

impl Element {
    fn is_ipv4(&self) -> bool {
        self.run.0.is_ipv4()
    }

    fn json(self) -> String {
        let Self { uid, run, ports } = self;
        json!({"concat": [uid, {"range": [run.0, run.1]}, TCP, {"range": [ports.0, ports.1]}]}).to_string()
    }
}

fn distinct(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut addresses = addresses.to_vec();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// What is no host of a network, or tells secrets about the machine (metadata services).
const NEVER4: [(Ipv4Addr, Ipv4Addr); 6] = [
    (Ipv4Addr::new(0, 0, 0, 0), Ipv4Addr::new(0, 255, 255, 255)),
    (Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::new(127, 255, 255, 255)),
    (Ipv4Addr::new(169, 254, 0, 0), Ipv4Addr::new(169, 254, 255, 255)),
    // The metadata services of two clouds that stand outside 169.254.0.0/16.
    (
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(100, 100, 100, 200),
    ),
    (Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(168, 63, 129, 16)),
    // Multicast, reserved, broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), Ipv4Addr::new(255, 255, 255, 255)),
];

const NEVER6: [(Ipv6Addr, Ipv6Addr); 6] = [
    // Unspecified, loopback, and IPv4 in disguise: compatible, mapped, translated, 6to4.
    (
        Ipv6Addr::UNSPECIFIED,
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xffff, 0xffff),
    ),
    (
        Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0x2002, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff),
    ),
    // A cloud's metadata service.
    (
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    ),
    (
        Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0),
        Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vedette_protocol::{PortSet, target::Target};

    fn scope(targets: &[&str], exclude: &[&str], ports: &str) -> Scope {
        let parsed =
            |texts: &[&str]| -> Vec<Target> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        Scope::new(&parsed(targets), &parsed(exclude), &[], ports.parse().unwrap())
    }

    fn rules(grants: Vec<(u32, Scope)>) -> Rules {
        let grant = |scope| Grant {
            job: JobId([1; 16]),
            scope,
        };
        Rules {
            resolvers: vec!["192.0.2.53".parse().unwrap()],
            platform: vec!["198.51.100.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            port: 8443,
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
    fn platform_resolvers_and_own_addresses_are_cut_out() {
        let rules = rules(vec![]);
        let own = ["192.0.2.7".parse().unwrap(), "192.0.2.255".parse().unwrap()];
        let lawful = rules.lawful(scope(&["192.0.2.0/24", "198.51.100.1"], &[], "1-65535"), &own);
        assert_eq!(
            texts(&lawful.runs()),
            [
                "192.0.2.0-192.0.2.6",
                "192.0.2.8-192.0.2.52",
                "192.0.2.54-192.0.2.254"
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
        ] {
            let lawful = rules.lawful(scope(&[target], &[], "80"), &[]);
            assert_eq!(lawful.addresses().count(), 0, "{target}");
            assert!(lawful.runs().is_empty(), "{target}");
        }
    }

    #[test]
    fn a_transaction_empties_every_set_and_fills_what_there_is() {
        let rules = rules(vec![(
            61_184,
            scope(&["192.0.2.8-9", "2001:db8::8"], &[], "80,443"),
        )]);
        let transaction = rules.transaction(&[]).unwrap().to_string();
        for set in SETS {
            assert!(transaction.contains(&format!(
                r#"{{"flush":{{"set":{{"family":"inet","name":"{set}","table":"vedette"}}}}}}"#
            )));
        }
        for element in [
            r#"{"concat":["198.51.100.1",8443]}"#,
            r#"{"concat":[61184,{"range":["192.0.2.8","192.0.2.9"]},6,{"range":[443,443]}]}"#,
            r#"{"concat":[61184,{"range":["2001:db8::8","2001:db8::8"]},6,{"range":[80,80]}]}"#,
        ] {
            assert!(transaction.contains(element), "{element} in {transaction}");
        }
    }

    #[test]
    fn a_transaction_is_json_and_as_small_as_its_text() {
        let ports: Vec<String> = (1..16_000).step_by(2).map(|port: u32| port.to_string()).collect();
        let scope = scope(&["192.0.2.8", "192.0.2.10"], &[], &ports.join(","));
        let transaction = rules(vec![(61_184, scope)]).transaction(&[]).unwrap();
        let read: serde_json::Value = serde_json::from_str(&transaction).unwrap();
        let elements =
            |command: &serde_json::Value| command["add"]["element"]["elem"].as_array().map(Vec::len);
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
        let scope = scope(&["192.0.2.8", "192.0.2.10"], &[], &ports.join(","));
        assert_eq!(rules(vec![(61_184, scope)]).transaction(&[]), Err(TooLarge));
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
            let rules = rules(vec![]);
            let scope = rules.lawful(Scope::new(&targets, &exclude, &[], PortSet::all()), &own);
            let runs = scope.runs();
            for last in 0..=255u8 {
                let address = IpAddr::from([192, 0, 2, last]);
                let holding = runs.iter().filter(|(first, end)| *first <= address && address <= *end).count();
                prop_assert_eq!(holding, usize::from(scope.permits(address, 80)));
                prop_assert!(!own.contains(&address) || holding == 0);
            }
        }
    }
}
