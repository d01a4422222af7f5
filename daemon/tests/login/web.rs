//! Over HTTP, at a real nginx.

use std::time::Duration;

use vedette_protocol::{
    Digest, Finding, JobScope, Ports, Timestamp,
    credential::{Login, Trust},
    finding::{FindingType, Kind, LoginOutcome, Outcome, Transport},
    job::{Check, Checks},
    scope::Area,
};
use vedette_scanner::{Bounds, Event, Means, Scan, Tell, run};
use vedette_tests::logins::{Application, BASIC, BEARER, COOKIE, Nginx, USER};

use super::{outcome, secret, visit, visit_and};

const SECRET: &str = "correct-horse-battery-staple";

/// nginx that is spoken to in TLS, with these directives.
pub(super) fn start(server: &str) -> Nginx {
    start_with(&[], server)
}

/// The same, with more files in its folder.
pub(super) fn start_with(files: &[(&str, &str)], server: &str) -> Nginx {
    Nginx::start(SECRET, "ssl", files, server).unwrap()
}

pub(super) fn pinned(nginx: &Nginx) -> Trust {
    Trust::TlsSpki(nginx.spki)
}

fn basic(password: &str) -> Login {
    Login::HttpBasic {
        user: USER.to_owned(),
        password: secret(password),
    }
}

#[test]
fn basic_authentication_lets_in_and_the_checks_see_what_is_inside() {
    let nginx = start(BASIC);
    let (findings, ended) = visit(nginx.port, &basic(SECRET), pinned(&nginx));
    assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
    assert_eq!(findings[0].type_, FindingType::LoggedIn);
    assert_eq!(ended, Outcome::Complete);
    let checks = [Check::Http, Check::Inventory];
    let (findings, ended) = visit_and(&checks, nginx.port, &basic(SECRET), pinned(&nginx));
    let found = |type_| findings.iter().any(|finding| finding.type_ == type_);
    assert!(found(FindingType::LoggedIn) && found(FindingType::HttpHeaderMissing));
    assert!(
        found(FindingType::HttpDirectoryListing),
        "{findings:?}\n{}",
        nginx.log()
    );
    assert_eq!(ended, Outcome::Complete);
    // The same server keeps a stranger's questions out, and so nothing is found there.
    let (findings, _) = visit_and(&checks, nginx.port, &basic("wrong"), pinned(&nginx));
    assert_eq!(findings.len(), 1, "{findings:?}");
}

/// As one should run it; strangers see nothing.
const SOUND: &str = "server_tokens off; auth_basic inside; auth_basic_user_file {dir}/users;
    add_header Strict-Transport-Security max-age=31536000 always;
    add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;
    add_header X-Content-Type-Options nosniff always;
    add_header Referrer-Policy no-referrer always;";

