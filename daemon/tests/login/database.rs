//! In a database: a real PostgreSQL and a real MariaDB.

mod mariadb;
mod postgres;

use std::{net::SocketAddr, process::Command};

use vedette_protocol::{
    Digest, Finding,
    credential::{Login, Trust},
    finding::{Evidence, FindingType, LoginOutcome, Outcome},
    job::Check,
};
use vedette_tests::logins::{USER, as_nobody, certify, give};

use super::{Visited, outcome, secret, visit_at};

const SECRET: &str = "correct-horse-battery-staple";

fn login(user: &str, password: &str) -> Login {
    Login::Database {
        user: user.to_owned(),
        password: secret(password),
    }
}

/// What came of a login at a server.
fn visit(endpoint: SocketAddr, login: &Login, trust: Trust) -> Visited {
    visit_at(&[Check::Inventory], endpoint, login, trust)
}

/// A login that was let in, and told this product and version.
fn assert_let_in(visited: &Visited, product: &str, version: &str, log: &str) {
    let Visited {
        findings,
        ended,
        opened,
    } = visited;
    assert_eq!(outcome(findings), LoginOutcome::Accepted, "{log}");
    assert_eq!((*ended, *opened), (Outcome::Complete, true));
    let finding = &findings[0];
    assert_eq!(finding.type_, FindingType::DatabaseInventory);
    let text = |label: &Option<vedette_protocol::finding::Label>| label.as_ref().map(ToString::to_string);
    assert_eq!(text(&finding.product).as_deref(), Some(product));
    assert_eq!(text(&finding.version).as_deref(), Some(version));
    assert!(is_nothing_but_product(finding), "{finding:?}");
}

/// No name of a table, a database or a user, and no row of any.
fn is_nothing_but_product(finding: &Finding) -> bool {
    finding.evidence.iter().all(|fact| {
        matches!(
            fact,
            Evidence::Login { .. } | Evidence::Product { .. } | Evidence::Platform { .. }
        )
    })
}

fn assert_kept_out(visited: &Visited, why: LoginOutcome, log: &str) {
    assert_eq!(visited.findings[0].type_, FindingType::LoginFailed);
    assert_eq!(outcome(&visited.findings), why, "{log}");
    assert_eq!(visited.ended, Outcome::Partial);
}

/// A key that nobody has.
const ANOTHER: Trust = Trust::TlsSpki(Digest([9; 32]));

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
