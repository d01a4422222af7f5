//! Scans: start, list, show.

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    ApplianceId, CredentialId, Fingerprint, OrgId, Ports, ScanId, Timestamp,
    api::{By, NewScan, Page, Scan, ScanJob},
    credential::Header,
    job::{Check, Checks, Subject},
};

use super::{
    body::{Asked, Body, Id},
    caller::Caller,
    credentials::header,
    cursor::{self, PageQuery},
    problem::{ApiError, Refusals},
    repeated::{Key, Look},
};
use crate::{
    platform::{Platform, Shared},
    split,
    store::{
        Writing,
        appliances::{self, Appliance},
        audit::{self, Actor},
        credentials,
        jobs::{self, Part},
        pools, scans,
    },
};

/// The most credentials of one scan.
const CREDENTIALS_LIMIT: usize = 64;

#[utoipa::path(
    get,
    path = "/api/v1/scans",
    operation_id = "list_scans", tag = "Scans", summary = "List scans, newest first",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of scans", body = Page<Scan>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<Page<Scan>>, ApiError> {
    Ok(Json(page(&platform, &caller, asked).await?))
}

#[utoipa::path(
    get,
    path = "/api/v1/scans/{id}",
    operation_id = "show_scan", tag = "Scans", summary = "Show a scan",
    params(("id" = ScanId, Path, description = "The scan's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The scan", body = Scan), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ScanId>,
) -> Result<Json<Scan>, ApiError> {
    Ok(Json(one(&platform, &caller, id).await?))
}

#[utoipa::path(
    post,
    path = "/api/v1/scans",
    operation_id = "start_scan", tag = "Scans", summary = "Start a scan",
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body within a day, it starts nothing more and is answered alike")),
    request_body = NewScan,
    security(("bearer" = [])),
    responses((status = 201, description = "The scan", body = Scan), Refusals),
)]
pub(super) async fn start(
    State(platform): State<Shared>,
    caller: Caller,
    key: Key,
    Body(asked): Body<NewScan>,
) -> Result<(StatusCode, Json<Scan>), ApiError> {
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    let once = match key.look(&mut writing, &caller, ("scans", &asked), now).await? {
        Look::Answered(scan) => return Ok((StatusCode::CREATED, Json(scan))),
        Look::New(once) => once,
    };
    let prepared = prepare(&mut writing, caller.org(), &asked).await?;
    let id = keep(&mut writing, caller.org(), caller.actor(), &asked, &prepared, now).await?;
    let scan = scans::with_id(&mut writing, caller.org(), id)
        .await?
        .ok_or_else(|| ApiError::NotFound("scan of this id".to_owned()))?;
    once.answered(&mut writing, &scan, now).await?;
    writing.commit().await?;
    prepared.ring(&platform);
    Ok((StatusCode::CREATED, Json(scan)))
}

#[utoipa::path(
    get,
    path = "/api/v1/scans/{id}/jobs",
    operation_id = "list_scan_jobs", tag = "Scans", summary = "List a scan's jobs: which appliance does which part",
    params(("id" = ScanId, Path, description = "The scan's id"), PageQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of jobs", body = Page<ScanJob>), Refusals),
)]
pub(super) async fn jobs(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ScanId>,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<Page<ScanJob>>, ApiError> {
    Ok(Json(jobs_of(&platform, &caller, id, asked).await?))
}

/// A page of a scan's jobs.
pub(crate) async fn jobs_of(
    platform: &Platform,
    caller: &Caller,
    id: ScanId,
    asked: PageQuery,
) -> Result<Page<ScanJob>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let behind = asked.cursor.as_deref().map(cursor::read).transpose()?;
    one(platform, caller, id).await?;
    let mut reading = platform.store.read().await?;
    let mut items = jobs::list(&mut reading, caller.org(), id, behind, limit + 1).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let last = items.last().filter(|_| more);
    let next = last.map(|last| cursor::write(&last.number));
    Ok(Page { items, next })
}

