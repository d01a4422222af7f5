//! Scans: the form that starts one, the list, progress.

use std::{collections::HashMap, fmt::Display, str::FromStr};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use vedette_protocol::{
    ApplianceId, CredentialId, PoolId, Ports, ScanId, Target, Timestamp,
    api::{Appliance, ApplianceState, By, NewScan, Scan, ScanJob, ScanState},
    job::{Check, Checks},
    target::Targets,
    web::WebTest,
};

use super::{
    page::{Frame, PageError, ago, moment, scan_state, shown},
    visitor::{Posted, Visitor},
};
use crate::{
    api::{
        ApiError, appliances, credentials, cursor::PageQuery, findings, findings::FindingQuery, pools, scans,
        schedules,
    },
    dashboard::findings::{FindingRow, row as finding_row},
    platform::{Platform, Shared},
};

#[derive(Template)]
#[template(path = "scans.html")]
struct ListPage {
    frame: Frame,
    scans: Vec<Row>,
    schedules: Vec<Planned>,
    appliances: Vec<Choice>,
    pools: Vec<Choice>,
    credentials: Vec<Choice>,
    problem: Option<String>,
    targets: String,
    ports: String,
    network: bool,
    endpoints: bool,
    web: bool,
    path: String,
    classes: String,
    live: bool,
}

struct Row {
    id: String,
    appliance: String,
    targets: String,
    state: &'static str,
    live: bool,
    percent: u64,
    progress: String,
    findings: u64,
    created: String,
}

/// A schedule.
struct Planned {
    name: String,
    targets: String,
    appliance: String,
    next: String,
    scan: Option<String>,
    skipped: Option<String>,
}

struct Choice {
    id: String,
    name: String,
    state: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "scan.html")]
struct ShowPage {
    frame: Frame,
    row: Row,
    reason: Option<String>,
    waiting: Option<String>,
    credentials: Vec<String>,
    ports: String,
    checks: String,
    created: String,
    ended: Option<String>,
    report: Option<Lines>,
    parts: Vec<Part>,
    next_parts: Option<String>,
    paged: bool,
    findings: Vec<FindingRow>,
    more: bool,
    live: bool,
}

/// A part of the scan, and who does it.
struct Part {
    number: u64,
    targets: String,
    checks: String,
    state: &'static str,
    appliance: Option<String>,
    taken: u64,
    why: Vec<String>,
}

/// Which of the scan's parts are shown.
#[derive(Deserialize)]
pub(super) struct PartsQuery {
    #[serde(default)]
    parts: Option<String>,
}

