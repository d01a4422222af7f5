//! Grants: carried to appliances with the jobs that they allow. Each is PUT under its own id, so that sending it
//! again changes nothing.

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    Grant, GrantId, Signed, Timestamp,
    api::{KeptGrant, NewGrant, Page},
    grant::GRANT_LIST_LIMIT,
    signed::key_id,
    target::Target,
};

use super::{
    body::{Asked, Body, Id},
    caller::Caller,
    cursor::{self, PageQuery},
    encoded,
    etag::{ETag, IfMatch},
    problem::{ApiError, Refusals},
};
use crate::{
    platform::{Platform, Shared},
    store::{
        Reading, audit,
        grants::{self, GRANTS_LIMIT, Kept},
        jobs, owner,
    },
};

/// A grant is no longer than this, signed and encoded.
pub(crate) const GRANT_LIMIT: usize = 256 * 1024;

#[utoipa::path(
    get,
    path = "/api/v1/grants",
    operation_id = "list_grants", tag = "Owner", summary = "List grants, newest first",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of grants", body = Page<KeptGrant>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<Page<KeptGrant>>, ApiError> {
    Ok(Json(page(&platform, &caller, asked).await?))
}

#[utoipa::path(
    get,
    path = "/api/v1/grants/{id}",
    operation_id = "show_grant", tag = "Owner", summary = "Show a grant",
    params(("id" = GrantId, Path, description = "The grant's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The grant, with an ETag", body = KeptGrant), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<GrantId>,
) -> Result<(ETag, Json<KeptGrant>), ApiError> {
    let mut reading = platform.store.read().await?;
    let kept = find(&mut reading, &caller, id).await?;
    Ok((ETag::of(&kept.signed), Json(present(&kept)?)))
}

