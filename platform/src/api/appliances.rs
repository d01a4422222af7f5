//! Appliances: list, show, activate by code, remove.

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    ApplianceId, Timestamp,
    api::{ActivateCode, Appliance, ApplianceState, Page, RemovalReceipt},
    link::CODE_ALPHABET,
};

use super::{
    body::{Body, Id},
    caller::Caller,
    problem::{ApiError, Refusals},
    tokens,
};
use crate::{
    desk,
    link::{self, NewIdentity},
    login::Guesser,
    platform::{Platform, Shared},
    removal,
    store::{
        appliances,
        codes::{self, Taken},
    },
};

#[utoipa::path(
    get,
    path = "/api/v1/appliances",
    operation_id = "list_appliances", tag = "Appliances", summary = "List appliances",
    security(("bearer" = [])),
    responses((status = 200, description = "All appliances", body = Page<Appliance>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
) -> Result<Json<Page<Appliance>>, ApiError> {
    let items = all(&platform, &caller).await?;
    Ok(Json(Page { items, next: None }))
}

#[utoipa::path(
    get,
    path = "/api/v1/appliances/{id}",
    operation_id = "show_appliance", tag = "Appliances", summary = "Show an appliance",
    params(("id" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The appliance", body = Appliance), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ApplianceId>,
) -> Result<Json<Appliance>, ApiError> {
    Ok(Json(one(&platform, &caller, id).await?))
}

#[utoipa::path(
    post,
    path = "/api/v1/appliances/activate",
    operation_id = "activate_appliance", tag = "Appliances", summary = "Approve the code on an appliance's console",
    request_body = ActivateCode,
    security(("bearer" = [])),
    responses((status = 201, description = "The appliance", body = Appliance), Refusals),
)]
pub(super) async fn activate(
    State(platform): State<Shared>,
    caller: Caller,
    Body(asked): Body<ActivateCode>,
) -> Result<(StatusCode, Json<Appliance>), ApiError> {
    let id = approve(&platform, &caller, &asked).await?;
    Ok((StatusCode::CREATED, Json(one(&platform, &caller, id).await?)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/appliances/{id}",
    operation_id = "remove_appliance", tag = "Appliances", summary = "Remove an appliance and destroy its key share",
    params(("id" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The signed receipt", body = RemovalReceipt), Refusals),
)]
pub(super) async fn remove(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ApplianceId>,
) -> Result<Json<RemovalReceipt>, ApiError> {
    let receipt = removal::remove(&platform, caller.org(), id, caller.actor(), Timestamp::now()).await?;
    Ok(Json(receipt))
}

/// All appliances of the caller's organisation.
pub(crate) async fn all(platform: &Platform, caller: &Caller) -> Result<Vec<Appliance>, ApiError> {
    let mut reading = platform.store.read().await?;
    let kept = appliances::list(&mut reading, caller.org()).await?;
    let now = Timestamp::now();
    Ok(kept
        .iter()
        .map(|appliance| present(platform, appliance, now))
        .collect())
}

/// One of them.
pub(crate) async fn one(
    platform: &Platform,
    caller: &Caller,
    id: ApplianceId,
) -> Result<Appliance, ApiError> {
    let kept = kept(platform, caller, id).await?;
    Ok(present(platform, &kept, Timestamp::now()))
}

/// One of them, as it is kept.
pub(super) async fn kept(
    platform: &Platform,
    caller: &Caller,
    id: ApplianceId,
) -> Result<appliances::Appliance, ApiError> {
    let mut reading = platform.store.read().await?;
    let kept = appliances::in_org(&mut reading, caller.org(), id).await?;
    kept.ok_or_else(|| ApiError::NotFound("appliance of this id".to_owned()))
}

/// Approves the code that an appliance's console shows.
pub(crate) async fn approve(
    platform: &Platform,
    caller: &Caller,
    asked: &ActivateCode,
) -> Result<ApplianceId, ApiError> {
    let name = asked
        .name
        .as_deref()
        .map(|name| tokens::name("name", name))
        .transpose()?;
    let Some(code) = link::parse_code(&asked.code) else {
        return Err(ApiError::BadRequest(format!(
            "`code` must be the eight letters on the appliance's console, out of {}",
            String::from_utf8_lossy(CODE_ALPHABET)
        )));
    };
    // Codes can be guessed: slowly.
    let guesser = Guesser::Code(caller.account().to_owned());
    if let Some(wait) = platform.logins.wait(&guesser, std::time::Instant::now()) {
        return Err(ApiError::TooMany(wait));
    }
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    let waiting = match codes::take(&mut writing, &code, now).await? {
        Taken::Now(waiting) => waiting,
        useless @ (Taken::Before(_) | Taken::Expired(_) | Taken::Unknown) => {
            platform.logins.fail(guesser, std::time::Instant::now());
            return Err(refused(&useless));
        }
    };
    let identity = NewIdentity {
        org: caller.org(),
        key: waiting.identity,
        image: waiting.image,
        token: None,
        name: name.map(str::to_owned),
    };
    let id = link::enrol(platform, &mut writing, &identity, caller.actor(), now).await?;
    writing.commit().await?;
    platform.logins.succeed(&guesser);
    Ok(id)
}

fn refused(code: &Taken) -> ApiError {
    match code {
        Taken::Before(at) => ApiError::Conflict(format!(
            "`code` was used already, at {at}: the list of appliances has what was activated by it. An appliance that \
             still waits shows another code on its console"
        )),
        Taken::Expired(at) => ApiError::Conflict(format!(
            "`code` has expired, at {at}: the appliance's console shows another by now, type that one"
        )),
        Taken::Now(_) | Taken::Unknown => ApiError::NotFound(
            "appliance that waits under this code: compare it with the appliance's console letter by letter"
                .to_owned(),
        ),
    }
}

fn present(platform: &Platform, kept: &appliances::Appliance, now: Timestamp) -> Appliance {
    let seen = kept.seen.max(platform.desks.seen(kept.id));
    let absence = desk::absence(platform.desks.present());
    let state = if kept.removed.is_some() {
        ApplianceState::Removed
    } else if kept.boots == 0 {
        ApplianceState::Activated
    } else if seen.is_some_and(|seen| now.since(seen) < absence) {
        ApplianceState::Online
    } else {
        ApplianceState::Offline
    };
    Appliance {
        id: kept.id,
        name: kept.name.clone(),
        state,
        fingerprint: kept.identity.fingerprint(),
        activated: kept.activated,
        seen,
        boots: kept.boots,
        image: Some(kept.image.to_string()),
        clone_alarm: kept.clone_alarm,
        owner: kept.owner.map(|owner| owner.fingerprint()),
        keys_alarm: kept.keys_alarm,
    }
}
