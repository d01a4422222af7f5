//! Interfaces that no page leads to, but their description: every place of every operation is tested, and what
//! is sound is left in peace. Descriptions that are hostile are refused by name.
#![cfg(test)]

#[path = "web/scanned.rs"]
mod scanned;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Output},
};

use vedette_protocol::finding::Outcome;
use vedette_scanner::web::report::{What, Why};
use vedette_tests::web::{Amount, Fixture};

use self::scanned::scanned;

async fn description_leads_to_what_is_weak_alone(class: &str, api: Option<&str>) {
    let fixture = Fixture::start(class, Amount::All).unwrap();
    let scanned = scanned(&fixture.url(), "sql,command", api, &[]).await;
    let report = &scanned.report;
    let score = fixture.score(&scanned.accused());
    assert!(score.missed.is_empty() && score.falsely.is_empty(), "{score:?}");
    assert!(score.found >= 15 && score.sound >= 15, "{score:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(report.tests.planned, report.tests.done);
}

#[tokio::test]
async fn an_openapi_description_leads_to_what_is_weak_alone() {
    description_leads_to_what_is_weak_alone("openapi", Some("/description/v3.json")).await;
}

#[tokio::test]
async fn a_schema_of_graphql_leads_to_what_is_weak_alone() {
    description_leads_to_what_is_weak_alone("graphql", None).await;
}

#[tokio::test]
async fn without_its_description_an_interface_is_not_found() {
    let fixture = Fixture::start("openapi", Amount::All).unwrap();
    let undescribed = scanned(&fixture.url(), "sql,command", None, &[]).await;
    let (found, report) = (undescribed.found, undescribed.report);
    assert!(found.is_empty() && report.inputs == 0, "{found:?} {report:?}");
    let report = scanned(&fixture.url(), "sql,command", Some("/description/none.json"), &[])
        .await
        .report;
    let gap = report
        .not_done
        .iter()
        .find(|gap| gap.what == What::Description)
        .unwrap();
    assert_eq!((gap.why, report.outcome), (Why::NoDescription, Outcome::Partial));
}

fn vedette_scan(flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vedette-scan"));
    command
        .args(["web", "--json", "--classes", "command"])
        .args(flags);
    command.output().unwrap()
}

#[test]
fn the_terminal_takes_a_description_from_a_file_or_from_the_site() {
    let fixture = Fixture::start("openapi", Amount::All).unwrap();
    let url = fixture.url();
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.json");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET /description/v2.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    std::fs::write(&file, answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    // Before 3.0 there were no cookies to describe.
    for (api, places) in [
        (file.to_str().unwrap(), 7),
        (&*format!("{url}description/v3.yaml"), 8),
    ] {
        let output = vedette_scan(&["--url", &url, "--openapi", api]);
        let text = String::from_utf8(output.stdout).unwrap();
        let found = text
            .lines()
            .filter(|line| line.contains("web-command-injection"))
            .count();
        assert_eq!((output.status.code(), found), (Some(0), places), "{api}\n{text}");
        assert!(!text.contains("/f-"), "{text}");
    }
}

#[test]
fn what_is_no_description_of_this_site_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.json");
    std::fs::File::create(&large)
        .unwrap()
        .set_len(50_000_000)
        .unwrap();
    let deep = folder.path().join("deep.json");
    std::fs::write(&deep, "{\"openapi\":".repeat(100_000)).unwrap();
    let other = folder.path().join("other.yaml");
    std::fs::write(&other, "a: b\n").unwrap();
    for (api, told) in [
        (large.to_str().unwrap(), "larger than the 16 MiB"),
        (deep.to_str().unwrap(), "no JSON"),
        (other.to_str().unwrap(), "describes no API"),
        ("/nowhere/api.json", "reading /nowhere/api.json"),
        ("http://192.0.2.9/api.json", "not on the site"),
    ] {
        let output = vedette_scan(&["--url", "http://127.0.0.1:9/", "--openapi", api]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty(), "{api}");
        assert!(said.contains(told), "{said}");
    }
}