#[utoipa::path(
    put,
    path = "/api/v1/grants/{id}",
    operation_id = "put_grant", tag = "Owner", summary = "Have a grant carried, in the place of an older one of its id",
    params(("id" = GrantId, Path, description = "The grant's id"), ("If-Match" = Option<String>, Header, description = "Only if this ETag is there")),
    request_body = NewGrant,
    security(("bearer" = [])),
    responses((status = 200, description = "The grant", body = KeptGrant), (status = 201, description = "The grant, new", body = KeptGrant), Refusals),
)]
pub(super) async fn put(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<GrantId>,
    only: IfMatch,
    Body(asked): Body<NewGrant>,
) -> Result<(StatusCode, ETag, Json<KeptGrant>), ApiError> {
    let signed: Signed<Grant> = encoded::read("grant", &asked.grant, GRANT_LIMIT)?;
    // Shown and chosen from by what it says. The appliance believes its owner's signature, not us.
    let grant = signed
        .danger_read_unverified()
        .map_err(|_| ApiError::BadRequest("`grant` holds no grant of a version that is known".to_owned()))?;
    sound(&grant, id, &caller)?;
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    let known = owner::known_keys(&mut writing, caller.org()).await?;
    if let Some(key) = known.iter().find(|key| key_id(key) == signed.key())
        && signed.verify(key).is_err()
    {
        return Err(ApiError::BadRequest(
            "`grant` is not signed by the owner key that it names".to_owned(),
        ));
    }
    let before = grants::with_id(&mut writing, caller.org(), id).await?;
    only.check(before.as_ref().map(|before| ETag::of(&before.signed)).as_ref())?;
    let status = match &before {
        None if grants::count(&mut writing, caller.org()).await? >= GRANTS_LIMIT => {
            return Err(ApiError::Conflict(format!(
                "there are {GRANTS_LIMIT} grants: delete those that have expired"
            )));
        }
        None => StatusCode::CREATED,
        Some(before) => {
            let older = before.signed.danger_read_unverified().map_err(damaged)?;
            if (grant.epoch, grant.from) < (older.epoch, older.from) {
                return Err(ApiError::Conflict(format!(
                    "a later version of this grant is kept, of epoch {} and from {} on: give the new one another id",
                    older.epoch.0, older.from
                )));
            }
            StatusCode::OK
        }
    };
    if before.is_none_or(|before| before.signed != signed) {
        grants::keep(&mut writing, &grant, &signed, now).await?;
        jobs::look_again(&mut writing, caller.org()).await?;
        audit::record(
            &mut writing,
            caller.org(),
            caller.actor(),
            "grant.put",
            &id.to_string(),
            now,
        )
        .await?;
        writing.commit().await?;
        platform.desks.ring_all_of(caller.org());
    }
    let mut reading = platform.store.read().await?;
    let kept = find(&mut reading, &caller, id).await?;
    Ok((status, ETag::of(&kept.signed), Json(present(&kept)?)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/grants/{id}",
    operation_id = "delete_grant", tag = "Owner", summary = "Carry a grant no more; only a new epoch revokes it",
    params(("id" = GrantId, Path, description = "The grant's id"), ("If-Match" = Option<String>, Header, description = "Only if this ETag is there")),
    security(("bearer" = [])),
    responses((status = 204, description = "It is not carried any more"), Refusals),
)]
pub(super) async fn delete(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<GrantId>,
    only: IfMatch,
) -> Result<StatusCode, ApiError> {
    let mut writing = platform.store.write().await?;
    let before = grants::with_id(&mut writing, caller.org(), id).await?;
    let before = before.ok_or_else(missing)?;
    only.check(Some(&ETag::of(&before.signed)))?;
    grants::remove(&mut writing, caller.org(), id).await?;
    audit::record(
        &mut writing,
        caller.org(),
        caller.actor(),
        "grant.delete",
        &id.to_string(),
        Timestamp::now(),
    )
    .await?;
    writing.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of the caller's grants.
pub(crate) async fn page(
    platform: &Platform,
    caller: &Caller,
    asked: PageQuery,
) -> Result<Page<KeptGrant>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let behind = asked.cursor.as_deref().map(cursor::read).transpose()?;
    let mut reading = platform.store.read().await?;
    let mut kept = grants::list(&mut reading, caller.org(), behind, limit + 1).await?;
    let more = kept.len() > limit as usize;
    kept.truncate(limit as usize);
    let next = kept
        .last()
        .filter(|_| more)
        .map(|last| cursor::write(&(last.at.0, last.id)));
    let brief = |kept: &Kept| {
        Ok(KeptGrant {
            grant: None,
            ..present(kept)?
        })
    };
    let items = kept.iter().map(brief).collect::<Result<_, ApiError>>()?;
    Ok(Page { items, next })
}

/// A grant of the caller's organisation.
pub(crate) async fn one(platform: &Platform, caller: &Caller, id: GrantId) -> Result<KeptGrant, ApiError> {
    let mut reading = platform.store.read().await?;
    present(&find(&mut reading, caller, id).await?)
}

async fn find(reading: &mut Reading, caller: &Caller, id: GrantId) -> Result<Kept, ApiError> {
    grants::with_id(reading, caller.org(), id)
        .await?
        .ok_or_else(missing)
}

fn missing() -> ApiError {
    ApiError::NotFound("grant of this id".to_owned())
}

fn sound(grant: &Grant, id: GrantId, caller: &Caller) -> Result<(), ApiError> {
    let lists = [
        ("appliances", grant.appliances.len()),
        ("targets", grant.targets.len()),
        ("exclude", grant.exclude.len()),
        ("windows", grant.windows.len()),
        ("credentials", grant.credentials.len()),
    ];
    let wrong = if grant.id != id {
        format!("`grant` is named {}, not as in the path", grant.id)
    } else if grant.org != caller.org() {
        "`grant` is for another organisation's appliances".to_owned()
    } else if let Some((list, length)) = lists.iter().find(|(_, length)| *length > GRANT_LIST_LIMIT) {
        format!("`grant` names {length} {list}, more than {GRANT_LIST_LIMIT}: sign several")
    } else {
        return Ok(());
    };
    Err(ApiError::BadRequest(wrong))
}

fn present(kept: &Kept) -> Result<KeptGrant, ApiError> {
    // As above: shown as it says.
    let grant = kept.signed.danger_read_unverified().map_err(damaged)?;
    let targets = |spans: &[_]| spans.iter().copied().map(Target::Span).collect();
    Ok(KeptGrant {
        id: grant.id,
        key: kept.signed.key(),
        targets: targets(&grant.targets),
        exclude: targets(&grant.exclude),
        appliances: grant.appliances,
        epoch: grant.epoch.0,
        ports: grant.ports,
        checks: grant.checks.into(),
        rate: grant.rate,
        windows: grant.windows.iter().map(ToString::to_string).collect(),
        from: grant.from,
        until: grant.until,
        credentials: grant.credentials,
        envelopes: grant.envelopes,
        kept: kept.at,
        grant: Some(encoded::write(&kept.signed)),
    })
}

fn damaged(error: vedette_protocol::VerifyError) -> ApiError {
    ApiError::Internal(Box::new(error))
}
