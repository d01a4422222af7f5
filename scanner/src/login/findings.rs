//! What came of a login, as findings and a report. Pure.

use vedette_protocol::{
    Finding, Report,
    credential::CredentialKind,
    finding::{
        Confidence, Coverage, Effort, Evidence, FindingPlace, FindingType, Host, LoginOutcome, Source,
        Unanswered,
    },
};

use super::{inventory::Inventory, vault::Place, web::Inside};
use crate::service::Identity;

/// What a login brought.
pub(super) enum Visit {
    /// The host let us in.
    Host(Inventory),
    /// Its agent answered.
    Agent(Inventory),
    /// The web server let us in.
    Web(Inside),
    /// The database did, and is this.
    Database(Identity),
    /// Nobody did.
    Out(LoginOutcome),
}

/// A visit as it is told.
pub(super) fn told(target: Host, place: &Place, visit: Visit, effort: Effort) -> (Vec<Finding>, Report) {
    let port = place.endpoint.port();
    let at = match place.kind {
        CredentialKind::SnmpCommunity => FindingPlace::udp(target.clone(), port),
        _ => FindingPlace::port(target.clone(), port),
    };
    let gap = Unanswered {
        target: target.clone(),
        port: Some(port),
    };
    let mut application = None;
    let (findings, unanswered, gap) = match visit {
        Visit::Host(inventory) => {
            let host = FindingPlace::host(target.clone());
            let (finding, unanswered) = inventoried(host, inventory);
            (vec![finding], unanswered, Unanswered { target, port: None })
        }
        // Another inventory than the one that is taken over SSH, and of another place.
        Visit::Agent(inventory) => {
            let (finding, unanswered) = inventoried(at, inventory);
            (vec![finding], unanswered, gap)
        }
        Visit::Web(inside) => {
            let mut findings = vec![ended(FindingType::LoggedIn, at, LoginOutcome::Accepted)];
            let (by, port) = (Source::Login, Some(port));
            application = inside.application;
            findings.extend(inside.findings.into_iter().map(|mut finding| {
                finding.evidence.push(Evidence::Seen { by, port });
                finding
            }));
            (findings, inside.unanswered, gap)
        }
        Visit::Database(identity) => {
            let mut finding = ended(FindingType::DatabaseInventory, at, LoginOutcome::Accepted);
            finding.evidence.extend(identity.evidence());
            let cpe = identity.cpe.map(|cpe| Evidence::Platform { cpe });
            finding.evidence.extend(cpe);
            (finding.product, finding.version) = (identity.product, identity.version);
            (vec![finding], 0, gap)
        }
        Visit::Out(outcome) => (vec![ended(FindingType::LoginFailed, at, outcome)], 1, gap),
    };
    let gaps = if unanswered > 0 { vec![gap] } else { Vec::new() };
    let coverage = Coverage {
        hosts: 1,
        ..Coverage::default()
    };
    let mut report = Report::close(effort, coverage, unanswered, gaps);
    if let Some(application) = application {
        report = report.and(application.in_short_beside_another());
    }
    (findings, report)
}

fn ended(type_: FindingType, place: FindingPlace, outcome: LoginOutcome) -> Finding {
    let mut finding = Finding::new(type_, place, Confidence::Certain);
    finding.evidence.push(Evidence::Login { outcome });
    finding
}

/// An inventory; what did not fit is a gap, and said.
fn inventoried(place: FindingPlace, inventory: Inventory) -> (Finding, u64) {
    let mut finding = ended(FindingType::HostInventory, place, LoginOutcome::Accepted);
    let unanswered = u64::from(inventory.cut);
    finding.evidence.extend(inventory.evidence());
    (finding, unanswered)
}
