//! The operator's tool and the real platform, without an appliance.

#![cfg(test)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use vedette_protocol::api::{Appliance, CreatedToken, Token, TokenKind};
use vedette_tests::lab::Lab;
use vedette_tests::operator::Operator;
use vedette_tests::platform::{Platform, PlatformData, TestImages, url};
use vedette_tests::programs::Programs;

#[test]
fn the_first_login_demands_a_new_password_and_takes_the_old_one_once() {
    let desk = Desk::open();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let login = desk.operator.login_file();
    assert_eq!((mode(login.parent().unwrap()), mode(&login)), (0o700, 0o600));

    assert!(!desk.data.first_login().exists());
    let wrong = desk.lab.dir().join("wrong");
    fs::write(&wrong, "the password that was, or none\n").unwrap();
    let refused = desk.log_in_with(&wrong, &desk.data.ca());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("account or password is wrong"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_token_works_until_it_is_revoked_and_its_secret_is_shown_once() {
    let desk = Desk::open();
    let file = desk.lab.dir().join("token");
    let path = file.to_string_lossy();
    desk.operator
        .run(&["token", "create", "api", "--name", "script", "--out", &path])
        .unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = desk
        .operator
        .try_run(&["token", "create", "api", "--name", "script", "--out", &path])
        .unwrap();
    assert!(
        !again.status.success() && said(&again).contains("does not exist yet"),
        "{}",
        said(&again)
    );

    let secret = fs::read_to_string(&file).unwrap();
    let with_token = || desk.without_login(&["appliance", "list", "--json"], secret.trim());
    let listed = with_token();
    assert!(listed.status.success(), "{}", said(&listed));
    assert_eq!(
        serde_json::from_slice::<Vec<Appliance>>(&listed.stdout).unwrap(),
        []
    );

    let tokens: Vec<Token> = desk.operator.ask(&["token", "list"]).unwrap();
    assert!(
        tokens
            .iter()
            .any(|token| token.name == "script" && token.kind == TokenKind::Api)
    );
    assert!(
        !desk
            .operator
            .run(&["token", "list"])
            .unwrap()
            .contains(secret.trim())
    );

    desk.operator.run(&["token", "revoke", "script"]).unwrap();
    let refused = with_token();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("vedette login"), "{}", said(&refused));
}

#[test]
fn a_token_is_valid_for_as_long_as_was_asked_within_bounds() {
    let desk = Desk::open();
    let create = |kind: &'static str, validity: &'static str| {
        [
            "token",
            "create",
            kind,
            "--name",
            "short",
            "--valid-for",
            validity,
        ]
    };
    let created: CreatedToken = desk.operator.ask(&create("activation", "30m")).unwrap();
    assert_eq!(created.token.expires.since(created.token.created).as_secs(), 1800);
    let shown = desk.operator.try_run(&create("activation", "7d")).unwrap();
    assert!(said(&shown).starts_with("valid until 20"), "{}", said(&shown));
    for (kind, validity, code, part) in [
        ("activation", "31d", 1, "ask for 30d at most"),
        ("api", "367d", 1, "ask for 366d at most"),
        ("api", "0s", 2, "as in 90s, 30m, 24h or 7d"),
        ("activation", "soon", 2, "as in 90s, 30m, 24h or 7d"),
    ] {
        let refused = desk.operator.try_run(&create(kind, validity)).unwrap();
        assert_eq!(refused.status.code(), Some(code), "{validity}");
        assert!(said(&refused).contains(part), "{}", said(&refused));
    }
}

#[test]
fn another_ca_is_not_the_platform_and_no_password_is_sent_to_it() {
    let desk = Desk::open();
    let other = PlatformData::at(&desk.programs, &desk.lab.dir().join("other")).unwrap();
    let refused = desk.log_in_with(&desk.operator.password_file(), &other.ca());
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("is not the platform that you trust"),
        "{}",
        said(&refused)
    );
    // The login that there was is still the one.
    desk.operator.run(&["appliance", "list"]).unwrap();
}

