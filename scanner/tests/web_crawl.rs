//! The crawl against a site with a page for each way in which one leads to another.
#![cfg(test)]

#[path = "web/scanned.rs"]
mod scanned;

use vedette_protocol::finding::Outcome;
use vedette_tests::web::Fixture;

use self::scanned::scanned;

#[tokio::test]
async fn every_page_that_a_person_can_reach_is_reached() {
    let fixture = Fixture::crawl().unwrap();
    let scanned = scanned(&fixture.url(), "redirect", None, &[]).await;
    let pages = fixture.pages().clone();
    let traffic = fixture.end().unwrap();
    let missed: Vec<&String> = pages.difference(&traffic.shown).collect();
    assert!(pages.len() >= 40, "{pages:?}");
    assert!(missed.is_empty(), "{missed:?}");
    assert!(scanned.accused().is_empty(), "{:?}", scanned.found);
    assert_eq!(scanned.report.outcome, Outcome::Complete, "{:?}", scanned.report);
    assert_eq!(scanned.report.requests, traffic.requests);
}
