//! Scans, and waiting for one.

mod progress;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vedette_protocol::api::{Appliance, KeptCredential, NewScan, Scan, ScanJob, ScanState};
use vedette_protocol::finding::Transport;
use vedette_protocol::job::{Check, Checks};
use vedette_protocol::target::{PortSet, Ports, Target, Targets};
use vedette_protocol::{ApplianceId, CredentialId};

use self::progress::ProgressLine;
use super::{Outcome, Show, appliance, pool};
use crate::arguments::{self, ScanStart, ScanWish};
use crate::choice::choose;
use crate::platform::{Platform, Unreachable};
use crate::table::Table;

pub(super) async fn run(platform: &Platform, asked: arguments::Scan, show: Show) -> Result<Outcome> {
    match asked {
        arguments::Scan::Start(asked) => return start(platform, *asked, show).await,
        arguments::Scan::List => {
            let scans: Vec<Scan> = platform.list("/scans").await?;
            show.value(&scans, || table(&scans))?;
        }
        arguments::Scan::Jobs { scan } => {
            let scan = find(platform, &scan).await?;
            let jobs: Vec<ScanJob> = platform.list(&format!("/scans/{}/jobs", scan.id)).await?;
            let appliances: Vec<Appliance> = platform.list("/appliances").await?;
            show.value(&jobs, || parts(&jobs, &appliances))?;
        }
        arguments::Scan::Show { scan } => {
            let scan = find(platform, &scan).await?;
            show.value(&scan, || record(&scan))?;
        }
    }
    Ok(Outcome::Done)
}

/// The scan that is meant.
pub(super) async fn find(platform: &Platform, given: &str) -> Result<Scan> {
    let scans: Vec<Scan> = platform.list("/scans").await?;
    choose("scan", given, &scans, |scan| scan.id.to_string(), |_| None).cloned()
}

/// The credentials that are meant.
async fn meant(platform: &Platform, given: &[String]) -> Result<Vec<CredentialId>> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let kept: Vec<KeptCredential> = platform.list("/credentials").await?;
    given
        .iter()
        .map(|given| {
            let chosen = choose(
                "credential",
                given,
                &kept,
                |one| one.id.to_string(),
                |one| Some(&one.label),
            );
            chosen.map(|one| one.id)
        })
        .collect()
}

/// The scan that is asked for.
pub(super) async fn wished(platform: &Platform, asked: ScanWish) -> Result<NewScan> {
    let appliance = match &asked.appliance {
        Some(given) => Some(appliance::find(platform, given).await?.id),
        None => None,
    };
    let pool = match &asked.pool {
        Some(given) => Some(pool::find(platform, given).await?.id),
        None => None,
    };
    let credentials = meant(platform, &asked.credentials).await?;
    Ok(NewScan {
        appliance,
        pool,
        targets: Targets::try_from(asked.targets)?,
        exclude: asked.exclude,
        ports: asked.ports,
        checks: if asked.checks.is_empty() {
            None
        } else {
            Some(Checks::try_from(asked.checks)?)
        },
        credentials,
        web: asked.web.test()?,
    })
}

async fn start(platform: &Platform, asked: ScanStart, show: Show) -> Result<Outcome> {
    let new = wished(platform, asked.wish).await?;
    let mut scan: Scan = platform.post("/scans", &new).await?;
    if asked.wait {
        scan = wait(platform, scan).await?;
    }
    show.value(&scan, || record(&scan))?;
    Ok(match scan.state {
        _ if !asked.wait => Outcome::Done,
        ScanState::Complete => Outcome::Done,
        ScanState::Partial => Outcome::ScanPartial,
        ScanState::Failed | ScanState::Queued | ScanState::Running => Outcome::ScanFailed,
    })
}

/// Until it has ended. The scan goes on without us; that the platform is away for a while ends nothing.
async fn wait(platform: &Platform, mut scan: Scan) -> Result<Scan> {
    let mut line = ProgressLine::new();
    let mut heard = Instant::now();
    loop {
        match scan.state {
            ScanState::Complete | ScanState::Partial | ScanState::Failed => {
                line.end();
                return Ok(scan);
            }
            ScanState::Queued | ScanState::Running => line.show(&progress(&scan)),
        }
        tokio::time::sleep(INTERVAL).await;
        match platform.find(&format!("/scans/{}", scan.id)).await {
            Ok(now) => {
                scan = now;
                heard = Instant::now();
            }
            Err(error) if error.is::<Unreachable>() && heard.elapsed() < PATIENCE => {
                line.show(&format!("the platform does not answer ({error}), trying again"));
            }
            Err(error) => {
                line.end();
                bail!(error.context(format!(
                    "waiting for scan {}, which may go on; see `vedette scan show`",
                    scan.id
                )));
            }
        }
    }
}