#[test]
fn what_does_not_exist_is_said_with_what_to_do() {
    let desk = Desk::open();
    for (arguments, part) in [
        (&["appliance", "show", "nobody"][..], "vedette appliance list"),
        (&["scan", "show", "nothing"], "vedette scan list"),
        (
            &["scan", "start", "--appliance", "nobody", "--target", "198.18.0.1"],
            "vedette appliance list",
        ),
        (&["appliance", "activate", "BCDF-GHJK"], "waits under this code"),
        (&["appliance", "activate", "x"], "eight letters"),
        (&["token", "revoke", "nothing"], "vedette token list"),
        (
            &["token", "create", "api", "--name", "a", "--out", "/nowhere/token"],
            "making /nowhere/token",
        ),
        (&["finding", "list", "--scan", "x"], "vedette scan list"),
    ] {
        let refused = desk.operator.try_run(arguments).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}");
        assert!(said(&refused).contains(part), "{arguments:?}: {}", said(&refused));
    }
    let start = ["scan", "start", "--appliance", "a", "--target"];
    for (arguments, part) in [
        (
            &[&start[..], &["198.18.0.1/15"]].concat(),
            "did you mean 198.18.0.0/15",
        ),
        (
            &[&start[..], &["198.18.0.1", "--ports", "0"]].concat(),
            "as in 22,80,8000-8100",
        ),
        (
            &[&start[..], &["198.18.0.1", "--check", "x"]].concat(),
            "there are discovery, topology, ports",
        ),
        (&vec!["finding", "list", "--target", "no host"], "host name"),
        (&vec!["finding", "list", "--severity", "worst"], "there are info"),
        (
            &vec!["login", "--url", "http://x", "--ca", "y"],
            "write https://HOST",
        ),
    ] {
        let usage = desk.operator.try_run(arguments).unwrap();
        assert_eq!(usage.status.code(), Some(2), "{arguments:?}");
        assert!(said(&usage).contains(part), "{arguments:?}: {}", said(&usage));
    }
}

#[test]
fn after_logging_out_the_token_is_worth_nothing() {
    let desk = Desk::open();
    let login = desk.operator.login_file();
    let text: toml::Table = fs::read_to_string(&login).unwrap().parse().unwrap();
    let token = text["token"].as_str().unwrap();
    assert!(desk.without_login(&["scan", "list"], token).status.success());

    desk.operator.run(&["logout"]).unwrap();
    assert!(!login.exists());
    assert_eq!(
        desk.without_login(&["scan", "list"], token).status.code(),
        Some(1)
    );
    let refused = desk.operator.try_run(&["scan", "list"]).unwrap();
    assert!(
        said(&refused).contains("vedette login --url"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_platform_that_is_away_is_named() {
    let mut desk = Desk::open();
    desk.platform.take().unwrap().kill();
    let refused = desk.operator.try_run(&["scan", "list"]).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains(&format!("no answer from {}", url())),
        "{}",
        said(&refused)
    );
}

/// A platform, and somebody logged in at it.
struct Desk {
    platform: Option<Platform>,
    operator: Operator,
    data: PlatformData,
    programs: Programs,
    lab: Lab,
}

impl Desk {
    fn open() -> Self {
        let programs = Programs::build().unwrap();
        let lab = Lab::start(&[]).unwrap();
        let data = PlatformData::at(&programs, &lab.dir().join("platform")).unwrap();
        let platform = Platform::serve(&programs, &data, &lab, TestImages::Refused).unwrap();
        let operator = Operator::log_in(&programs, &data, &lab, &lab.dir().join("operator")).unwrap();
        Self {
            platform: Some(platform),
            operator,
            data,
            programs,
            lab,
        }
    }

    fn log_in_with(&self, password: &Path, ca: &Path) -> Output {
        let mut login = self.operator.command(&["login", "--url", &url()]);
        login
            .arg("--password-file")
            .arg(password)
            .arg("--ca")
            .arg(ca)
            .output()
            .unwrap()
    }

    /// The tool, told everything by its environment.
    fn without_login(&self, arguments: &[&str], token: &str) -> Output {
        self.operator
            .command(arguments)
            .env("VEDETTE_URL", url())
            .env("VEDETTE_CA", self.data.ca())
            .env("VEDETTE_TOKEN", token)
            .output()
            .unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