struct Lines(Vec<(&'static str, String)>);

#[derive(Deserialize)]
pub(super) struct StartForm {
    /// An appliance's id, or `pool-` and a pool's.
    #[serde(default)]
    appliance: String,
    #[serde(default)]
    targets: String,
    #[serde(default)]
    ports: String,
    #[serde(default)]
    credential: String,
    /// Checkboxes: there if they are ticked.
    network: Option<String>,
    endpoints: Option<String>,
    web: Option<String>,
    #[serde(default)]
    path: String,
    #[serde(default)]
    classes: String,
}

pub(super) async fn list(State(platform): State<Shared>, visitor: Visitor) -> Result<Response, PageError> {
    let empty = StartForm {
        appliance: String::new(),
        targets: String::new(),
        ports: String::new(),
        credential: String::new(),
        network: None,
        endpoints: Some(String::new()),
        web: None,
        path: String::new(),
        classes: String::new(),
    };
    Ok(shown(&list_page(&platform, &visitor, empty, None).await?))
}

pub(super) async fn start(
    State(platform): State<Shared>,
    Posted { visitor, form }: Posted<StartForm>,
) -> Result<Response, PageError> {
    let begun = match read(&form) {
        Ok(asked) => scans::begin(&platform, &visitor.caller, &asked).await,
        Err(problem) => Err(problem),
    };
    match begun {
        Ok(id) => Ok(Redirect::to(&format!("/scans/{id}")).into_response()),
        Err(error @ ApiError::Internal(_)) => Err(error.into()),
        Err(error) => {
            let page = list_page(&platform, &visitor, form, Some(error.to_string())).await?;
            Ok((StatusCode::BAD_REQUEST, shown(&page)).into_response())
        }
    }
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked_for): Query<PartsQuery>,
) -> Result<Response, PageError> {
    let id: ScanId = id
        .parse()
        .map_err(|_| ApiError::NotFound("scan of this id".to_owned()))?;
    let scan = scans::one(&platform, &visitor.caller, id).await?;
    let asked = FindingQuery {
        scan: Some(id),
        ..FindingQuery::default()
    };
    let found = findings::page(&platform, &visitor.caller, asked).await?;
    let names = Names::of(&platform, &visitor).await?;
    let page = PageQuery {
        cursor: asked_for.parts.clone(),
        limit: None,
    };
    let jobs = scans::jobs_of(&platform, &visitor.caller, id, page).await?;
    let checks: Vec<_> = scan.checks.iter().map(ToString::to_string).collect();
    Ok(shown(&ShowPage {
        frame: visitor.frame("scans"),
        row: row(&scan, names.of_scan(&scan), Timestamp::now()),
        reason: scan.reason.clone(),
        waiting: scan.waiting.clone(),
        credentials: scan.credentials.iter().map(ToString::to_string).collect(),
        ports: scan.ports.to_string(),
        checks: checks.join(", "),
        created: moment(scan.created),
        ended: scan.ended.map(moment),
        report: lines(&scan),
        parts: jobs.items.iter().map(|job| part(job, &names)).collect(),
        next_parts: jobs.next.map(|cursor| format!("/scans/{id}?parts={cursor}")),
        paged: asked_for.parts.is_some(),
        findings: found.items.iter().map(finding_row).collect(),
        more: found.next.is_some(),
        live: scan.ended.is_none(),
    }))
}

/// What appliances and pools are called.
struct Names {
    appliances: Vec<Appliance>,
    pools: HashMap<PoolId, String>,
}

impl Names {
    async fn of(platform: &Platform, visitor: &Visitor) -> Result<Self, ApiError> {
        Ok(Self {
            appliances: appliances::all(platform, &visitor.caller).await?,
            pools: pools::names(platform, &visitor.caller).await?,
        })
    }

    fn appliance(&self, id: ApplianceId) -> String {
        let meant = self.appliances.iter().find(|appliance| appliance.id == id);
        meant.map(|appliance| appliance.name.clone()).unwrap_or_default()
    }

    fn by(&self, by: Option<By>) -> String {
        match by {
            Some(By::Appliance(id)) => self.appliance(id),
            Some(By::Pool(id)) => match self.pools.get(&id) {
                Some(name) => format!("pool {name}"),
                None => "a pool".to_owned(),
            },
            None => String::new(),
        }
    }

    fn of_scan(&self, scan: &Scan) -> String {
        self.by(scan
            .pool
            .map(By::Pool)
            .or_else(|| scan.appliance.map(By::Appliance)))
    }
}

fn part(job: &ScanJob, names: &Names) -> Part {
    let checks: Vec<_> = job.checks.iter().map(ToString::to_string).collect();
    let passed = job.passed.iter();
    let passed = passed.map(|passed| format!("{}: {}", names.appliance(passed.appliance), passed.why));
    let why = match (&job.reason, &job.waiting) {
        (Some(reason), _) => vec![reason.clone()],
        (None, Some(waiting)) if job.passed.is_empty() => vec![waiting.clone()],
        (None, _) => passed.collect(),
    };
    Part {
        number: job.number + 1,
        targets: targets(&job.targets),
        checks: checks.join(", "),
        state: scan_state(job.state),
        appliance: job.appliance.map(|id| names.appliance(id)),
        taken: job.taken,
        why,
    }
}

/// What a report says, line by line.
fn lines(scan: &Scan) -> Option<Lines> {
    let report = scan.report.as_ref()?;
    let (coverage, effort) = (report.coverage(), report.effort());
    Some(Lines(vec![
        (
            "Hosts that answered",
            format!("{} of {}", coverage.hosts_answering, coverage.hosts),
        ),
        (
            "Ports known",
            format!("{} of {}", coverage.ports_known, coverage.ports),
        ),
        (
            "Checks done",
            format!("{} of {}", coverage.checks_done, coverage.checks),
        ),
        ("Unanswered", report.unanswered().to_string()),
        ("Connections and packets", effort.packets.to_string()),
        ("Requests", effort.requests.to_string()),
        ("Time of work", format!("{:.1} s", effort.seconds)),
        (
            "Probability of a missed port",
            format!("{:.4}", effort.miss_probability),
        ),
    ]))
}

async fn list_page(
    platform: &Platform,
    visitor: &Visitor,
    form: StartForm,
    problem: Option<String>,
) -> Result<ListPage, ApiError> {
    let names = Names::of(platform, visitor).await?;
    let pools = pools::all(platform, &visitor.caller).await?;
    let page = scans::page(platform, &visitor.caller, PageQuery::default()).await?;
    let usable = credentials::page(platform, &visitor.caller, PageQuery::default()).await?;
    let planned = schedules::all(platform, &visitor.caller).await?;
    let now = Timestamp::now();
    Ok(ListPage {
        frame: visitor.frame("scans"),
        live: page.items.iter().any(|scan| scan.ended.is_none()),
        scans: page
            .items
            .iter()
            .map(|scan| row(scan, names.of_scan(scan), now))
            .collect(),
        schedules: planned
            .iter()
            .map(|one| Planned {
                name: one.name.clone(),
                targets: targets(one.scan.targets.as_slice()),
                appliance: names.by(one.scan.by().ok()),
                next: moment(one.next),
                scan: one
                    .last
                    .as_ref()
                    .and_then(|last| last.scan)
                    .map(|scan| scan.to_string()),
                skipped: one.last.as_ref().and_then(|last| last.skipped.clone()),
            })
            .collect(),
        pools: pools
            .iter()
            .map(|pool| {
                let id = format!("{POOL}{}", pool.id);
                Choice {
                    chosen: id == form.appliance,
                    id,
                    name: pool.name.clone(),
                    state: match pool.appliances.len() {
                        0 => "no appliance",
                        1 => "one appliance",
                        _ => "several appliances",
                    },
                }
            })
            .collect(),
        appliances: names
            .appliances
            .iter()
            .filter(|appliance| appliance.state != ApplianceState::Removed)
            .map(|appliance| Choice {
                id: appliance.id.to_string(),
                name: appliance.name.clone(),
                state: super::page::appliance_state(appliance.state),
                chosen: appliance.id.to_string() == form.appliance,
            })
            .collect(),
        credentials: usable
            .items
            .iter()
            .filter(|kept| !kept.disabled)
            .map(|kept| Choice {
                id: kept.id.to_string(),
                name: kept.label.clone(),
                state: kept.kind.name(),
                chosen: kept.id.to_string() == form.credential,
            })
            .collect(),
        problem,
        targets: form.targets,
        ports: form.ports,
        network: form.network.is_some(),
        endpoints: form.endpoints.is_some(),
        web: form.web.is_some(),
        path: form.path,
        classes: form.classes,
    })
}

/// Reads the form: targets stand one a line, or with spaces or commas between them.
fn read(form: &StartForm) -> Result<NewScan, ApiError> {
    let bad = |error: &dyn Display| ApiError::BadRequest(error.to_string());
    let texts = form
        .targets
        .split([',', '\n', '\r', ' ', '\t'])
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let targets: Vec<Target> = texts
        .map(|text| text.parse().map_err(|error| bad(&error)))
        .collect::<Result<_, _>>()?;
    let ports = match form.ports.trim() {
        "" => None,
        text => Some(text.parse::<Ports>().map_err(|error| bad(&error))?),
    };
    let nobody = || ApiError::BadRequest("choose the appliance or the pool that shall scan".to_owned());
    let (appliance, pool) = match form.appliance.strip_prefix(POOL) {
        Some(id) => (None, Some(id.parse::<PoolId>().map_err(|_| nobody())?)),
        None => (
            Some(form.appliance.parse::<ApplianceId>().map_err(|_| nobody())?),
            None,
        ),
    };
    let credentials: Vec<CredentialId> = match form.credential.as_str() {
        "" => Vec::new(),
        id => vec![id.parse().map_err(|error| bad(&error))?],
    };
    Ok(NewScan {
        credentials,
        appliance,
        pool,
        targets: Targets::try_from(targets).map_err(|error| bad(&error))?,
        exclude: Vec::new(),
        ports,
        checks: checks(form),
        web: web(form)?,
    })
}

/// The checks that were ticked; who logs in looks behind the login too. None was ticked: the usual ones.
fn checks(form: &StartForm) -> Option<Checks> {
    let mut checks = Vec::new();
    if form.network.is_some() {
        checks.extend([Check::Discovery, Check::Topology]);
    }
    if form.endpoints.is_some() {
        checks.extend(Checks::of_endpoints().iter());
    }
    if form.web.is_some() {
        checks.push(Check::Web);
    }
    if !checks.is_empty() && !form.credential.is_empty() {
        checks.push(Check::Inventory);
    }
    checks.try_into().ok()
}

/// How web applications are to be tested: paths and classes stand with spaces or commas between them.
fn web(form: &StartForm) -> Result<Option<WebTest>, ApiError> {
    fn list<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, ApiError> {
        let texts = text.split([',', ' ']).filter(|text| !text.is_empty());
        let read = |text: &str| {
            let bad = |error: T::Err| ApiError::BadRequest(error.to_string());
            text.parse().map_err(bad)
        };
        texts.map(read).collect()
    }
    if form.web.is_none() {
        return Ok(None);
    }
    let test = WebTest {
        paths: list(&form.path)?,
        classes: list(&form.classes)?,
        ..WebTest::default()
    };
    let bounded = test.bounded();
    bounded
        .map(Some)
        .map_err(|error| ApiError::BadRequest(error.to_string()))
}

fn row(scan: &Scan, appliance: String, now: Timestamp) -> Row {
    let parts = 100 * scan.jobs_done / scan.jobs.max(1);
    let probes = 100 * scan.progress.done / scan.progress.total.max(1);
    let percent = match scan.state {
        ScanState::Queued => 0,
        ScanState::Running if scan.jobs == 1 => probes.min(99),
        ScanState::Running => parts.min(99),
        ScanState::Complete | ScanState::Partial | ScanState::Failed => 100,
    };
    Row {
        id: scan.id.to_string(),
        appliance,
        targets: targets(&scan.targets),
        state: scan_state(scan.state),
        live: scan.ended.is_none(),
        percent,
        progress: format!(
            "{} of {} parts, {} of {} probes",
            scan.jobs_done, scan.jobs, scan.progress.done, scan.progress.total
        ),
        findings: scan.findings,
        created: ago(scan.created, now),
    }
}

/// The first of them, and how many more there are.
fn targets(all: &[Target]) -> String {
    let shown: Vec<_> = all.iter().take(TARGETS_SHOWN).map(ToString::to_string).collect();
    match all.len().saturating_sub(TARGETS_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What stands before the id of a pool in the form.
const POOL: &str = "pool-";
const TARGETS_SHOWN: usize = 4;
