//! Credentials: sealed on the operator's equipment, carried to the appliances that can open them. Each version is PUT
//! under the credential's own id, so that sending it again changes nothing.

mod sealing;

pub(crate) use sealing::header;

use sealing::Unreadable;

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    CredentialId, Envelope, Timestamp,
    api::{CredentialChange, KeptCredential, NewCredential, Page},
    credential::{Header, Trust},
    envelope::{Sealing, Unsigned},
};

use super::{
    body::{Asked, Body, Id},
    caller::Caller,
    cursor::{self, PageQuery},
    encoded,
    etag::{ETag, IfMatch},
    problem::{ApiError, Refusals},
    tokens,
};
use crate::{
    platform::{Platform, Shared},
    store::{
        Writing, audit,
        credentials::{self, Credential},
        jobs, orgs,
    },
};

#[utoipa::path(
    get,
    path = "/api/v1/credentials",
    operation_id = "list_credentials", tag = "Owner", summary = "List credentials, by label",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of credentials", body = Page<KeptCredential>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<PageQuery>,
) -> Result<Json<Page<KeptCredential>>, ApiError> {
    Ok(Json(page(&platform, &caller, asked).await?))
}

#[utoipa::path(
    get,
    path = "/api/v1/credentials/{id}",
    operation_id = "show_credential", tag = "Owner", summary = "Show a credential, sealed as it is",
    params(("id" = CredentialId, Path, description = "The credential's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The credential, with an ETag", body = KeptCredential), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<CredentialId>,
) -> Result<(ETag, Json<KeptCredential>), ApiError> {
    let mut reading = platform.store.read().await?;
    let kept = credentials::with_id(&mut reading, caller.org(), id).await?;
    answer(kept.as_ref())
}

#[utoipa::path(
    put,
    path = "/api/v1/credentials/{id}",
    operation_id = "put_credential", tag = "Owner", summary = "Keep a credential, or a new version of it",
    params(("id" = CredentialId, Path, description = "The credential's id"), ("If-Match" = Option<String>, Header, description = "Only if this ETag is there")),
    request_body = NewCredential,
    security(("bearer" = [])),
    responses((status = 200, description = "The credential", body = KeptCredential), (status = 201, description = "The credential, new", body = KeptCredential), Refusals),
)]
pub(super) async fn put(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<CredentialId>,
    only: IfMatch,
    Body(asked): Body<NewCredential>,
) -> Result<(StatusCode, ETag, Json<KeptCredential>), ApiError> {
    let kept = take_in(&platform, &caller, id, &only, &asked).await?;
    let (etag, shown) = answer(Some(&kept.credential))?;
    Ok((kept.status, etag, shown))
}

#[utoipa::path(
    patch,
    path = "/api/v1/credentials/{id}",
    operation_id = "change_credential", tag = "Owner", summary = "Label a credential, or keep it from use",
    params(("id" = CredentialId, Path, description = "The credential's id"), ("If-Match" = Option<String>, Header, description = "Only if this ETag is there")),
    request_body = CredentialChange,
    security(("bearer" = [])),
    responses((status = 200, description = "The credential", body = KeptCredential), Refusals),
)]
pub(super) async fn change(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<CredentialId>,
    only: IfMatch,
    Body(asked): Body<CredentialChange>,
) -> Result<(ETag, Json<KeptCredential>), ApiError> {
    let changed = alter(&platform, &caller, id, &only, &asked).await?;
    answer(Some(&changed))
}

#[utoipa::path(
    delete,
    path = "/api/v1/credentials/{id}",
    operation_id = "delete_credential", tag = "Owner", summary = "Remove a credential",
    params(("id" = CredentialId, Path, description = "The credential's id"), ("If-Match" = Option<String>, Header, description = "Only if this ETag is there")),
    security(("bearer" = [])),
    responses((status = 204, description = "It is removed"), Refusals),
)]
pub(super) async fn delete(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<CredentialId>,
    only: IfMatch,
) -> Result<StatusCode, ApiError> {
    take_out(&platform, &caller, id, &only).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of the caller's credentials.
pub(crate) async fn page(
    platform: &Platform,
    caller: &Caller,
    asked: PageQuery,
) -> Result<Page<KeptCredential>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let behind = asked.cursor.as_deref().map(cursor::read).transpose()?;
    let mut reading = platform.store.read().await?;
    let mut kept = credentials::list(&mut reading, caller.org(), behind, limit + 1).await?;
    let more = kept.len() > limit as usize;
    kept.truncate(limit as usize);
    let next = kept
        .last()
        .filter(|_| more)
        .map(|last| cursor::write(&(&last.label, last.id)));
    let brief = |kept: &Credential| {
        Ok(KeptCredential {
            sealing: None,
            ..present(kept)?
        })
    };
    let items = kept.iter().map(brief).collect::<Result<_, ApiError>>()?;
    Ok(Page { items, next })
}

