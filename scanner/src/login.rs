//! Logging in: one job, one target, one credential, which the vault opens for it at the moment of use.
//!
//! The target is connected to first; only when it has shown the key by which the operator knows it is the vault asked
//! for the credential ([`vault`]), so that a host with the right address and the wrong key is told nothing. A
//! credential is tried once. What is learnt is read by [`inventory`] (pure) and leaves as a typed finding.

mod certificate;
pub(crate) mod database;
mod findings;
mod inventory;
mod snmp;
mod ssh;
mod tls;
mod vault;
mod web;

use std::{net::IpAddr, time::Duration};

use tokio::sync::mpsc;
use vedette_protocol::{
    Finding, Job, Report, Scope,
    credential::CredentialKind,
    finding::{Effort, Host, LoginOutcome},
    target::HostName,
    vault::VaultRefusal,
};

use crate::{Event, application::Leave};

pub(crate) use vault::{Line, receive_with_descriptor};

pub use vault::LineError;

use findings::{Visit, told};
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

/// Logs in, and looks about as far as the job asks for it. What a web application shows is told as it is found.
///
/// # Errors
/// When the vault fails. That the host does not let us in is a finding.
pub(crate) async fn run(
    job: &Job,
    scope: &Scope,
    mut line: Line,
    leave: Leave,
    tell: &mpsc::Sender<Event>,
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
        | CredentialKind::ClientCertificate => web::visit(job, scope, &place, &mut line, leave, tell).await?,
        CredentialKind::Database => database::visit(scope, &place, &mut line).await?,
        CredentialKind::SnmpCommunity => snmp::visit(scope, &place, &mut line).await?,
    };
    let effort = Effort {
        seconds: started.elapsed().as_secs_f64(),
        ..Effort::default()
    };
    Ok(told(named(scope, &place), &place, visit, effort))
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
        | VaultRefusal::Unreported
        | VaultRefusal::TooManyKeys => LoginOutcome::NotOpened,
    }
}

/// The host as the operator asked for it.
fn named(scope: &Scope, place: &Place) -> Host {
    let address = place.endpoint.ip();
    name_of(scope, address).map_or_else(|| address.into(), |name| Host::from(&name))
}

/// The name that the host was asked for by, if it was.
fn name_of(scope: &Scope, address: IpAddr) -> Option<HostName> {
    let (_, name) = scope.addresses().find(|(known, _)| *known == address)?;
    name.cloned()
}

/// For a connection, and for each answer of the host.
const PATIENCE: Duration = Duration::from_secs(30);