/// A page of the caller's scans.
pub(crate) async fn page(
    platform: &Platform,
    caller: &Caller,
    asked: PageQuery,
) -> Result<Page<Scan>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let below = asked.cursor.as_deref().map(cursor::read).transpose()?;
    let mut reading = platform.store.read().await?;
    let mut found = scans::list(&mut reading, caller.org(), below, limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| cursor::write(&last.number));
    let items = found.into_iter().map(|numbered| numbered.scan).collect();
    Ok(Page { items, next })
}

/// A scan of the caller's organisation.
pub(crate) async fn one(platform: &Platform, caller: &Caller, id: ScanId) -> Result<Scan, ApiError> {
    let mut reading = platform.store.read().await?;
    scans::with_id(&mut reading, caller.org(), id)
        .await?
        .ok_or_else(|| ApiError::NotFound("scan of this id".to_owned()))
}

/// Begins a scan: splits it into jobs, and rings where they are waited for.
pub(crate) async fn begin(platform: &Platform, caller: &Caller, asked: &NewScan) -> Result<ScanId, ApiError> {
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    let prepared = prepare(&mut writing, caller.org(), asked).await?;
    let id = keep(&mut writing, caller.org(), caller.actor(), asked, &prepared, now).await?;
    writing.commit().await?;
    prepared.ring(platform);
    Ok(id)
}

/// A scan that can begin.
pub(crate) struct Prepared {
    pub(crate) by: By,
    /// Who can do it: at least one.
    pub(crate) appliances: Vec<Appliance>,
    pub(crate) ports: Ports,
    pub(crate) checks: Checks,
    pub(crate) parts: Vec<Part>,
}

impl Prepared {
    fn ring(&self, platform: &Platform) {
        for appliance in self.to_ring() {
            platform.desks.ring(appliance);
        }
    }

    /// Where it is waited for.
    pub(crate) fn to_ring(&self) -> Vec<ApplianceId> {
        self.appliances.iter().map(|appliance| appliance.id).collect()
    }
}

/// Judges what is asked for, and splits it into jobs.
pub(crate) async fn prepare(
    writing: &mut Writing,
    org: OrgId,
    asked: &NewScan,
) -> Result<Prepared, ApiError> {
    let by = asked
        .by()
        .map_err(|error| ApiError::BadRequest(error.to_string()))?;
    let checks = checks(asked)?;
    let usual = || split::usual_ports(&checks);
    let ports = asked.ports.clone().unwrap_or_else(usual);
    let unaided = checks.iter().any(|check| check.subject() != Subject::Account);
    let mut parts = match unaided {
        true => split::split(&asked.targets, &asked.exclude, &ports, &checks)?,
        false => Vec::new(),
    };
    let appliances = doers(writing, org, by).await?;
    let mut logins = Vec::new();
    for id in &asked.credentials {
        let credential = usable(writing, org, &appliances, *id).await?;
        logins.extend(split::logins(
            &asked.targets,
            &asked.exclude,
            &checks,
            &credential,
        )?);
    }
    // Who is tested behind its login is not tested as by a stranger too.
    parts.retain(|part| !logins.iter().any(|login| login.tests_what(part)));
    parts.extend(logins);
    Ok(Prepared {
        by,
        appliances,
        ports,
        checks,
        parts,
    })
}

/// Keeps a scan with its jobs.
pub(crate) async fn keep(
    writing: &mut Writing,
    org: OrgId,
    actor: &Actor,
    asked: &NewScan,
    prepared: &Prepared,
    now: Timestamp,
) -> Result<ScanId, sqlx::Error> {
    let scan = scans::NewScan {
        org,
        id: ScanId::random(),
        by: prepared.by,
        targets: &asked.targets,
        exclude: &asked.exclude,
        ports: &prepared.ports,
        checks: &prepared.checks,
        credentials: &asked.credentials,
        web: asked.web.as_ref(),
    };
    scans::insert(writing, &scan, now).await?;
    jobs::insert(writing, org, prepared.by, scan.id, &prepared.parts).await?;
    audit::record(writing, org, actor, "scan.start", &scan.id.to_string(), now).await?;
    Ok(scan.id)
}

