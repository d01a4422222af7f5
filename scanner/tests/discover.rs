//! Discovery against real hosts at the other end of a cable: who is found, what of them is told, and what is
//! never sent.
#![cfg(test)]

use std::{
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use vedette_scanner::packet::{Arp, Mac};
use vedette_tests::segment::{FAR_ADAPTER, Segment};

const NEAR: &str = "192.0.2.1/24";
const FAR: &str = "192.0.2.2/24";

fn scan(segment: &Segment) -> Command {
    let mut command = segment.near_command(env!("CARGO_BIN_EXE_vedette-scan"));
    command.args(["discover", "--json"]);
    command
}

fn discover(segment: &Segment, arguments: &[&str]) -> (Vec<Value>, Output) {
    let output = scan(segment).args(arguments).output().unwrap();
    (lines(&output), output)
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn found<'a>(lines: &'a [Value], type_: &str, target: &str) -> Option<&'a Value> {
    lines
        .iter()
        .find(|line| line["type"] == type_ && line["target"] == target)
}

/// Everything that evidence of a kind says in one field.
fn told(finding: &Value, evidence: &str, field: &str) -> Vec<String> {
    let all = finding["evidence"].as_array().unwrap();
    let fields = all.iter().filter_map(|one| one.get(evidence)?.get(field));
    fields
        .map(|field| field.as_str().unwrap_or_default().to_owned())
        .collect()
}

fn serve_names(segment: &Segment) {
    let avahi = segment
        .file(
            "avahi.conf",
            "[server]\nhost-name=printer-3f\nenable-dbus=no\n[publish]\npublish-hinfo=yes\npublish-workstation=yes\n",
        )
        .unwrap();
    segment.far(&["mkdir", "/run/avahi-daemon"], &[]).unwrap();
    segment
        .serve(&[
            "avahi-daemon",
            "-f",
            &avahi,
            "--no-drop-root",
            "--no-chroot",
            "--no-rlimits",
        ])
        .unwrap();
    let dir = segment.dir().display().to_string();
    let folders = ["lock", "state", "cache", "pid", "private", "ncalrpc"];
    let folders: String = folders
        .iter()
        .map(|folder| {
            let name = if *folder == "private" || *folder == "ncalrpc" {
                format!("{folder} dir")
            } else {
                format!("{folder} directory")
            };
            format!("{name} = {dir}\n")
        })
        .collect();
    let samba = segment
        .file(
            "smb.conf",
            &format!("[global]\nworkgroup = OFFICE\nnetbios name = FILESRV\ninterfaces = far0\nlog file = {dir}/nmbd\n{folders}"),
        )
        .unwrap();
    segment.far(&["mkdir", "/run/samba"], &[]).unwrap();
    segment
        .serve(&["nmbd", "-F", "--no-process-group", "--debug-stdout", "-s", &samba])
        .unwrap();
}

fn serve_snmp(segment: &Segment, community: &str) {
    let config = segment
        .file(
            "snmpd.conf",
            &format!("agentaddress udp:161\nrocommunity {community}\nsysName core.example\nsysDescr Linux core 6.1.0 switch\nsysServices 2\n"),
        )
        .unwrap();
    segment
        .serve(&["snmpd", "-f", "-Le", "-C", "-c", &config, "-I", "-smux"])
        .unwrap();
    segment.wait_for_udp(161).unwrap();
}

#[test]
fn a_host_is_found_with_its_adapter_its_names_and_what_it_is() {
    let segment = Segment::start(&[NEAR], &[FAR]).unwrap();
    serve_names(&segment);
    serve_snmp(&segment, "public");
    segment.wait_for_udp(5353).unwrap();
    segment.wait_for_udp(137).unwrap();
    // nmbd registers its names on the network before it answers for them.
    thread::sleep(Duration::from_secs(2));
    let (lines, output) = discover(&segment, &["--targets", "192.0.2.0/24"]);
    assert_eq!(output.status.code(), Some(0));
    let host = found(&lines, "device", "192.0.2.2").unwrap();
    assert_eq!(host["confidence"], "certain");
    assert_eq!(told(host, "interface", "mac"), [FAR_ADAPTER]);
    let names = told(host, "host_name", "name");
    for name in ["printer-3f.local", "FILESRV", "core.example"] {
        assert!(names.iter().any(|told| told == name), "{name} in {names:?}");
    }
    let systems = told(host, "system", "name");
    assert!(systems.iter().any(|system| system == "Linux"), "{systems:?}");
    let kinds = told(host, "device", "device");
    for kind in ["workstation", "switch", "virtual-machine"] {
        assert!(kinds.iter().any(|told| told == kind), "{kind} in {kinds:?}");
    }
    assert!(
        found(&lines, "device", "192.0.2.1").is_some(),
        "this machine is in scope too"
    );
    let report = lines.last().unwrap();
    assert_eq!(
        (&report["outcome"], &report["coverage"]["hosts_answering"]),
        (&"complete".into(), &2.into())
    );
    assert!(report["miss_probability"].as_f64().unwrap() < 0.01);
    let weakness = found(&lines, "snmp-default-community", "192.0.2.2").unwrap();
    assert_eq!(told(weakness, "community", "name"), ["public"]);
    assert_eq!(weakness["port"], 161);
    assert!(found(&lines, "icmp-timestamp", "192.0.2.2").is_some());
}

