//! The crawl against a site with a page for each way in which one leads to another.
#![cfg(test)]

use tokio::sync::mpsc;
use vedette_protocol::finding::Outcome;
use vedette_scanner::web::{Budget, Site, WebScan, scan};
use vedette_tests::web::Fixture;

#[tokio::test]
async fn every_page_that_a_person_can_reach_is_reached() {
    let fixture = Fixture::crawl().unwrap();
    let site = Site::parse(&fixture.url()).unwrap();
    let (tell, mut told) = mpsc::channel(64);
    let scanning = scan(
        WebScan {
            scope: site.scope(&[], &[]),
            site,
            headers: Vec::new(),
            credential: None,
            api: None,
            classes: "redirect".parse().unwrap(),
            budget: Budget::default(),
            seed: 7,
        },
        tell,
    );
    let listening = async { while told.recv().await.is_some() {} };
    let (report, ()) = tokio::join!(scanning, listening);
    let pages = fixture.pages().clone();
    let traffic = fixture.end().unwrap();
    let missed: Vec<&String> = pages.difference(&traffic.shown).collect();
    assert!(pages.len() >= 40, "{pages:?}");
    assert!(missed.is_empty(), "{missed:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(report.requests, traffic.requests);
}
