//! Each class of test against real applications: what is weak is found, and its sound twin is left in peace.
#![cfg(test)]

#[path = "web/scanned.rs"]
mod scanned;

use vedette_protocol::finding::Outcome;
use vedette_tests::web::{Amount, CLASSES, Fixture};

use self::scanned::scanned;

async fn class_finds_what_is_weak_alone(class: &str) {
    assert!(CLASSES.contains(&class));
    let fixture = Fixture::start(class, Amount::Few).unwrap();
    let scanned = scanned(&fixture.url(), class, None, fixture.logins()).await;
    let (found, report) = (&scanned.found, &scanned.report);
    let score = fixture.score(&scanned.accused());
    let weak = score.found + score.missed.len();
    assert!(weak >= 10 && score.sound >= 10, "{score:?}");
    assert!(score.falsely.is_empty(), "{score:?}\n{found:#?}");
    assert!(score.found * 100 >= weak * 95, "{score:?}");
    assert_eq!(report.outcome, Outcome::Complete, "{report:?}");
    assert_eq!(report.tests.planned, report.tests.done);
    for finding in found {
        assert!(finding.id_is_right() && finding.cwe.is_some(), "{finding:?}");
    }
}

#[tokio::test]
async fn sql_injections_are_found_and_sound_twins_are_not() {
    class_finds_what_is_weak_alone("sql").await;
}

#[tokio::test]
async fn cross_site_scripting_is_found_and_encoded_twins_are_not() {
    class_finds_what_is_weak_alone("xss").await;
}

#[tokio::test]
async fn command_injections_are_found_and_quoted_twins_are_not() {
    class_finds_what_is_weak_alone("command").await;
}

#[tokio::test]
async fn path_traversals_are_found_and_confined_twins_are_not() {
    class_finds_what_is_weak_alone("traversal").await;
}

#[tokio::test]
async fn open_redirects_are_found_and_judged_twins_are_not() {
    class_finds_what_is_weak_alone("redirect").await;
}

#[tokio::test]
async fn ldap_injections_are_found_and_escaped_twins_are_not() {
    class_finds_what_is_weak_alone("ldap").await;
}

#[tokio::test]
async fn xpath_injections_are_found_and_bound_twins_are_not() {
    class_finds_what_is_weak_alone("xpath").await;
}

#[tokio::test]
async fn external_entities_are_found_and_closed_parsers_are_not() {
    class_finds_what_is_weak_alone("xxe").await;
}

#[tokio::test]
async fn forged_requests_are_found_and_lists_are_not() {
    class_finds_what_is_weak_alone("ssrf").await;
}

#[tokio::test]
async fn template_injections_are_found_and_variables_are_not() {
    class_finds_what_is_weak_alone("template").await;
}

#[tokio::test]
async fn header_injections_are_found_and_encoded_twins_are_not() {
    class_finds_what_is_weak_alone("header").await;
}

#[tokio::test]
async fn operators_and_scripts_of_databases_are_found_and_bound_values_are_not() {
    class_finds_what_is_weak_alone("nosql").await;
}

#[tokio::test]
async fn links_made_of_a_requests_host_are_found_and_configured_twins_are_not() {
    class_finds_what_is_weak_alone("host").await;
}

#[tokio::test]
async fn careless_sharing_across_origins_is_found_and_lists_are_not() {
    class_finds_what_is_weak_alone("cors").await;
}

#[tokio::test]
async fn forgeable_tokens_are_found_and_verified_twins_are_not() {
    class_finds_what_is_weak_alone("jwt").await;
}

#[tokio::test]
async fn policies_that_let_scripts_run_are_found_and_strict_ones_are_not() {
    class_finds_what_is_weak_alone("csp").await;
}

#[tokio::test]
async fn forms_in_foreign_frames_are_found_and_forbidding_pages_are_not() {
    class_finds_what_is_weak_alone("framing").await;
}

#[tokio::test]
async fn bare_cookies_of_sessions_are_found_and_guarded_ones_are_not() {
    class_finds_what_is_weak_alone("cookie").await;
}

#[tokio::test]
async fn mixed_content_is_found_and_what_browsers_mend_is_not() {
    class_finds_what_is_weak_alone("mixed").await;
}

#[tokio::test]
async fn exposed_places_are_found_and_pages_in_their_place_are_not() {
    class_finds_what_is_weak_alone("exposed").await;
}

#[tokio::test]
async fn code_injections_are_found_and_parsers_are_not() {
    class_finds_what_is_weak_alone("code").await;
}

#[tokio::test]
async fn what_is_another_users_is_found_where_it_is_shown_and_not_where_it_is_everybodys() {
    class_finds_what_is_weak_alone("access").await;
}

#[tokio::test]
async fn fields_of_the_sites_own_are_found_where_they_can_be_set() {
    class_finds_what_is_weak_alone("assignment").await;
}

#[tokio::test]
async fn loaded_classes_are_found_and_signed_or_listed_ones_are_not() {
    class_finds_what_is_weak_alone("deserialisation").await;
}

#[tokio::test]
async fn polluted_prototypes_are_found_and_guarded_merges_are_not() {
    class_finds_what_is_weak_alone("prototype").await;
}

#[tokio::test]
async fn poisoned_caches_are_found_and_keyed_ones_are_not() {
    class_finds_what_is_weak_alone("cache").await;
}

#[tokio::test]
async fn executed_uploads_are_found_and_kept_files_are_not() {
    class_finds_what_is_weak_alone("upload").await;
}

#[tokio::test]
async fn servers_that_disagree_are_found_and_agreeing_ones_are_not() {
    class_finds_what_is_weak_alone("smuggling").await;
}

#[tokio::test]
async fn guessable_identifiers_are_found_and_random_ones_are_not() {
    class_finds_what_is_weak_alone("session").await;
}

#[tokio::test]
async fn default_logins_are_found_and_changed_ones_are_not() {
    class_finds_what_is_weak_alone("login").await;
}