#[test]
fn a_sound_host_has_no_finding_but_that_it_is_there() {
    let segment = Segment::start(&[NEAR], &[FAR]).unwrap();
    serve_snmp(&segment, "n0t-the-usual-one");
    for rule in [
        "add table inet t",
        "add chain inet t in { type filter hook input priority 0; }",
        "add rule inet t in icmp type timestamp-request drop",
    ] {
        segment.far(&["nft", rule], &[]).unwrap();
    }
    let (lines, _) = discover(&segment, &["--targets", "192.0.2.2"]);
    assert_eq!(lines.len(), 2, "the host and the report: {lines:?}");
    assert!(found(&lines, "device", "192.0.2.2").is_some());
}

#[test]
fn ipv6_hosts_are_found_one_by_one_and_by_the_group_if_that_is_in_scope() {
    let segment = Segment::start(&["fd00:64::1/64"], &["fd00:64::2/64"]).unwrap();
    let (lines, output) = discover(&segment, &["--targets", "fd00:64::/120"]);
    assert_eq!(output.status.code(), Some(0));
    let host = found(&lines, "device", "fd00:64::2").unwrap();
    assert_eq!(told(host, "interface", "mac"), [FAR_ADAPTER]);
    // One address alone, and the group: whoever answers out of scope is not told.
    let (lines, _) = discover(
        &segment,
        &["--targets", "fd00:64::40-fd00:64::41,ff02::1", "--by", "icmp"],
    );
    assert_eq!(lines.len(), 1, "{lines:?}");
    let (lines, _) = discover(&segment, &["--targets", "fd00:64::2,ff02::1", "--by", "icmp"]);
    let host = found(&lines, "device", "fd00:64::2").unwrap();
    assert_eq!(
        told(host, "interface", "mac"),
        [FAR_ADAPTER],
        "of the answer to the group"
    );
}

#[test]
fn nothing_is_sent_to_an_address_that_is_not_in_scope() {
    let segment = Segment::start(&[NEAR], &[FAR, "192.0.2.3/24"]).unwrap();
    // The kernel's own housekeeping would be counted as well; a report that is under way arrives by then.
    segment
        .near(&["sysctl", "-qw", "net.ipv6.conf.near0.disable_ipv6=1"], &[])
        .unwrap();
    thread::sleep(Duration::from_millis(300));
    for rule in [
        "add table netdev t",
        "add counter netdev t strays",
        "add chain netdev t in { type filter hook ingress device far0 priority 0; }",
        "add rule netdev t in arp daddr ip != 192.0.2.2 counter name strays",
        "add rule netdev t in ip daddr != 192.0.2.2 counter name strays",
        "add rule netdev t in ether type != { ip, arp } counter name strays",
    ] {
        segment.far(&["nft", rule], &[]).unwrap();
    }
    // Its own replies to the far host's questions are for 192.0.2.2 as well.
    let (lines, _) = discover(
        &segment,
        &[
            "--targets",
            "192.0.2.2-3",
            "--exclude",
            "192.0.2.3",
            "--listen",
            "1",
        ],
    );
    assert!(found(&lines, "device", "192.0.2.2").is_some());
    assert!(found(&lines, "device", "192.0.2.3").is_none());
    let counted = segment
        .far(&["nft", "list", "counter", "netdev", "t", "strays"], &[])
        .unwrap();
    assert!(counted.contains("packets 0 bytes 0"), "{counted}");
}

#[test]
fn two_adapters_with_one_address_are_a_conflict_and_one_is_none() {
    let segment = Segment::start(&[], &["192.0.2.7/24"]).unwrap();
    segment.cable("near1", "far1", None).unwrap();
    for arguments in [
        &["link", "add", "br0", "type", "bridge", "forward_delay", "0"][..],
        &["link", "set", "near0", "master", "br0"],
        &["link", "set", "near1", "master", "br0"],
        &["address", "add", NEAR, "dev", "br0"],
        &["link", "set", "br0", "up"],
    ] {
        segment.near(&["ip"], arguments).unwrap();
    }
    // An adapter without an address of its own takes no part in ARP.
    segment
        .far(&["ip"], &["address", "add", "203.0.113.8/24", "dev", "far1"])
        .unwrap();
    for adapter in ["all", "far1"] {
        let any_way_back = format!("net.ipv4.conf.{adapter}.rp_filter=0");
        segment.far(&["sysctl", "-qw", &any_way_back], &[]).unwrap();
    }
    // A new bridge is not told to be running at once.
    thread::sleep(Duration::from_millis(1500));
    // Linux answers on each adapter for every address that it has, unless it is told not to.
    let (lines, _) = discover(&segment, &["--targets", "192.0.2.7", "--by", "arp"]);
    let conflict = found(&lines, "address-conflict", "192.0.2.7").unwrap();
    assert_eq!(told(conflict, "interface", "mac").len(), 2);
    segment
        .far(&["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"], &[])
        .unwrap();
    let (lines, _) = discover(&segment, &["--targets", "192.0.2.7", "--by", "arp"]);
    assert!(found(&lines, "device", "192.0.2.7").is_some());
    assert!(found(&lines, "address-conflict", "192.0.2.7").is_none());
}

