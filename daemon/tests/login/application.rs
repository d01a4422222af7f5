//! Web applications behind a login: what the web engine finds inside, at a real nginx.

use std::net::Ipv4Addr;

use vedette_protocol::{
    Finding, WebTest,
    credential::Login,
    finding::{Evidence, FindingType, LoginOutcome, Outcome, WebGap, WebPart},
    job::Check,
};
use vedette_tests::logins::{Application, BASIC, BEARER, COOKIE, USER, clients_of};

use super::{
    Visited, secret, visit_for,
    web::{pinned, start, start_with},
};

const SECRET: &str = "correct-horse-battery-staple";

fn test(classes: &[&str]) -> WebTest {
    WebTest {
        classes: classes.iter().map(|class| class.parse().unwrap()).collect(),
        seconds: 60,
        ..WebTest::default()
    }
}

fn accepted(found: &[Finding]) -> bool {
    let outcome = Evidence::Login {
        outcome: LoginOutcome::Accepted,
    };
    found
        .iter()
        .any(|finding| finding.type_ == FindingType::LoggedIn && finding.evidence.contains(&outcome))
}

/// How far it came: pages and gaps.
fn coverage(found: &[Finding]) -> (u64, Vec<(WebPart, WebGap)>) {
    let told = found
        .iter()
        .find(|finding| finding.type_ == FindingType::WebApplication)
        .unwrap_or_else(|| panic!("{found:?}"));
    let pages = told.evidence.iter().find_map(|evidence| match evidence {
        Evidence::WebCoverage { pages, .. } => Some(*pages),
        _ => None,
    });
    let gap = |evidence: &Evidence| match evidence {
        Evidence::WebNotDone { what, why, .. } => Some((*what, *why)),
        _ => None,
    };
    (pages.unwrap(), told.evidence.iter().filter_map(gap).collect())
}

#[test]
fn behind_a_form_holes_are_found_and_sound_twins_are_not() {
    let application = Application::start(SECRET).unwrap();
    let nginx = start(&application.proxied());
    let login = Login::Form {
        user: USER.to_owned(),
        password: secret(SECRET),
    };
    let endpoint = (Ipv4Addr::LOCALHOST, nginx.port).into();
    let checks = [Check::Web, Check::Inventory];
    let visited = visit_for(
        Some(test(&["sql", "xss"])),
        &checks,
        endpoint,
        &login,
        pinned(&nginx),
    );
    let Visited {
        findings,
        ended,
        opened,
    } = visited;
    assert!(opened && accepted(&findings), "{}", nginx.log());
    let (pages, gaps) = coverage(&findings);
    assert!(pages >= 5, "{findings:?}");
    assert!(gaps.contains(&(WebPart::Page, WebGap::Elsewhere)), "{gaps:?}");
    assert!(gaps.contains(&(WebPart::Page, WebGap::EndsSession)), "{gaps:?}");
    let found = |type_| -> Vec<String> {
        let of_type = findings.iter().filter(|finding| finding.type_ == type_);
        let at = of_type.map(|finding| {
            assert!(finding.is_from_behind_a_login(), "{finding:?}");
            finding.url.as_ref().unwrap().to_string()
        });
        at.collect()
    };
    assert_eq!(found(FindingType::WebXssReflected), ["/greet"], "{findings:?}");
    assert_eq!(found(FindingType::WebSqlInjection), ["/note"], "{findings:?}");
    assert_eq!(ended, Outcome::Complete, "{gaps:?}");
    let told = serde_json::to_string(&findings).unwrap();
    assert!(!told.contains(SECRET), "{told}");
    // Once at the door; the session that this begins is the engine's.
    assert_eq!(application.end().unwrap(), "try scanner right\n");
}

#[test]
fn whoever_is_let_in_by_a_field_sees_the_inside() {
    let basic = Login::HttpBasic {
        user: USER.to_owned(),
        password: secret(SECRET),
    };
    let bearer = Login::Bearer {
        token: secret(SECRET),
    };
    let cookie = Login::Cookie {
        cookie: secret(&format!("sid={SECRET}")),
    };
    for (server, login, inside) in [
        (BASIC, basic, "GET / 200"),
        (BEARER, bearer, "GET /api/ 200"),
        (COOKIE, cookie, "GET / 200"),
    ] {
        let nginx = start(server);
        let endpoint = (Ipv4Addr::LOCALHOST, nginx.port).into();
        let asked = WebTest {
            paths: vec!["/api/".parse().unwrap()],
            ..test(&["csp"])
        };
        let checks = [Check::Web, Check::Inventory];
        let visited = visit_for(Some(asked), &checks, endpoint, &login, pinned(&nginx));
        assert!(accepted(&visited.findings), "{}", nginx.log());
        coverage(&visited.findings);
        let log = nginx.log();
        assert!(log.matches(inside).count() >= 2, "at the door and inside: {log}");
        let told = serde_json::to_string(&visited.findings).unwrap();
        assert!(!told.contains(SECRET), "{told}");
    }
}

/// What opens it is signed for once; the pages inside are more than one connection's.
#[test]
fn one_signature_is_enough_for_an_application_behind_a_certificate() {
    let (authority, login) = super::certificate::certified();
    // Each connection is for one request.
    let server = clients_of("keepalive_requests 1; ssl_session_cache shared:a:1m;");
    let nginx = start_with(&[("clients.pem", &authority)], &server);
    let endpoint = (Ipv4Addr::LOCALHOST, nginx.port).into();
    let checks = [Check::Web, Check::Inventory];
    let visited = visit_for(Some(test(&["csp"])), &checks, endpoint, &login, pinned(&nginx));
    assert!(accepted(&visited.findings), "{}", nginx.log());
    let log = nginx.log();
    let inside = log.lines().filter(|line| line.ends_with("certificate=SUCCESS"));
    assert!(inside.count() > 5, "{log}");
    assert!(coverage(&visited.findings).0 >= 3, "{:?}", visited.findings);
}