/// The appliances that a scan is for.
async fn doers(writing: &mut Writing, org: OrgId, by: By) -> Result<Vec<Appliance>, ApiError> {
    match by {
        By::Appliance(id) => {
            let appliance = appliances::in_org(writing, org, id)
                .await?
                .ok_or_else(|| ApiError::NotFound("appliance of the id in `appliance`".to_owned()))?;
            if appliance.removed.is_some() {
                return Err(ApiError::Conflict(format!(
                    "the appliance {} was removed; choose another",
                    appliance.name
                )));
            }
            Ok(vec![appliance])
        }
        By::Pool(id) => {
            let pool = pools::with_id(writing, org, id)
                .await?
                .ok_or_else(|| ApiError::NotFound("pool of the id in `pool`".to_owned()))?;
            let members = appliances::of_pool(writing, org, id).await?;
            if members.is_empty() {
                return Err(ApiError::Conflict(format!(
                    "the pool {} has no appliance; put one in with `vedette pool add`",
                    pool.name
                )));
            }
            Ok(members)
        }
    }
}

/// The checks that are meant: what logs in and credentials belong together.
fn checks(asked: &NewScan) -> Result<Checks, ApiError> {
    if asked.credentials.len() > CREDENTIALS_LIMIT {
        return Err(ApiError::BadRequest(format!(
            "`credentials` names {}, more than {CREDENTIALS_LIMIT}; start several scans",
            asked.credentials.len()
        )));
    }
    let logs_in = !asked.credentials.is_empty();
    let tests_web = asked
        .checks
        .as_ref()
        .is_some_and(|checks| checks.contains(Check::Web));
    if asked.web.is_some() && !tests_web {
        return Err(ApiError::BadRequest(
            "`web` says how the check `web` is done: add it to `checks`, or leave `web` away".to_owned(),
        ));
    }
    match &asked.checks {
        None if logs_in => {
            let mut checks = Vec::from(Checks::of_endpoints());
            checks.push(Check::Inventory);
            Checks::try_from(checks).map_err(|error| ApiError::BadRequest(error.to_string()))
        }
        None => Ok(Checks::of_endpoints()),
        Some(checks) if checks.contains(Check::Inventory) == logs_in => Ok(checks.clone()),
        Some(_) if logs_in => Err(ApiError::BadRequest(
            "`credentials` are for jobs that log in, which is the check `inventory`: add it to `checks`"
                .to_owned(),
        )),
        Some(_) => Err(ApiError::BadRequest(
            "the check `inventory` logs in: name in `credentials` what with, or leave it away".to_owned(),
        )),
    }
}

/// A credential that one of these appliances may use.
async fn usable(
    writing: &mut Writing,
    org: OrgId,
    appliances: &[Appliance],
    id: CredentialId,
) -> Result<Header, ApiError> {
    let kept = credentials::with_id(writing, org, id).await?;
    let Some((kept, sealing)) = kept.and_then(|mut kept| kept.sealing.take().map(|sealing| (kept, sealing)))
    else {
        return Err(ApiError::NotFound(format!(
            "credential {id}, as `credentials` names it"
        )));
    };
    if kept.disabled {
        return Err(ApiError::Conflict(format!(
            "the credential {id} is disabled; enable it, or leave it away"
        )));
    }
    let header = header(&sealing).map_err(|error| ApiError::Internal(Box::new(error)))?;
    let sealed_to = |appliance: &Appliance| header.appliances.contains(&Fingerprint::of(&appliance.identity));
    if appliances.iter().any(sealed_to) {
        return Ok(header);
    }
    let names: Vec<&str> = appliances.iter().map(|one| one.name.as_str()).collect();
    Err(ApiError::Conflict(match names.as_slice() {
        [name] => format!(
            "the credential {id} is not sealed to the appliance {name}: seal a new version to it as well"
        ),
        names => format!(
            "the credential {id} is sealed to none of the pool's appliances ({}): seal a new version to them",
            names.join(", ")
        ),
    }))
}