#[test]
fn neighbours_and_virtual_networks_are_overheard() {
    let segment = Segment::start(&[NEAR], &[FAR]).unwrap();
    segment.far(&["mkdir", "/run/lldpd"], &[]).unwrap();
    segment
        .serve(&[
            "lldpd",
            "-d",
            "-ccccc",
            "-l",
            "-I",
            "far0",
            "-S",
            "A switch",
            "-C",
            "far0",
            "-m",
            "192.0.2.2",
        ])
        .unwrap();
    let listening = scan(&segment)
        .args(["--targets", "192.0.2.0/24", "--listen", "6"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    // Somebody on a virtual network looks for somebody else: that is all that can be heard of it.
    let mut question = Arp::request(
        Mac([2, 0, 0, 0, 0, 42]),
        "192.0.2.130".parse().unwrap(),
        "192.0.2.131".parse().unwrap(),
    )
    .frame();
    question.splice(12..12, [0x81, 0x00, 0x00, 42]);
    segment.send_from_far("far0", &question).unwrap();
    segment
        .far(&["lldpcli", "configure", "lldp", "tx-interval", "1"], &[])
        .unwrap();
    let output = listening.wait_with_output().unwrap();
    let lines = lines(&output);
    let neighbours = found(&lines, "neighbours", "192.0.2.2").unwrap();
    let by = told(neighbours, "neighbour", "by");
    assert!(by.contains(&"lldp".to_owned()), "{neighbours}");
    assert!(told(neighbours, "neighbour", "port").contains(&"near0".to_owned()));
    assert!(told(neighbours, "neighbour", "interface").contains(&"far0".to_owned()));
    let tagged = found(&lines, "device", "192.0.2.130").unwrap();
    assert_eq!(tagged["confidence"], "tentative", "nobody there answered us");
    let vlan = found(&lines, "vlan", "192.0.2.130").unwrap();
    assert_eq!(vlan["evidence"][0]["vlan"]["id"], 42);
}

#[test]
fn an_interface_that_goes_away_makes_the_report_partial_and_says_why() {
    let segment = Segment::start(&["192.0.2.1/16"], &["192.0.2.2/16"]).unwrap();
    let scanning = scan(&segment)
        .args([
            "--targets",
            "192.0.0.0/16",
            "--rate",
            "2000",
            "--by",
            "arp",
            "--time",
            "5",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(1));
    segment.near(&["ip", "link", "delete", "near0"], &[]).unwrap();
    let output = scanning.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("went away"), "{said}");
    let report = &lines(&output)[lines(&output).len() - 1];
    assert!(report["unanswered"].as_u64().unwrap() > 0);
    assert!(report["miss_probability"].as_f64().unwrap() > 0.1);
}

#[test]
fn where_there_is_no_way_the_report_is_partial_and_says_why() {
    let segment = Segment::start(&[NEAR], &[FAR]).unwrap();
    let (lines, output) = discover(&segment, &["--targets", "192.0.2.2,198.51.100.0/30"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("4 not asked or not heard: no route"));
    assert_eq!(lines.last().unwrap()["coverage"]["checks_done"], 1);
    assert!(found(&lines, "device", "192.0.2.2").is_some());
    // There is a way to the host, but not by what may be sent.
    segment
        .near(&["ip"], &["route", "add", "198.51.100.0/30", "via", "192.0.2.2"])
        .unwrap();
    let (_, output) = discover(&segment, &["--targets", "198.51.100.1", "--by", "arp"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--by"));
}

#[test]
fn an_ipv6_link_is_asked_as_far_as_it_goes_and_told_to_be_partial() {
    let segment = Segment::start(&["fd00:64::1/64"], &["fd00:64::2/64"]).unwrap();
    let (lines, output) = discover(&segment, &["--targets", "fd00:64::/64", "--time", "20"]);
    assert!(found(&lines, "device", "fd00:64::2").is_some(), "{lines:?}");
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("more addresses than are asked one by one"),
        "{said}"
    );
}

#[test]
fn an_ipv6_network_beyond_one_link_is_refused_with_its_reason() {
    let output = Command::new(env!("CARGO_BIN_EXE_vedette-scan"))
        .args(["discover", "--targets", "fd00:64::/63"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("split it into smaller networks"));
}
