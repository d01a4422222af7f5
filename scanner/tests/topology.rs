//! Topology of a small real network: this machine, a router at the other end of the cable, and a host behind it.
#![cfg(test)]

use std::{thread, time::Duration};

use serde_json::Value;
use vedette_tests::segment::Segment;

/// The network, with a router that forwards.
fn network() -> Segment {
    let segment = Segment::start(&["192.0.2.1/24"], &["192.0.2.2/24"]).unwrap();
    for command in [
        "ip netns add behind",
        "ip link add back0 type veth peer name host0 netns behind",
        "ip address add 198.51.100.1/24 dev back0",
        "ip link set back0 up",
        "ip -n behind address add 198.51.100.9/24 dev host0",
        "ip -n behind link set host0 up",
        "ip -n behind route add default via 198.51.100.1",
        "sysctl -qw net.ipv4.ip_forward=1",
        // Routers answer for each packet that ends with them, and not one in a second.
        "sysctl -qw net.ipv4.icmp_ratelimit=0",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        segment.far(&words, &[]).unwrap();
    }
    segment
        .near(&["ip"], &["route", "add", "198.51.100.0/24", "via", "192.0.2.2"])
        .unwrap();
    segment
}

fn map(segment: &Segment, arguments: &[&str]) -> Vec<Value> {
    let output = segment
        .near_command(env!("CARGO_BIN_EXE_vedette-scan"))
        .args(["topology", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The edges of one type at a node.
fn edges<'a>(lines: &'a [Value], type_: &str, node: &str) -> Vec<&'a Value> {
    let found = lines
        .iter()
        .find(|line| line["type"] == type_ && line["target"] == node);
    found.map_or_else(Vec::new, |finding| {
        finding["evidence"].as_array().unwrap().iter().collect()
    })
}

#[test]
fn networks_routers_and_the_way_to_a_host_are_told() {
    let segment = network();
    let lines = map(&segment, &["--targets", "192.0.2.0/24,198.51.100.8/29"]);
    let subnet = &edges(&lines, "subnet", "192.0.2.1")[0]["network"];
    assert_eq!(
        (&subnet["network"], &subnet["interface"]),
        (&"192.0.2.0/24".into(), &"near0".into())
    );
    let gateway = &edges(&lines, "gateway", "192.0.2.2")[0]["network"];
    assert_eq!(
        (&gateway["network"], &gateway["via"]),
        (&"198.51.100.0/24".into(), &"192.0.2.2".into())
    );
    let path = edges(&lines, "path", "198.51.100.9");
    assert_eq!(path.len(), 1, "{path:?}");
    let hop = &path[0]["hop"];
    assert_eq!(
        (&hop["distance"], &hop["address"], &hop["by"]),
        (&1.into(), &"192.0.2.2".into(), &"icmp-echo".into())
    );
    assert!(
        lines
            .iter()
            .all(|line| line["kind"] == "link" || line["kind"] == "report")
    );
}

#[test]
fn a_host_that_is_silent_to_icmp_is_followed_by_tcp() {
    let segment = network();
    for rule in [
        "add table inet t",
        "add chain inet t in { type filter hook input priority 0; }",
        "add rule inet t in icmp type echo-request drop",
    ] {
        segment
            .far(&["ip", "netns", "exec", "behind", "nft", rule], &[])
            .unwrap();
    }
    let lines = map(&segment, &["--targets", "198.51.100.9"]);
    let path = edges(&lines, "path", "198.51.100.9");
    assert_eq!(path.len(), 1, "{path:?}");
    let hop = &path[0]["hop"];
    assert_eq!(
        (&hop["address"], &hop["by"]),
        (&"192.0.2.2".into(), &"tcp".into())
    );
    assert_eq!(
        edges(&lines, "gateway", "192.0.2.2").len(),
        0,
        "the router is not in scope"
    );
}

fn serve_snmp(segment: &Segment, community: &str) {
    let config =
        format!("agentaddress udp:161\nrocommunity {community}\nmaster agentx\nagentXSocket /run/agentx\n");
    let config = segment.file("snmpd.conf", &config).unwrap();
    segment
        .serve(&["snmpd", "-f", "-Le", "-C", "-c", &config, "-I", "-smux"])
        .unwrap();
    segment.wait_for_udp(161).unwrap();
}

#[test]
fn the_tables_of_an_agent_tell_its_neighbours_and_routes() {
    let segment = network();
    serve_snmp(&segment, "public");
    segment.far(&["mkdir", "/run/lldpd"], &[]).unwrap();
    segment
        .serve(&[
            "lldpd",
            "-d",
            "-x",
            "-X",
            "/run/agentx",
            "-I",
            "far0",
            "-C",
            "far0",
        ])
        .unwrap();
    segment.near(&["mkdir", "/run/lldpd"], &[]).unwrap();
    segment
        .serve_near(&["lldpd", "-d", "-I", "near0", "-C", "near0"])
        .unwrap();
    thread::sleep(Duration::from_secs(2));
    for command in [Segment::far, Segment::near] {
        command(
            &segment,
            &["lldpcli", "configure", "lldp", "tx-interval", "1"],
            &[],
        )
        .unwrap();
    }
    thread::sleep(Duration::from_secs(3));
    let lines = map(&segment, &["--targets", "192.0.2.0/24,198.51.100.9"]);
    let routes = edges(&lines, "gateway", "192.0.2.2");
    let networks: Vec<_> = routes
        .iter()
        .map(|route| route["network"]["network"].as_str().unwrap())
        .collect();
    assert!(
        networks.contains(&"192.0.2.0/24") && networks.contains(&"198.51.100.0/24"),
        "{networks:?}"
    );
    let neighbours = edges(&lines, "neighbours", "192.0.2.2");
    let by = |source: &str| {
        neighbours
            .iter()
            .filter(|edge| edge["neighbour"]["by"] == *source)
            .collect::<Vec<_>>()
    };
    let adapters: Vec<_> = by("snmp")
        .iter()
        .map(|edge| edge["neighbour"]["address"].clone())
        .collect();
    assert!(adapters.contains(&"192.0.2.1".into()), "{adapters:?}");
    let ports: Vec<_> = by("lldp")
        .iter()
        .map(|edge| edge["neighbour"]["port"].clone())
        .collect();
    assert!(
        ports.contains(&"near0".into()),
        "by the router's own table: {neighbours:?}"
    );
}

#[test]
fn an_agent_that_keeps_its_tables_to_itself_tells_nothing() {
    let segment = network();
    serve_snmp(&segment, "n0t-the-usual-one");
    let lines = map(&segment, &["--targets", "192.0.2.2"]);
    assert_eq!(edges(&lines, "neighbours", "192.0.2.2").len(), 0);
    assert_eq!(
        edges(&lines, "gateway", "192.0.2.2").len(),
        1,
        "our own route alone"
    );
}