/// A credential of the caller's organisation.
pub(crate) async fn one(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
) -> Result<KeptCredential, ApiError> {
    let mut reading = platform.store.read().await?;
    present(&present_one(
        credentials::with_id(&mut reading, caller.org(), id).await?,
    )?)
}

/// Keeps what was sealed, whatever was there before.
pub(crate) async fn keep(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
    asked: &NewCredential,
) -> Result<(), ApiError> {
    take_in(platform, caller, id, &IfMatch::any(), asked)
        .await
        .map(drop)
}

/// Labels a credential, or keeps it from use.
pub(crate) async fn change_any(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
    asked: &CredentialChange,
) -> Result<(), ApiError> {
    alter(platform, caller, id, &IfMatch::any(), asked)
        .await
        .map(drop)
}

/// Removes a credential.
pub(crate) async fn remove(platform: &Platform, caller: &Caller, id: CredentialId) -> Result<(), ApiError> {
    take_out(platform, caller, id, &IfMatch::any()).await
}

async fn take_in(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
    only: &IfMatch,
    asked: &NewCredential,
) -> Result<Followed, ApiError> {
    let sealing = sealing::of(asked)?;
    let header = header(&sealing).map_err(|why| match why {
        Unreadable::Envelope(refusal) => {
            ApiError::BadRequest(format!("{refusal}: seal it again with this version of `vedette`"))
        }
        Unreadable::Signed(_) => ApiError::BadRequest("`sealing` holds no envelope".to_owned()),
    })?;
    if header.credential != id {
        return Err(ApiError::BadRequest(format!(
            "the envelope holds the credential {}, not the one in the path",
            header.credential
        )));
    }
    if header.org != caller.org() {
        return Err(ApiError::BadRequest(
            "the envelope is for another organisation's appliances".to_owned(),
        ));
    }
    let now = Timestamp::now();
    let mut writing = platform.store.write().await?;
    if matches!(sealing, Sealing::Unsigned(_)) {
        let settings = orgs::settings(&mut writing, caller.org()).await?;
        if settings.owner_signed_credentials_only {
            return Err(ApiError::Conflict(
                "this organisation takes only credentials that its owner key has signed: seal it with `vedette \
                 credential seal`"
                    .to_owned(),
            ));
        }
    }
    let before = credentials::with_id(&mut writing, caller.org(), id).await?;
    only.check(before.as_ref().and_then(etag).as_ref())?;
    let new = follow(before, sealing, &header, asked, now)?;
    credentials::keep(&mut writing, caller.org(), &new.credential).await?;
    record(&mut writing, caller, "credential.put", &new.credential, now).await?;
    // It may be sealed to more appliances of a pool than before.
    jobs::look_again(&mut writing, caller.org()).await?;
    writing.commit().await?;
    platform.desks.ring_all_of(caller.org());
    Ok(new)
}

async fn take_out(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
    only: &IfMatch,
) -> Result<(), ApiError> {
    let mut writing = platform.store.write().await?;
    let before = present_one(credentials::with_id(&mut writing, caller.org(), id).await?)?;
    only.check(etag(&before).as_ref())?;
    let removed = Credential {
        sealing: None,
        label: String::new(),
        ..before
    };
    credentials::keep(&mut writing, caller.org(), &removed).await?;
    record(
        &mut writing,
        caller,
        "credential.delete",
        &removed,
        Timestamp::now(),
    )
    .await?;
    writing.commit().await?;
    Ok(())
}

async fn alter(
    platform: &Platform,
    caller: &Caller,
    id: CredentialId,
    only: &IfMatch,
    asked: &CredentialChange,
) -> Result<Credential, ApiError> {
    let mut writing = platform.store.write().await?;
    let before = present_one(credentials::with_id(&mut writing, caller.org(), id).await?)?;
    only.check(etag(&before).as_ref())?;
    let changed = Credential {
        label: label(asked.label.as_deref(), &before.label)?,
        disabled: asked.disabled.unwrap_or(before.disabled),
        ..before
    };
    credentials::keep(&mut writing, caller.org(), &changed).await?;
    let action = match asked.disabled {
        Some(true) => "credential.disable",
        Some(false) => "credential.enable",
        None => "credential.label",
    };
    record(&mut writing, caller, action, &changed, Timestamp::now()).await?;
    writing.commit().await?;
    Ok(changed)
}

