//! Pools: appliances that reach the same network and share a queue. A pool is PUT under its own id, and so is each
//! appliance in it, so that sending it again changes nothing.

use std::collections::HashMap;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use vedette_protocol::{
    ApplianceId, PoolId, Timestamp,
    api::{NewPool, Page, Pool},
};

use super::{
    body::{Body, Id},
    caller::Caller,
    problem::{ApiError, Refusals},
    tokens,
};
use crate::{
    platform::{Platform, Shared},
    store::{
        Writing, appliances, audit,
        pools::{self, MEMBERS_LIMIT, POOLS_LIMIT},
        scans,
    },
};

#[utoipa::path(
    get,
    path = "/api/v1/pools",
    operation_id = "list_pools", tag = "Pools", summary = "List pools, by name",
    security(("bearer" = [])),
    responses((status = 200, description = "All pools", body = Page<Pool>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
) -> Result<Json<Page<Pool>>, ApiError> {
    let items = all(&platform, &caller).await?;
    Ok(Json(Page { items, next: None }))
}

#[utoipa::path(
    get,
    path = "/api/v1/pools/{id}",
    operation_id = "show_pool", tag = "Pools", summary = "Show a pool",
    params(("id" = PoolId, Path, description = "The pool's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The pool", body = Pool), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<PoolId>,
) -> Result<Json<Pool>, ApiError> {
    Ok(Json(one(&platform, &caller, id).await?))
}

#[utoipa::path(
    put,
    path = "/api/v1/pools/{id}",
    operation_id = "put_pool", tag = "Pools", summary = "Make a pool, or name it anew",
    params(("id" = PoolId, Path, description = "The pool's id, made by whoever makes the pool")),
    request_body = NewPool,
    security(("bearer" = [])),
    responses((status = 200, description = "The pool", body = Pool), (status = 201, description = "The pool, new", body = Pool), Refusals),
)]
pub(super) async fn put(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<PoolId>,
    Body(asked): Body<NewPool>,
) -> Result<(StatusCode, Json<Pool>), ApiError> {
    let status = keep(&platform, &caller, id, &asked).await?;
    Ok((status, Json(one(&platform, &caller, id).await?)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/pools/{id}",
    operation_id = "delete_pool", tag = "Pools", summary = "Remove a pool: its appliances stay, what it has not done yet has failed",
    params(("id" = PoolId, Path, description = "The pool's id")),
    security(("bearer" = [])),
    responses((status = 204, description = "It is removed"), Refusals),
)]
pub(super) async fn delete(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<PoolId>,
) -> Result<StatusCode, ApiError> {
    remove(&platform, &caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[utoipa::path(
    put,
    path = "/api/v1/pools/{id}/appliances/{appliance}",
    operation_id = "put_pool_appliance", tag = "Pools", summary = "Put an appliance into a pool",
    params(("id" = PoolId, Path, description = "The pool's id"), ("appliance" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The pool", body = Pool), Refusals),
)]
pub(super) async fn enter(
    State(platform): State<Shared>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Pool>, ApiError> {
    let (id, appliance) = ids(&path)?;
    add(&platform, &caller, id, appliance).await?;
    Ok(Json(one(&platform, &caller, id).await?))
}

#[utoipa::path(
    delete,
    path = "/api/v1/pools/{id}/appliances/{appliance}",
    operation_id = "delete_pool_appliance", tag = "Pools", summary = "Take an appliance out of a pool: the others do what it had",
    params(("id" = PoolId, Path, description = "The pool's id"), ("appliance" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The pool", body = Pool), Refusals),
)]
pub(super) async fn leave(
    State(platform): State<Shared>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<Json<Pool>, ApiError> {
    let (id, appliance) = ids(&path)?;
    take_out(&platform, &caller, id, appliance).await?;
    Ok(Json(one(&platform, &caller, id).await?))
}

/// The caller's pools.
pub(crate) async fn all(platform: &Platform, caller: &Caller) -> Result<Vec<Pool>, ApiError> {
    let mut reading = platform.store.read().await?;
    Ok(pools::list(&mut reading, caller.org()).await?)
}

/// What the caller's pools are called, those too that were removed.
pub(crate) async fn names(platform: &Platform, caller: &Caller) -> Result<HashMap<PoolId, String>, ApiError> {
    let mut reading = platform.store.read().await?;
    Ok(pools::names(&mut reading, caller.org()).await?)
}

/// One of them.
pub(crate) async fn one(platform: &Platform, caller: &Caller, id: PoolId) -> Result<Pool, ApiError> {
    let mut reading = platform.store.read().await?;
    let found = pools::with_id(&mut reading, caller.org(), id).await?;
    found.ok_or_else(missing)
}

/// Makes a pool, or names it anew.
pub(crate) async fn keep(
    platform: &Platform,
    caller: &Caller,
    id: PoolId,
    asked: &NewPool,
) -> Result<StatusCode, ApiError> {
    let name = tokens::name("name", &asked.name)?;
    let mut writing = platform.store.write().await?;
    let all = pools::list(&mut writing, caller.org()).await?;
    let before = all.iter().find(|pool| pool.id == id);
    if all.iter().any(|pool| pool.id != id && pool.name == name) {
        return Err(ApiError::Conflict(format!(
            "there is a pool of the name {name} already; choose another name"
        )));
    }
    let status = match before {
        Some(before) if before.name == name => return Ok(StatusCode::OK),
        Some(_) => StatusCode::OK,
        None if all.len() as u64 >= POOLS_LIMIT => {
            return Err(ApiError::Conflict(format!(
                "there are {POOLS_LIMIT} pools: remove some"
            )));
        }
        None if pools::is_gone(&mut writing, caller.org(), id).await? => {
            return Err(ApiError::Conflict(
                "the pool of this id was removed; make one of another id".to_owned(),
            ));
        }
        None => StatusCode::CREATED,
    };
    let now = Timestamp::now();
    pools::keep(&mut writing, caller.org(), id, name, now).await?;
    note(&mut writing, caller, "pool.put", &format!("{id} {name}"), now).await?;
    writing.commit().await?;
    Ok(status)
}

/// Puts an appliance into a pool.
pub(crate) async fn add(
    platform: &Platform,
    caller: &Caller,
    id: PoolId,
    appliance: ApplianceId,
) -> Result<(), ApiError> {
    let mut writing = platform.store.write().await?;
    let pool = pools::with_id(&mut writing, caller.org(), id).await?;
    let pool = pool.ok_or_else(missing)?;
    let known = appliances::in_org(&mut writing, caller.org(), appliance).await?;
    let known = known.ok_or_else(|| ApiError::NotFound("appliance of this id".to_owned()))?;
    if known.removed.is_some() {
        return Err(ApiError::Conflict(format!(
            "the appliance {} was removed; choose another",
            known.name
        )));
    }
    if pool.appliances.contains(&appliance) {
        return Ok(());
    }
    if pool.appliances.len() >= MEMBERS_LIMIT {
        return Err(ApiError::Conflict(format!(
            "the pool {} has {MEMBERS_LIMIT} appliances, as many as a credential can be sealed to; make another pool",
            pool.name
        )));
    }
    let now = Timestamp::now();
    pools::enter(&mut writing, caller.org(), id, appliance).await?;
    let object = format!("{appliance} into {id}");
    note(&mut writing, caller, "pool.add", &object, now).await?;
    writing.commit().await?;
    platform.desks.ring(appliance);
    Ok(())
}

/// Takes an appliance out of a pool.
pub(crate) async fn take_out(
    platform: &Platform,
    caller: &Caller,
    id: PoolId,
    appliance: ApplianceId,
) -> Result<(), ApiError> {
    let mut writing = platform.store.write().await?;
    let pool = pools::with_id(&mut writing, caller.org(), id).await?;
    let pool = pool.ok_or_else(missing)?;
    if !pool.appliances.contains(&appliance) {
        return Err(ApiError::NotFound(format!(
            "appliance of this id in the pool {}",
            pool.name
        )));
    }
    let now = Timestamp::now();
    for scan in pools::leave(&mut writing, caller.org(), Some(id), appliance, now).await? {
        scans::end_with_last_job(&mut writing, caller.org(), scan, now).await?;
    }
    let object = format!("{appliance} out of {id}");
    note(&mut writing, caller, "pool.take-out", &object, now).await?;
    writing.commit().await?;
    // What it did is for the others.
    platform.desks.ring_all_of(caller.org());
    Ok(())
}

/// Removes a pool.
pub(crate) async fn remove(platform: &Platform, caller: &Caller, id: PoolId) -> Result<(), ApiError> {
    let mut writing = platform.store.write().await?;
    let pool = pools::with_id(&mut writing, caller.org(), id).await?;
    let pool = pool.ok_or_else(missing)?;
    let now = Timestamp::now();
    for scan in pools::remove(&mut writing, caller.org(), id, now).await? {
        scans::end_with_last_job(&mut writing, caller.org(), scan, now).await?;
    }
    let object = format!("{id} {}", pool.name);
    note(&mut writing, caller, "pool.delete", &object, now).await?;
    writing.commit().await?;
    Ok(())
}

async fn note(
    writing: &mut Writing,
    caller: &Caller,
    action: &str,
    object: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    audit::record(writing, caller.org(), caller.actor(), action, object, now).await
}

fn ids((pool, appliance): &(String, String)) -> Result<(PoolId, ApplianceId), ApiError> {
    let bad = |error: &dyn std::fmt::Display| ApiError::BadRequest(format!("in the path: {error}"));
    Ok((
        pool.parse().map_err(|error| bad(&error))?,
        appliance.parse().map_err(|error| bad(&error))?,
    ))
}

fn missing() -> ApiError {
    ApiError::NotFound("pool of this id".to_owned())
}
