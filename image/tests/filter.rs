//! The packet filter's file, loaded by nft into a network namespace of its own.
#![cfg(test)]

use std::{path::Path, process::Command};

/// Loads the filter, runs more of nft's commands, and gives back what it prints.
fn nft(commands: &str) -> Result<String, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd/filter.nft");
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "sh",
            "-ec",
            "nft -f \"$1\"; nft \"$2\"",
            "sh",
        ])
        .arg(file)
        .arg(commands)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .expect("unshare is there (package util-linux)");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() {
        Ok(text(output.stdout))
    } else {
        Err(text(output.stderr))
    }
}

#[test]
fn every_hook_that_sees_traffic_drops_by_default() {
    let rules = nft("list ruleset").unwrap();
    for hook in ["input", "forward", "output"] {
        let policy = format!("hook {hook} priority filter; policy drop;");
        assert!(rules.contains(&policy), "{hook}: {rules}");
    }
    let forward = rules
        .split("chain forward {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    assert_eq!(
        forward.lines().filter(|line| !line.trim().is_empty()).count(),
        1,
        "{forward}"
    );
}

#[test]
fn the_keepers_elements_fit_the_sets() {
    for element in [
        "resolvers4 { 192.0.2.53 }",
        "resolvers6 { 2001:db8::53 }",
        "platform4 { 192.0.2.1 . 8443 }",
        "platform6 { 2001:db8::1 . 8443 }",
        "collector4 { 192.0.2.2 . 6514 }",
        "collector6 { 2001:db8::2 . 6514 }",
        "scope4 { 61184 . 192.0.2.0/24 . tcp . 1-1024 }",
        "scope4 { 65519 . 192.0.2.7 . udp . 53 }",
        "scope6 { 61185 . 2001:db8::/64 . tcp . 443 }",
    ] {
        nft(&format!("add element inet vedette {element}")).unwrap();
    }
    assert!(nft("add element inet vedette scope4 { 192.0.2.7 }").is_err());
}
