//! What would be sent, as values: never outside the scope, never twice, and to an end, whatever comes back.
#![cfg(test)]

use std::{collections::HashSet, net::SocketAddr};

use proptest::prelude::*;
use vedette_protocol::{
    Scope, Timestamp,
    finding::TlsVersion,
    job::{Check, Checks},
    scope::Resolved,
    target::{PortSet, Target},
};
use vedette_scanner::{
    Plan,
    interpret::interpret,
    known::Known,
    plan,
    probe::Wrap,
    reply::{End, Reply, Session, TlsFailure},
};

fn target() -> impl Strategy<Value = String> {
    let octet = || 0..8_u8;
    prop_oneof![
        octet().prop_map(|last| format!("192.0.2.{last}")),
        (24..=32_u8).prop_map(|prefix| format!("192.0.2.0/{prefix}")),
        (octet(), octet()).prop_map(|(a, b)| format!("192.0.2.{}-192.0.2.{}", a.min(b), a.max(b))),
        (120..=128_u8).prop_map(|prefix| format!("2001:db8::/{prefix}")),
        Just("www.example".to_owned()),
    ]
}

fn targets(some: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Target>> {
    proptest::collection::vec(target().prop_map(|text| text.parse().unwrap()), some)
}

fn ports() -> impl Strategy<Value = PortSet> {
    proptest::collection::vec(1..=200_u16, 1..6).prop_map(|ports| PortSet::from_ports(ports).unwrap())
}

fn resolved() -> Vec<Resolved> {
    let addresses = vec!["192.0.2.3".parse().unwrap(), "2001:db8::5".parse().unwrap()];
    vec![Resolved {
        name: "www.example".parse().unwrap(),
        addresses,
    }]
}

/// What a target may answer: the voices that lead on to further probes, and any bytes at all.
fn reply() -> impl Strategy<Value = Reply> {
    let heard = prop_oneof![
        Just(b"HTTP/1.1 200 OK\r\nServer: x/1.0\r\nContent-Type: text/html\r\n\r\n<a href='/a/b'><img src=\"//evil/x\">".to_vec()),
        Just(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.200/elsewhere\r\n\r\n".to_vec()),
        Just(b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n".to_vec()),
        Just(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
        Just(b"-ERR wrong number of arguments for 'get' command\r\n".to_vec()),
        Just(Vec::new()),
        proptest::collection::vec(any::<u8>(), 0..200),
    ];
    let end = prop_oneof![
        Just(End::Enough),
        Just(End::Closed),
        Just(End::Quiet),
        Just(End::Refused),
        Just(End::NoTls(TlsFailure::NotTls)),
        Just(End::NoTls(TlsFailure::Alert(70))),
    ];
    let session = proptest::option::of(
        (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..64)).prop_map(|(new, der)| Session {
            version: new.then_some(TlsVersion::Tls13),
            chain: vec![der],
        }),
    );
    (session, heard, end).prop_map(|(session, heard, end)| Reply { session, heard, end })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_endpoint_is_in_scope_and_planned_once(
        include in targets(1..5), exclude in targets(0..3), ports in ports(),
    ) {
        let scope = Scope::new(&include, &exclude, &resolved(), ports);
        let plan = Plan::of(&scope);
        let endpoints: Vec<SocketAddr> = plan.endpoints().collect();
        prop_assert_eq!(endpoints.len() as u64, plan.len());
        prop_assert_eq!(endpoints.iter().collect::<HashSet<_>>().len(), endpoints.len());
        for endpoint in &endpoints {
            prop_assert!(scope.permits(endpoint.ip(), endpoint.port()), "{}", endpoint);
        }
        let hosts: HashSet<_> = scope.addresses().map(|(address, _)| address).collect();
        prop_assert_eq!(plan.hosts(), hosts.len() as u64, "and none is left out");
    }

    #[test]
    fn whatever_a_target_answers_only_that_target_is_asked_and_it_ends(
        replies in proptest::collection::vec(reply(), 1..40), port in 1..=u16::MAX, named: bool,
    ) {
        let endpoint = SocketAddr::from(([192, 0, 2, 3], port));
        let name = named.then(|| "www.example".parse().unwrap());
        let mut known = Known::open(endpoint, name.clone());
        let mut replies = replies.into_iter().cycle();
        let mut rounds = 0;
        loop {
            let probes = plan::next(&known, &Checks::of_endpoints());
            if probes.is_empty() { break }
            for probe in probes {
                prop_assert_eq!(probe.endpoint, endpoint);
                prop_assert!(known.reply(&probe).is_none(), "asked twice: {}", probe);
                if let Wrap::Tls(hello) = &probe.wrap { prop_assert_eq!(&hello.name, &name) }
                let reply = replies.next().unwrap();
                known.learn(probe, reply);
            }
            rounds += 1;
            prop_assert!(rounds < 64 && known.exchanges().len() < 128);
        }
        for finding in interpret(&known, &Checks::of_endpoints(), Timestamp(1_795_338_000)) {
            prop_assert!(finding.id_is_right());
            prop_assert_eq!(finding.port, Some(port));
            let json = serde_json::to_string(&finding).unwrap();
            prop_assert!(json.len() < 4096);
            let back: vedette_protocol::Finding = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back, finding, "its text is within length and alphabet");
        }
    }
}

#[test]
fn only_ports_means_that_open_ports_are_left_alone() {
    let known = Known::open("192.0.2.3:80".parse().unwrap(), None);
    let checks = Checks::try_from(vec![Check::Ports]).unwrap();
    assert!(plan::next(&known, &checks).is_empty());
}

#[test]
fn a_plan_can_be_printed() {
    let known = Known::open("192.0.2.3:6379".parse().unwrap(), None);
    let first: Vec<String> = plan::next(&known, &Checks::of_endpoints())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(first, [r#"tcp 192.0.2.3:6379 "INFO server\r\n""#]);
}
