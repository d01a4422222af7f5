//! What scripts make of a site, seen in a real browser: Debian's Chromium.
#![cfg(test)]

use std::time::Duration;

use tokio::sync::mpsc;
use vedette_protocol::finding::{Finding, Outcome};
use vedette_scanner::web::{
    Browser, Budget, Listening, Site, WebEvent, WebReport, WebScan,
    report::{What, Why},
    scan,
};
use vedette_tests::web::Fixture;

const CHROMIUM: &str = "/usr/bin/chromium";

struct Scanned {
    found: Vec<Finding>,
    report: WebReport,
}

/// Scans for these classes, with a browser or without.
async fn scanned(url: &str, classes: &str, browser: Option<Browser>, budget: Budget) -> Scanned {
    let site = Site::parse(url).unwrap();
    let (tell, mut told) = mpsc::channel(64);
    let scanning = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: None,
            other: None,
            api: None,
            listening: Listening::No("no class of these calls"),
            classes: classes.parse().unwrap(),
            budget,
            seed: 7,
            browser,
            pause: None,
        },
        tell,
    );
    let listening = async {
        let mut found = Vec::new();
        while let Some(event) = told.recv().await {
            if let WebEvent::Found(finding) = event {
                found.push(finding);
            }
        }
        found
    };
    let (report, found) = tokio::join!(scanning, listening);
    Scanned { found, report }
}

fn chromium() -> Browser {
    Browser::at(CHROMIUM.into()).expect("chromium is there: see tests/packages")
}

/// A browser is slow where others compile.
fn patient() -> Budget {
    Budget {
        page_time: Duration::from_secs(900),
        ..Budget::default()
    }
}

fn undone(report: &WebReport, what: What, why: Why) -> u64 {
    let gap = report
        .not_done
        .iter()
        .find(|gap| gap.what == what && gap.why == why);
    gap.map_or(0, |gap| gap.count)
}

#[tokio::test]
async fn what_scripts_make_is_found_and_nothing_is_taken_away() {
    let fixture = Fixture::of_one_page().unwrap();
    let scanned = scanned(&fixture.url(), "mixed", Some(chromium()), patient()).await;
    let pages = fixture.pages().clone();
    let traffic = fixture.end().unwrap();
    let missed: Vec<&String> = pages.difference(&traffic.shown).collect();
    assert!(missed.is_empty(), "{missed:?} {:?}", scanned.report);
    for harm in [
        "/api/logout",
        "/api/deleted",
        "/api/boats/7/gone",
        "/api/boats/8/gone",
    ] {
        assert!(!traffic.shown.contains(harm), "{harm}");
    }
    let report = scanned.report;
    assert!(report.rendered.done >= 5, "{report:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(
        report.requests, traffic.requests,
        "all that the browser asked for is counted"
    );
    assert!(undone(&report, What::Call, Why::EndsSession) > 0, "{report:?}");
    assert!(undone(&report, What::Call, Why::Destructive) > 0, "{report:?}");
    assert!(scanned.found.is_empty());
}

#[tokio::test]
async fn without_a_browser_the_report_says_what_was_not_rendered() {
    let fixture = Fixture::of_one_page().unwrap();
    let report = scanned(&fixture.url(), "mixed", None, Budget::default())
        .await
        .report;
    let traffic = fixture.end().unwrap();
    assert!(!traffic.shown.contains("/api/boats"));
    assert_eq!(undone(&report, What::Rendering, Why::NoBrowser), 1, "{report:?}");
    assert_eq!((report.rendered.planned, report.rendered.done), (1, 0));
}