fn progress(scan: &Scan) -> String {
    format!(
        "{}: {} of {} jobs, {} of {} probes, {} findings",
        state(scan.state),
        scan.jobs_done,
        scan.jobs,
        scan.progress.done,
        scan.progress.total,
        scan.findings
    )
}

fn table(scans: &[Scan]) -> Table {
    let mut table = Table::list(["ID", "STATE", "TARGETS", "CREATED", "ENDED", "JOBS", "FINDINGS"]);
    for scan in scans {
        table.row([
            &scan.id.to_string(),
            state(scan.state),
            &targets(scan),
            &scan.created.to_string(),
            &scan.ended.map_or_else(String::new, |ended| ended.to_string()),
            &format!("{}/{}", scan.jobs_done, scan.jobs),
            &scan.findings.to_string(),
        ]);
    }
    table.when_empty("no scans; start one with `vedette scan start`");
    table
}

fn record(scan: &Scan) -> Table {
    let mut table = Table::record();
    table.row(["id", &scan.id.to_string()]);
    table.row(["state", state(scan.state)]);
    if let Some(reason) = &scan.reason {
        table.row(["reason", reason]);
    }
    if let Some(waiting) = &scan.waiting {
        table.row(["waiting", waiting]);
    }
    if let Some(appliance) = scan.appliance {
        table.row(["appliance", &appliance.to_string()]);
    }
    if let Some(pool) = scan.pool {
        table.row(["pool", &pool.to_string()]);
    }
    table.row(["targets", &targets(scan)]);
    table.row(["ports", &ports(&scan.ports)]);
    table.row([
        "checks",
        &scan
            .checks
            .iter()
            .map(|check: &Check| check.name())
            .collect::<Vec<_>>()
            .join(", "),
    ]);
    table.row(["created", &scan.created.to_string()]);
    if let Some(ended) = scan.ended {
        table.row(["ended", &ended.to_string()]);
    }
    table.row(["jobs", &format!("{} of {}", scan.jobs_done, scan.jobs)]);
    table.row(["findings", &scan.findings.to_string()]);
    table
}

/// The parts of a scan, and who does them.
fn parts(jobs: &[ScanJob], appliances: &[Appliance]) -> Table {
    let name = |id: ApplianceId| {
        let known = appliances.iter().find(|one| one.id == id);
        known.map_or_else(|| id.to_string(), |one| one.name.clone())
    };
    let mut table = Table::list(["PART", "STATE", "APPLIANCE", "TAKEN", "TARGETS", "WHY"]);
    for job in jobs {
        let passed = job.passed.iter();
        let passed: Vec<String> = passed
            .map(|passed| format!("{}: {}", name(passed.appliance), passed.why))
            .collect();
        let why = job.reason.clone().or_else(|| job.waiting.clone());
        table.row([
            &(job.number + 1).to_string(),
            state(job.state),
            &job.appliance.map_or_else(|| "none".to_owned(), name),
            &job.taken.to_string(),
            &shortened(&job.targets),
            &why.unwrap_or_else(|| passed.join("; ")),
        ]);
    }
    table
}

fn targets(scan: &Scan) -> String {
    shortened(&scan.targets)
}

/// The first of these, and how many more there are.
pub(super) fn shortened(targets: &[Target]) -> String {
    let shown: Vec<String> = targets.iter().take(SHOWN).map(ToString::to_string).collect();
    match targets.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Those of a long list that come first, and how many more there are.
fn ports(ports: &Ports) -> String {
    let first = |over| {
        let ranges = ports.over(over)?.ranges().iter().take(RANGES_SHOWN);
        PortSet::from_ports(ranges.flat_map(|(first, last)| *first..=*last))
    };
    let Some(shown) = Ports::new(first(Transport::Tcp), first(Transport::Udp)) else {
        return ports.to_string();
    };
    match ports.count() - shown.count() {
        0 => ports.to_string(),
        more => format!("{shown} and {more} more"),
    }
}

fn state(state: ScanState) -> &'static str {
    match state {
        ScanState::Queued => "queued",
        ScanState::Running => "running",
        ScanState::Complete => "complete",
        ScanState::Partial => "partial",
        ScanState::Failed => "failed",
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a platform may be away while a scan is waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const SHOWN: usize = 4;
const RANGES_SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_ports_is_cut_and_counted() {
        let shown = |text: &str| ports(&text.parse().unwrap());
        assert_eq!(shown("22,80-90,443"), "22,80-90,443");
        assert_eq!(shown("1-65535"), "1-65535");
        let every_other: Vec<String> = (1..=41).step_by(2).map(|port: u16| port.to_string()).collect();
        assert_eq!(
            shown(&every_other.join(",")),
            "1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31 and 5 more"
        );
    }
}
