//! Logging in: one job, one target, one credential, which the vault opens for it at the moment of use.
//!
//! The target is connected to first; only when it has shown the key by which the operator knows it is the vault asked
//! for the credential ([`vault`]), so that a host with the right address and the wrong key is told nothing. A
//! credential is tried once. What is learnt is read by [`inventory`] (pure) and leaves as a typed finding.

mod certificate;
mod inventory;
mod ssh;
mod tls;
mod vault;
mod web;

use std::{net::SocketAddr, time::Duration};

use vedette_protocol::{
    Finding, Job, Report, Scope,
    credential::CredentialKind,
    finding::FindingPlace,
    finding::{Confidence, Coverage, Effort, Evidence, FindingType, Host, LoginOutcome, Unanswered},
    vault::VaultRefusal,
};

pub(crate) use vault::{Line, receive_with_descriptor};

pub use vault::LineError;

use vault::Place;

/// A job that logs in came to no end.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The vault hung up, or said nothing usable.
    #[error("talking to the vault")]
    Vault(#[from] LineError),
    /// The vault did not say where to log in.
    #[error("the vault refused")]
    Refused(#[source] VaultRefusal),
    /// The vault named a place that is not in the job's scope.
    #[error("the vault named a place outside the job's scope")]
    OutOfScope,
}

/// What a login brought.
enum Visit {
    /// The host let us in.
    In(inventory::Inventory),
    /// The web server did.
    Inside(web::Inside),
    /// It did not.
    Out(LoginOutcome),
}

/// Logs in and takes the inventory of the host.
///
/// # Errors
/// When the vault fails. That the host does not let us in is a finding.
pub(crate) async fn run(
    job: &Job,
    scope: &Scope,
    mut line: Line,
) -> Result<(Vec<Finding>, Report), LoginError> {
    let started = std::time::Instant::now();
    let place = line.place().await?.map_err(LoginError::Refused)?;
    if !scope.permits(place.endpoint.ip(), place.endpoint.port()) {
        return Err(LoginError::OutOfScope);
    }
    let visit = match place.kind {
        CredentialKind::SshPassword | CredentialKind::SshKey => ssh::visit(&place, &mut line).await?,
        CredentialKind::HttpBasic
        | CredentialKind::Bearer
        | CredentialKind::Form
        | CredentialKind::Cookie
        | CredentialKind::ClientCertificate => web::visit(job, scope, &place, &mut line).await?,
        // Each needs a way to log in of its own; until there is one, nothing is opened for it.
        CredentialKind::SnmpCommunity | CredentialKind::Database => {
            Visit::Out(LoginOutcome::MethodNotOffered)
        }
    };
    let target = named(job, scope, &place);
    let effort = Effort {
        seconds: started.elapsed().as_secs_f64(),
        ..Effort::default()
    };
    Ok(told(target, place.endpoint, visit, effort))
}

/// Why the host was told nothing, as a finding says it.
fn not_opened(refusal: VaultRefusal) -> LoginOutcome {
    match refusal {
        VaultRefusal::WrongHost => LoginOutcome::WrongHostKey,
        VaultRefusal::Passphrase => LoginOutcome::WrongPassphrase,
        VaultRefusal::UnfitKey => LoginOutcome::UnfitKey,
        VaultRefusal::Closed
        | VaultRefusal::Order
        | VaultRefusal::Record
        | VaultRefusal::Job
        | VaultRefusal::NoLogin
        | VaultRefusal::Grant(_)
        | VaultRefusal::Envelope(_)
        | VaultRefusal::Given
        | VaultRefusal::Memory
        | VaultRefusal::Busy
        | VaultRefusal::NotThisLogin
        | VaultRefusal::Unreported => LoginOutcome::NotOpened,
    }
}

/// The host as the operator asked for it.
fn named(job: &Job, scope: &Scope, place: &Place) -> Host {
    let address = place.endpoint.ip();
    debug_assert!(job.login.is_some());
    scope
        .addresses()
        .find(|(known, _)| *known == address)
        .and_then(|(_, name)| name)
        .map_or_else(|| address.into(), Host::from)
}

fn told(target: Host, endpoint: SocketAddr, visit: Visit, effort: Effort) -> (Vec<Finding>, Report) {
    let coverage = Coverage {
        hosts: 1,
        ..Coverage::default()
    };
    let port = FindingPlace::port(target.clone(), endpoint.port());
    let finding = |type_, place, outcome| {
        let mut finding = Finding::new(type_, place, Confidence::Certain);
        finding.evidence.push(Evidence::Login { outcome });
        finding
    };
    let at_port = Unanswered {
        target: target.clone(),
        port: Some(endpoint.port()),
    };
    let (findings, unanswered, gap) = match visit {
        Visit::In(inventory) => {
            let place = FindingPlace::host(target.clone());
            let mut finding = finding(FindingType::HostInventory, place, LoginOutcome::Accepted);
            // What did not fit is a gap, and said.
            let unanswered = u64::from(inventory.cut);
            finding.evidence.extend(inventory.evidence());
            (vec![finding], unanswered, Unanswered { target, port: None })
        }
        Visit::Inside(inside) => {
            let mut findings = vec![finding(FindingType::LoggedIn, port, LoginOutcome::Accepted)];
            findings.extend(inside.findings);
            (findings, inside.unanswered, at_port)
        }
        Visit::Out(outcome) => (vec![finding(FindingType::LoginFailed, port, outcome)], 1, at_port),
    };
    let gaps = if unanswered > 0 { vec![gap] } else { Vec::new() };
    (findings, Report::close(effort, coverage, unanswered, gaps))
}

/// For a connection, and for each answer of the host.
const PATIENCE: Duration = Duration::from_secs(30);
