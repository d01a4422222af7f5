//! Schedules: scans that begin by themselves. Each is PUT under its own id, so that sending it again changes nothing.

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    ScheduleId, Timestamp,
    api::{NewSchedule, Page, Schedule},
};

use super::{
    body::{Body, Id},
    caller::Caller,
    problem::{ApiError, Refusals},
    scans, tokens,
};
use crate::{
    platform::{Platform, Shared},
    schedule,
    store::{
        audit,
        schedules::{self, SCHEDULES_LIMIT},
    },
};

/// The bounds of the time from one beginning to the next, in seconds: an hour and a year.
const EVERY: std::ops::RangeInclusive<u64> = 3600..=366 * 86_400;

#[utoipa::path(
    get,
    path = "/api/v1/schedules",
    operation_id = "list_schedules", tag = "Schedules", summary = "List schedules, by name",
    security(("bearer" = [])),
    responses((status = 200, description = "All schedules", body = Page<Schedule>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
) -> Result<Json<Page<Schedule>>, ApiError> {
    let items = all(&platform, &caller).await?;
    Ok(Json(Page { items, next: None }))
}

#[utoipa::path(
    get,
    path = "/api/v1/schedules/{id}",
    operation_id = "show_schedule", tag = "Schedules", summary = "Show a schedule",
    params(("id" = ScheduleId, Path, description = "The schedule's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The schedule", body = Schedule), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
) -> Result<Json<Schedule>, ApiError> {
    let mut reading = platform.store.read().await?;
    let found = schedules::with_id(&mut reading, caller.org(), id).await?;
    found.map(Json).ok_or_else(missing)
}

#[utoipa::path(
    put,
    path = "/api/v1/schedules/{id}",
    operation_id = "put_schedule", tag = "Schedules", summary = "Have a scan begin again and again, in the place of an older schedule of its id",
    params(("id" = ScheduleId, Path, description = "The schedule's id")),
    request_body = NewSchedule,
    security(("bearer" = [])),
    responses((status = 200, description = "The schedule", body = Schedule), (status = 201, description = "The schedule, new", body = Schedule), Refusals),
)]
pub(super) async fn put(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
    Body(asked): Body<NewSchedule>,
) -> Result<(StatusCode, Json<Schedule>), ApiError> {
    let name = tokens::name("name", &asked.name)?;
    if !EVERY.contains(&asked.every) {
        return Err(ApiError::BadRequest(format!(
            "`every` must be {} to {} seconds, an hour to 366 days",
            EVERY.start(),
            EVERY.end()
        )));
    }
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    // What can be said now need not be found out when it is due.
    scans::prepare(&mut writing, caller.org(), &asked.scan).await?;
    let before = schedules::with_id(&mut writing, caller.org(), id).await?;
    let count = schedules::list(&mut writing, caller.org()).await?.len() as u64;
    if before.is_none() && count >= SCHEDULES_LIMIT {
        return Err(ApiError::Conflict(format!(
            "there are {SCHEDULES_LIMIT} schedules: remove some"
        )));
    }
    let status = if before.is_some() {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let same = |before: &Schedule| {
        (before.name.as_str(), &before.scan, before.every) == (name, &asked.scan, asked.every)
            && asked.first.is_none_or(|first| is_of_series(first, before))
    };
    if !before.as_ref().is_some_and(same) {
        let next = asked.first.unwrap_or(now);
        schedules::keep(&mut writing, caller.org(), id, &asked, (next, now)).await?;
        let object = id.to_string();
        audit::record(
            &mut writing,
            caller.org(),
            caller.actor(),
            "schedule.put",
            &object,
            now,
        )
        .await?;
    }
    writing.commit().await?;
    // One that begins now does not wait for its turn.
    schedule::run_due(&platform, now).await?;
    let mut reading = platform.store.read().await?;
    let kept = schedules::with_id(&mut reading, caller.org(), id).await?;
    Ok((status, Json(kept.ok_or_else(missing)?)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/schedules/{id}",
    operation_id = "delete_schedule", tag = "Schedules", summary = "Remove a schedule; a scan that has begun goes on",
    params(("id" = ScheduleId, Path, description = "The schedule's id")),
    security(("bearer" = [])),
    responses((status = 204, description = "It is removed"), Refusals),
)]
pub(super) async fn delete(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ScheduleId>,
) -> Result<StatusCode, ApiError> {
    let mut writing = platform.store.write().await?;
    let before = schedules::with_id(&mut writing, caller.org(), id).await?;
    before.ok_or_else(missing)?;
    schedules::remove(&mut writing, caller.org(), id).await?;
    let (object, now) = (id.to_string(), Timestamp::now());
    audit::record(
        &mut writing,
        caller.org(),
        caller.actor(),
        "schedule.delete",
        &object,
        now,
    )
    .await?;
    writing.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The caller's schedules.
pub(crate) async fn all(platform: &Platform, caller: &Caller) -> Result<Vec<Schedule>, ApiError> {
    let mut reading = platform.store.read().await?;
    Ok(schedules::list(&mut reading, caller.org()).await?)
}

/// Whether a schedule that first began then is this one.
fn is_of_series(first: Timestamp, kept: &Schedule) -> bool {
    let since = kept.next.0.checked_sub(first.0);
    since.is_some_and(|since| since % kept.every.max(1) == 0)
}

fn missing() -> ApiError {
    ApiError::NotFound("schedule of this id".to_owned())
}