/// What the HTTP checks find without a login.
fn as_stranger(port: u16) -> Vec<Finding> {
    let scan = Scan {
        scope: JobScope {
            area: Area::new(&["127.0.0.1".parse().unwrap()], &[], &[]),
            ports: Ports::one(Transport::Tcp, port).unwrap(),
        },
        checks: Checks::try_from(vec![Check::Http]).unwrap(),
        now: Timestamp::now(),
        time: Duration::from_secs(60),
        means: Means::Connect,
        bounds: Bounds::of_this_process(),
        tell: Tell::OpenPorts,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (tell, mut told) = tokio::sync::mpsc::channel(4096);
    runtime.block_on(run(scan, tell)).unwrap();
    let mut findings = Vec::new();
    while let Ok(event) = told.try_recv() {
        if let Event::Found(finding) = event {
            findings.push(finding);
        }
    }
    findings
}

fn weaknesses(findings: &[Finding]) -> Vec<&Finding> {
    findings
        .iter()
        .filter(|finding| finding.kind == Kind::Weakness)
        .collect()
}

#[test]
fn a_weakness_behind_the_login_is_found_by_who_logs_in_alone() {
    let exposed = "location = /.env { default_type text/plain; alias {dir}/environment; }";
    let files = [("environment", "APP_KEY=0123456789\nDB_HOST=db.example\n")];
    for (more, expected) in [(exposed, Some(FindingType::HttpExposedEnv)), ("", None)] {
        let nginx = start_with(&files, &format!("{SOUND} {more}"));
        let checks = [Check::Http, Check::Inventory];
        let (findings, ended) = visit_and(&checks, nginx.port, &basic(SECRET), pinned(&nginx));
        assert_eq!(findings[0].type_, FindingType::LoggedIn, "{}", nginx.log());
        assert_eq!(ended, Outcome::Complete);
        let found = weaknesses(&findings);
        assert!(
            found.iter().map(|finding| finding.type_).eq(expected),
            "{findings:?}"
        );
        assert!(found.iter().all(|finding| finding.is_from_behind_a_login()));
        assert_eq!(weaknesses(&as_stranger(nginx.port)), Vec::<&Finding>::new());
    }
}

#[test]
fn what_a_stranger_sees_too_is_the_same_finding_behind_the_login() {
    let inside = "location /admin/ { auth_basic inside; auth_basic_user_file {dir}/users; }";
    let nginx = start(inside);
    let outside = as_stranger(nginx.port);
    let checks = [Check::Http, Check::Inventory];
    let (inside, _) = visit_and(&checks, nginx.port, &basic(SECRET), pinned(&nginx));
    let (outside, inside) = (weaknesses(&outside), weaknesses(&inside));
    assert!(!outside.is_empty());
    for seen in outside {
        let same = inside.iter().find(|finding| finding.id == seen.id);
        let same = same.unwrap_or_else(|| panic!("{seen:?} in {inside:?}"));
        assert!(same.is_from_behind_a_login() && !seen.is_from_behind_a_login());
    }
}

#[test]
fn each_wrong_credential_is_shown_once_and_said() {
    for (server, wrong, shown) in [
        (BASIC, basic("wrong"), "authorization=Basic"),
        (
            BEARER,
            Login::Bearer {
                token: secret("wrong"),
            },
            "authorization=Bearer",
        ),
        (
            COOKIE,
            Login::Cookie {
                cookie: secret("sid=wrong"),
            },
            "cookie=sid",
        ),
    ] {
        let nginx = start(server);
        let (findings, ended) = visit(nginx.port, &wrong, pinned(&nginx));
        assert_eq!(findings[0].type_, FindingType::LoginFailed);
        assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
        assert_eq!(ended, Outcome::Partial);
        let log = nginx.log();
        assert_eq!(log.matches(shown).count(), 1, "{log}");
    }
}

#[test]
fn a_token_and_a_cookie_let_in() {
    let token = Login::Bearer {
        token: secret(SECRET),
    };
    let cookie = Login::Cookie {
        cookie: secret(&format!("sid={SECRET}")),
    };
    for (server, login) in [(BEARER, token), (COOKIE, cookie)] {
        let nginx = start(server);
        for trust in [pinned(&nginx), Trust::FirstSeen] {
            let (findings, ended) = visit(nginx.port, &login, trust);
            assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
            assert_eq!(ended, Outcome::Complete);
        }
    }
}

#[test]
fn a_server_with_another_key_is_asked_and_told_nothing() {
    for server in [BASIC, BEARER, COOKIE] {
        let nginx = start(server);
        let login = match server {
            BASIC => basic(SECRET),
            BEARER => Login::Bearer {
                token: secret(SECRET),
            },
            _ => Login::Cookie {
                cookie: secret(SECRET),
            },
        };
        let (findings, ended) = visit(nginx.port, &login, Trust::TlsSpki(Digest([9; 32])));
        assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
        assert_eq!(ended, Outcome::Partial);
        assert_eq!(nginx.log(), "", "not a single request");
    }
}

#[test]
fn a_server_that_shuts_nobody_out_is_shown_nothing() {
    let nginx = start("");
    let (findings, _) = visit(nginx.port, &basic(SECRET), pinned(&nginx));
    assert_eq!(outcome(&findings), LoginOutcome::MethodNotOffered);
    let log = nginx.log();
    assert!(!log.is_empty() && !log.contains("authorization=B"), "{log}");
}

#[test]
fn in_clear_only_where_the_operator_said_so() {
    let nginx = Nginx::start(SECRET, "", &[], BASIC).unwrap();
    for trust in [pinned(&nginx), Trust::FirstSeen] {
        let (findings, _) = visit(nginx.port, &basic(SECRET), trust);
        assert_eq!(outcome(&findings), LoginOutcome::NoAnswer);
        assert!(!nginx.log().contains("authorization=B"));
    }
    let (findings, _) = visit(nginx.port, &basic(SECRET), Trust::Cleartext);
    assert_eq!(outcome(&findings), LoginOutcome::Accepted);
}

#[test]
fn a_form_is_filled_in_once_and_lets_in_who_is_known() {
    let application = Application::start(SECRET).unwrap();
    let proxy = application.proxied();
    let nginx = start(&proxy);
    let form = |password: &str| Login::Form {
        user: USER.to_owned(),
        password: secret(password),
    };
    let (findings, ended) = visit(nginx.port, &form(SECRET), pinned(&nginx));
    assert_eq!(outcome(&findings), LoginOutcome::Accepted, "{}", nginx.log());
    assert_eq!(ended, Outcome::Complete);
    let checks = [Check::Http, Check::Inventory];
    let (findings, _) = visit_and(&checks, nginx.port, &form(SECRET), pinned(&nginx));
    let root = |finding: &Finding| {
        finding.type_ == FindingType::HttpHeaderMissing
            && finding.url.as_ref().is_some_and(|url| url.to_string() == "/")
    };
    assert!(
        findings.iter().any(root),
        "a stranger is sent to /login: {findings:?}"
    );
    let (findings, ended) = visit(nginx.port, &form("wrong"), pinned(&nginx));
    assert_eq!(outcome(&findings), LoginOutcome::WrongCredential);
    assert_eq!(ended, Outcome::Partial);
    let (findings, _) = visit(nginx.port, &form(SECRET), Trust::TlsSpki(Digest([9; 32])));
    assert_eq!(outcome(&findings), LoginOutcome::WrongHostKey);
    let tries = application.end().unwrap();
    assert_eq!(tries, "try scanner right\ntry scanner right\ntry scanner wrong\n");
}
