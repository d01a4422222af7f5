//! Injections that no page shows anything of, at the other end of a cable: they are found by the packets of the target that
//! come to addresses of ours, and nobody is accused by what others send there.
#![cfg(test)]

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use vedette_tests::{
    segment::Segment,
    web::{Amount, Fixture},
};

const NEAR: &str = "192.0.2.1";
const FAR: &str = "192.0.2.2";
const OTHER: &str = "192.0.2.3";
const PORT: &str = "8080";
const CLASSES: &str = "command,template,code,xxe,ssrf,deserialisation";
/// So many weak cases there are, and as many sound ones.
const WEAK: usize = 20;

/// The blind fixture at the far end, whose host has a second address.
fn blind() -> Segment {
    let address = |address: &str| format!("{address}/24");
    let segment = Segment::start(&[&address(NEAR)], &[&address(FAR), &address(OTHER)]).unwrap();
    let serve = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/web-fixtures/serve.py");
    // It ends with its input.
    let command = format!(
        "sleep infinity | /usr/bin/python3 {} blind --at {FAR} {PORT}",
        serve.display()
    );
    segment.serve(&["sh", "-c", &command]).unwrap();
    let begun = Instant::now();
    let url = format!("http://{FAR}:{PORT}/");
    while segment.near(&["curl", "-sfo", "/dev/null", &url], &[]).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "the fixture does not come up"
        );
        thread::sleep(Duration::from_millis(200));
    }
    segment
}

/// Comes to every port of the near end, again and again.
fn sweep(segment: &Segment, from: &str) {
    let program = format!(
        "import socket\nwhile True:\n for port in range(61000, 65536):\n  s = socket.socket()\n  s.bind(('{from}', 0))\n  \
         s.setblocking(False)\n  s.connect_ex(('{NEAR}', port))\n  s.close()\n"
    );
    segment.serve(&["/usr/bin/python3", "-c", &program]).unwrap();
}

fn scan(segment: &Segment) -> Output {
    let mut command = segment.near_command(env!("CARGO_BIN_EXE_vedette-scan"));
    let url = format!("http://{FAR}:{PORT}/");
    command.args(["web", "--json", "--classes", CLASSES, "--url", &url]);
    command.output().unwrap()
}

/// The findings, and the report.
fn said(output: &Output) -> (Vec<Value>, Value) {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let report = lines.pop().unwrap_or_else(|| {
        panic!("nothing was said: {}", String::from_utf8_lossy(&output.stderr));
    });
    (lines, report)
}

/// The cases that are accused.
fn accused(findings: &[Value]) -> BTreeSet<String> {
    let case = |finding: &Value| {
        let path = finding["url"].as_str().unwrap_or_default();
        path.trim_start_matches('/')
            .split('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    findings.iter().map(case).collect()
}

fn all_weak_are_found_and_no_other(findings: &[Value], report: &Value) {
    let accused = accused(findings);
    assert!(
        accused.iter().all(|case| case.starts_with("v-")),
        "{accused:?}\n{report}"
    );
    assert_eq!(accused.len(), WEAK, "{accused:?}\n{report}");
    for finding in findings {
        let evidence = finding["evidence"].to_string();
        assert!(evidence.contains("\"callback\""), "{finding}");
        assert!(!evidence.contains(NEAR), "{finding}");
    }
    assert_eq!(report["outcome"], "complete", "{report}");
    let callbacks = &report["callbacks"];
    assert_eq!(callbacks["planned"], callbacks["done"], "{report}");
    assert_eq!(report.get("callbacks_not_available"), None, "{report}");
}

#[test]
fn what_no_page_shows_is_found_by_who_comes_to_us_and_sound_twins_are_not() {
    let segment = blind();
    let (findings, report) = said(&scan(&segment));
    all_weak_are_found_and_no_other(&findings, &report);
}

#[test]
fn another_host_that_comes_to_every_port_changes_nothing() {
    let segment = blind();
    sweep(&segment, OTHER);
    let (findings, report) = said(&scan(&segment));
    all_weak_are_found_and_no_other(&findings, &report);
}

#[test]
fn a_target_that_comes_to_every_port_is_accused_of_nothing() {
    let segment = blind();
    sweep(&segment, FAR);
    let (findings, report) = said(&scan(&segment));
    assert!(findings.is_empty(), "{findings:?}");
    let gaps = report["not_done"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["what"] == "callback").unwrap();
    assert_eq!(gap["why"], "sweeps-ports", "{report}");
    assert_eq!(gap["count"], report["callbacks"]["planned"], "{report}");
    assert_eq!(report["outcome"], "partial");
}

#[test]
fn who_may_not_see_packets_asks_nobody_to_come_and_says_why() {
    let fixture = Fixture::start("blind", Amount::All).unwrap();
    let url = fixture.url();
    // Without those requests that the fixture itself is had to make.
    let classes = CLASSES.replace(",ssrf", "");
    let mut command = Command::new("setpriv");
    command
        .args(["--inh-caps=-net_raw", "--bounding-set=-net_raw"])
        .arg(env!("CARGO_BIN_EXE_vedette-scan"))
        .args(["web", "--json", "--classes", &classes, "--url", &url]);
    let output = command.output().unwrap();
    let (findings, report) = said(&output);
    let traffic = fixture.end().unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    let why = report["callbacks_not_available"].as_str().unwrap();
    assert!(why.contains("CAP_NET_RAW"), "{report}");
    assert_eq!(report["callbacks"]["done"], 0, "{report}");
    let gaps = report["not_done"].as_array().unwrap();
    let gap = gaps.iter().find(|gap| gap["what"] == "callback").unwrap();
    assert_eq!(gap["why"], "no-listener", "{report}");
    assert_eq!(gap["count"], report["callbacks"]["planned"], "{report}");
    assert_eq!(report["outcome"], "complete", "{report}");
    assert_eq!(report["requests"], traffic.requests, "{report}");
    assert_eq!(output.status.code(), Some(0));
}
