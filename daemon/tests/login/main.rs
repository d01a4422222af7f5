//! A login from the signed job to what it brought: the vault, a worker, and a real server between them.
#![cfg(test)]

mod application;
mod certificate;
mod database;
mod snmp;
mod ssh;
mod web;

use std::net::{Ipv4Addr, SocketAddr};

use vedette_measure::visit::{Told, Visit};
use vedette_protocol::{
    Finding, WebTest,
    credential::{Login, SecretText, Trust},
    finding::{Evidence, LoginOutcome, Outcome},
    job::Check,
    worker::WorkerEvent,
};
use zeroize::Zeroizing;

/// A password, a key, a token: what is secret of a credential.
fn secret(text: &str) -> SecretText {
    SecretText::new(Zeroizing::new(text.to_owned()))
}

/// Runs a job that logs in on a port of loopback, with this credential and this trust, through vault and worker.
fn visit(port: u16, login: &Login, trust: Trust) -> (Vec<Finding>, Outcome) {
    visit_and(&[Check::Inventory], port, login, trust)
}

/// The same, for a job of these checks.
fn visit_and(checks: &[Check], port: u16, login: &Login, trust: Trust) -> (Vec<Finding>, Outcome) {
    let visited = visit_at(checks, (Ipv4Addr::LOCALHOST, port).into(), login, trust);
    assert_eq!(
        visited.opened,
        is_opened(&visited.findings),
        "{:?}",
        visited.findings
    );
    (visited.findings, visited.ended)
}

/// What came of a job.
struct Visited {
    findings: Vec<Finding>,
    ended: Outcome,
    /// Whether its credential was opened.
    opened: bool,
}

/// The same, at any endpoint of this machine.
fn visit_at(checks: &[Check], endpoint: SocketAddr, login: &Login, trust: Trust) -> Visited {
    visit_for(None, checks, endpoint, login, trust)
}

/// The same, where a web application is tested like this.
fn visit_for(
    web: Option<WebTest>,
    checks: &[Check],
    endpoint: SocketAddr,
    login: &Login,
    trust: Trust,
) -> Visited {
    let visit = Visit::new(checks, web, endpoint, login, trust).unwrap();
    let job = visit.job.clone();
    let Told { events, openings } = visit.run().unwrap();
    let findings = events.iter().filter_map(|event| match event {
        WorkerEvent::Findings(findings) => Some(findings.clone()),
        _ => None,
    });
    let Some(WorkerEvent::Ended(report)) = events.last() else {
        panic!("{events:?}");
    };
    let findings: Vec<Finding> = findings.flatten().collect();
    // Whatever was opened is told of, once.
    let told = openings
        .iter()
        .map(|told| (told.job, told.credential, told.target, told.port));
    let opened = !openings.is_empty();
    let expected = job
        .login
        .map(|used| (job.id, used, endpoint.ip(), endpoint.port()));
    assert!(told.eq(expected.filter(|_| opened)), "{openings:?} {findings:?}");
    Visited {
        findings,
        ended: report.outcome(),
        opened,
    }
}

/// Whether a login over SSH or HTTP that ended so had its credential opened.
fn is_opened(findings: &[Finding]) -> bool {
    match outcome(&findings[..1]) {
        LoginOutcome::Accepted
        | LoginOutcome::WrongCredential
        | LoginOutcome::WrongPassphrase
        | LoginOutcome::UnfitKey => true,
        LoginOutcome::WrongHostKey
        | LoginOutcome::MethodNotOffered
        | LoginOutcome::NoAnswer
        | LoginOutcome::NotOpened => false,
    }
}

fn outcome(findings: &[Finding]) -> LoginOutcome {
    let [finding] = findings else {
        panic!("one finding: {findings:?}");
    };
    let outcome = finding.evidence.iter().find_map(|fact| match fact {
        Evidence::Login { outcome } => Some(*outcome),
        _ => None,
    });
    outcome.unwrap()
}
