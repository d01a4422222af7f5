//! Findings.

use anyhow::Result;
use vedette_protocol::api::StoredFinding;
use vedette_protocol::finding::Portrait;

use super::{Outcome, Show, appliance, scan};
use crate::arguments;
use crate::platform::{Platform, Query};
use crate::table::Table;

pub(super) async fn run(platform: &Platform, asked: arguments::Finding, show: Show) -> Result<Outcome> {
    let arguments::Finding::List {
        scan,
        appliance,
        severity,
        target,
        type_,
    } = asked;
    let mut query = Query::new("/findings");
    if let Some(scan) = scan {
        query.with("scan", &scan::find(platform, &scan).await?.id.to_string());
    }
    if let Some(appliance) = appliance {
        query.with(
            "appliance",
            &appliance::find(platform, &appliance).await?.id.to_string(),
        );
    }
    if let Some(severity) = severity {
        query.with("severity", &severity.to_string());
    }
    if let Some(target) = target {
        query.with("target", target.as_str());
    }
    if let Some(type_) = type_ {
        query.with("type", type_.name());
    }
    let mut findings: Vec<StoredFinding> = platform.list(query.as_str()).await?;
    // Pages come in an order that pages well; people want the worst first.
    findings.sort_by_key(|stored| std::cmp::Reverse(stored.finding.severity));
    show.value(&findings, || table(&findings))?;
    Ok(Outcome::Done)
}

fn table(findings: &[StoredFinding]) -> Table {
    let mut table = Table::list(["SEVERITY", "TARGET", "PORT", "WHAT", "WHERE", "FIRST SEEN"]);
    for stored in findings {
        let finding = &stored.finding;
        let port = finding.port_shown().unwrap_or_default();
        let place = finding.url.as_ref().map(|url| url.as_str()).unwrap_or_default();
        table.row([
            &finding.severity.to_string(),
            finding.target.as_str(),
            &port,
            &what(stored),
            place,
            &stored.first_seen.to_string(),
        ]);
    }
    table.when_empty("no findings");
    table
}

/// The title, with what it is about where that says more.
fn what(stored: &StoredFinding) -> String {
    let finding = &stored.finding;
    if let Some(portrait) = Portrait::of(finding) {
        return format!("{}: {portrait}", stored.title);
    }
    let about: Vec<&str> = [&finding.product, &finding.version, &finding.parameter]
        .into_iter()
        .flatten()
        .map(|label| label.as_str())
        .collect();
    let state = finding.state.map(|state| state.to_string());
    match (about.is_empty(), state) {
        (true, None) => stored.title.clone(),
        (true, Some(state)) => format!("{} {state}", stored.title),
        (false, _) => format!("{}: {}", stored.title, about.join(" ")),
    }
}
