//! Activation: by the code on the console, and what is said when a code or token is worth nothing.
#![cfg(test)]

use std::thread;
use std::time::Duration;

use vedette_protocol::api::Appliance;
use vedette_protocol::link::ActivationToken;
use vedette_protocol::status::State;
use vedette_tests::appliance::BOOT_DEADLINE;
use vedette_tests::lab::{Disk, Machine, StatusLine};
use vedette_tests::road::Road;

#[test]
fn an_appliance_without_a_token_shows_a_code_and_is_activated_by_it() {
    let road = Road::open(&[]).unwrap();
    let disk = Disk::over(&road.lab, road.image.raw()).unwrap();
    let mut machine = road.boot(&disk).unwrap();
    let shown = wait_for_status(&mut machine, "a code", |status| status.code.is_some());
    assert_eq!(shown.state, "activating");
    let code = shown.code.unwrap();
    assert!(is_a_code(&code), "{code:?}");

    // A code that nobody shows is refused in words, and changes nothing.
    let other = if code == "BCDF-GHJK" {
        "BCDF-GHJL"
    } else {
        "BCDF-GHJK"
    };
    let refused = road
        .operator
        .try_run(&["appliance", "activate", other, "--name", "nobody"])
        .unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("code"), "{said}");
    assert!(appliances(&road).is_empty());

    road.operator
        .run(&["appliance", "activate", &code.to_lowercase(), "--name", "by-code"])
        .unwrap();
    let serving = machine.wait_for_state(State::Serving, BOOT_DEADLINE).unwrap();
    let known = appliances(&road);
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(known[0].name, "by-code");
    assert_eq!(Some(&known[0].fingerprint), serving.fingerprint.as_ref());

    let again = road
        .operator
        .try_run(&["appliance", "activate", &code, "--name", "again"])
        .unwrap();
    assert_eq!(again.status.code(), Some(1), "a code is worth one activation");
}

#[test]
fn a_token_that_is_worth_nothing_is_named_on_the_console() {
    let road = Road::open(&[]).unwrap();
    let disk = road.flash("first").unwrap();
    let used = std::fs::read_to_string(road.lab.dir().join("first.token")).unwrap();
    road.boot_to_serving(&disk).unwrap();
    let unknown = format!("{}{}", ActivationToken::PREFIX, "A".repeat(43));

    let boot = |name: &str, token: &str| {
        let disk = road.flash_with(name, token).unwrap();
        let mut machine = road.boot(&disk).unwrap();
        wait_for_status(&mut machine, "why it stays out", |status| {
            status.state == "serving"
                || status
                    .reason
                    .as_deref()
                    .is_some_and(|reason| reason.contains("token"))
        })
    };
    thread::scope(|scope| {
        let used = scope.spawn(|| boot("used", used.trim()));
        let unknown = scope.spawn(|| boot("unknown", &unknown));
        for (refused, why) in [(used, "already_used"), (unknown, "not_known")] {
            let status = refused.join().unwrap();
            let reason = status.reason.unwrap_or_default();
            assert!(reason.contains(why), "{}: {reason}", status.state);
        }
    });
    assert_eq!(appliances(&road).len(), 1);
}

fn appliances(road: &Road) -> Vec<Appliance> {
    road.operator.ask(&["appliance", "list"]).unwrap()
}

fn wait_for_status(machine: &mut Machine, what: &str, is_it: impl Fn(&StatusLine) -> bool) -> StatusLine {
    let line = machine
        .wait_for_line(what, BOOT_DEADLINE + Duration::from_secs(30), |line| {
            StatusLine::parse(&line.text).is_some_and(|status| is_it(&status))
        })
        .unwrap();
    StatusLine::parse(&line.text).unwrap()
}

/// RFC 8628, section 6.1: eight letters without vowels, in two groups.
fn is_a_code(code: &str) -> bool {
    let letter = |c: char| "BCDFGHJKLMNPQRSTVWXZ".contains(c);
    code.len() == 9
        && code
            .char_indices()
            .all(|(at, c)| if at == 4 { c == '-' } else { letter(c) })
}