struct Followed {
    status: StatusCode,
    credential: Credential,
}

/// The envelope, whoever signed it.
fn enclosed(sealing: &Sealing) -> Option<Envelope> {
    sealing.envelope(None, Unsigned::Accepted).ok()
}

/// What comes behind a version: the next one, or the same again.
fn follow(
    before: Option<Credential>,
    sealing: Sealing,
    header: &Header,
    asked: &NewCredential,
    now: Timestamp,
) -> Result<Followed, ApiError> {
    let (mut status, mut old_label, mut disabled, mut at) = (StatusCode::CREATED, String::new(), false, now);
    if let Some(before) = before {
        if before.sealing.is_some() {
            (status, old_label, disabled) = (StatusCode::OK, before.label, before.disabled);
        }
        let owned = matches!(sealing, Sealing::Owned(_));
        let same = |kept: &Sealing| owned && enclosed(kept) == enclosed(&sealing);
        if before.sealing.as_ref() == Some(&sealing) {
            at = before.at;
        } else if header.version == before.version && before.sealing.as_ref().is_some_and(same) {
            // The same envelope, signed by the owner's next key.
        } else if header.version <= before.version {
            return Err(ApiError::Conflict(format!(
                "version {} of this credential was kept already: seal version {}",
                before.version,
                before.version.saturating_add(1)
            )));
        }
    }
    let credential = Credential {
        id: header.credential,
        version: header.version,
        label: label(asked.label.as_deref(), &old_label)?,
        disabled: asked.disabled.unwrap_or(disabled),
        at,
        sealing: Some(sealing),
    };
    Ok(Followed { status, credential })
}

fn label(asked: Option<&str>, before: &str) -> Result<String, ApiError> {
    match asked {
        None => Ok(before.to_owned()),
        Some(label) if label.trim().is_empty() => Ok(String::new()),
        Some(label) => Ok(tokens::name("label", label)?.to_owned()),
    }
}

async fn record(
    writing: &mut Writing,
    caller: &Caller,
    action: &str,
    credential: &Credential,
    now: Timestamp,
) -> Result<(), ApiError> {
    let object = format!("{} version {}", credential.id, credential.version);
    audit::record(writing, caller.org(), caller.actor(), action, &object, now).await?;
    Ok(())
}

fn present_one(kept: Option<Credential>) -> Result<Credential, ApiError> {
    kept.filter(|kept| kept.sealing.is_some())
        .ok_or_else(|| ApiError::NotFound("credential of this id".to_owned()))
}

fn answer(kept: Option<&Credential>) -> Result<(ETag, Json<KeptCredential>), ApiError> {
    let missing = || ApiError::NotFound("credential of this id".to_owned());
    let kept = kept.ok_or_else(missing)?;
    let etag = etag(kept).ok_or_else(missing)?;
    Ok((etag, Json(present(kept)?)))
}

fn etag(kept: &Credential) -> Option<ETag> {
    let sealing = kept.sealing.as_ref()?;
    Some(ETag::of(&(sealing, &kept.label, kept.disabled)))
}

fn present(kept: &Credential) -> Result<KeptCredential, ApiError> {
    let sealing = kept
        .sealing
        .as_ref()
        .ok_or_else(|| ApiError::NotFound("credential of this id".to_owned()))?;
    let header = header(sealing).map_err(|error| ApiError::Internal(Box::new(error)))?;
    let trusted = |trust: Trust| header.places.iter().any(|place| place.trust == trust);
    Ok(KeptCredential {
        id: kept.id,
        version: kept.version,
        kind: header.kind,
        label: kept.label.clone(),
        disabled: kept.disabled,
        first_seen: trusted(Trust::FirstSeen),
        cleartext: trusted(Trust::Cleartext),
        places: header.places,
        appliances: header.appliances,
        key: match sealing {
            Sealing::Owned(signed) => Some(signed.key()),
            Sealing::Unsigned(_) => None,
        },
        kept: kept.at,
        sealing: Some(encoded::write(sealing)),
    })
}
