//! Tokens: for tools, and for activating appliances.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use vedette_protocol::{
    Timestamp,
    api::{CreatedToken, NewToken, Page, Token, TokenKind},
};

use super::{
    body::{Body, Id},
    caller::Caller,
    problem::{ApiError, Refusals},
};
use crate::{
    platform::{Platform, Shared},
    store::{audit, tokens},
    token::{self, Purpose},
};

/// The longest name, in characters.
const NAME_LIMIT: usize = 128;

#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    operation_id = "list_tokens", tag = "Tokens", summary = "List tokens",
    security(("bearer" = [])),
    responses((status = 200, description = "All tokens", body = Page<Token>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
) -> Result<Json<Page<Token>>, ApiError> {
    let mut reading = platform.store.read().await?;
    let items = tokens::list(&mut reading, caller.org()).await?;
    Ok(Json(Page { items, next: None }))
}

#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    operation_id = "create_token", tag = "Tokens", summary = "Make a token",
    request_body = NewToken,
    security(("bearer" = [])),
    responses((status = 201, description = "The token, with its secret", body = CreatedToken), Refusals),
)]
pub(super) async fn create(
    State(platform): State<Shared>,
    caller: Caller,
    Body(asked): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    Ok((StatusCode::CREATED, Json(make(&platform, &caller, &asked).await?)))
}

#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    operation_id = "delete_token", tag = "Tokens", summary = "Delete a token",
    params(("id" = String, Path, description = "The token's id")),
    security(("bearer" = [])),
    responses((status = 204, description = "It is deleted"), Refusals),
)]
pub(super) async fn delete(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<vedette_protocol::KeyId>,
) -> Result<StatusCode, ApiError> {
    let mut writing = platform.store.write().await?;
    if tokens::delete(&mut writing, caller.org(), id.0).await?.is_none() {
        return Err(ApiError::NotFound("token of this id".to_owned()));
    }
    let now = Timestamp::now();
    audit::record(
        &mut writing,
        caller.org(),
        caller.actor(),
        "token.delete",
        &id.to_string(),
        now,
    )
    .await?;
    writing.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a token.
pub(crate) async fn make(
    platform: &Platform,
    caller: &Caller,
    asked: &NewToken,
) -> Result<CreatedToken, ApiError> {
    let name = name("name", &asked.name)?;
    let longest = asked.kind.longest_validity();
    let validity = match asked.valid_for {
        Some(0) => None,
        Some(seconds) => Some(Duration::from_secs(seconds)).filter(|asked_for| *asked_for <= longest),
        None => Some(asked.kind.usual_validity()),
    };
    let Some(validity) = validity else {
        return Err(ApiError::BadRequest(format!(
            "`valid_for` must be 1 to {} seconds for this kind, which are {} days, or left away",
            longest.as_secs(),
            longest.as_secs() / 86_400
        )));
    };
    let secret = token::Token::random(match asked.kind {
        TokenKind::Api => Purpose::Api,
        TokenKind::Activation => Purpose::Activation,
    });
    let now = Timestamp::now();
    let new = tokens::NewToken {
        org: caller.org(),
        name,
        kind: asked.kind,
        hash: secret.hash(),
        account: caller.account(),
        expires: now.after(validity),
    };
    let mut writing = platform.store.write().await?;
    let token = tokens::insert(&mut writing, &new, now).await?;
    audit::record(
        &mut writing,
        caller.org(),
        caller.actor(),
        "token.create",
        &token.id,
        now,
    )
    .await?;
    writing.commit().await?;
    let secret = secret.expose().to_owned();
    Ok(CreatedToken { token, secret })
}

/// Takes a name that people give to something.
pub(super) fn name<'a>(field: &str, text: &'a str) -> Result<&'a str, ApiError> {
    let name = text.trim();
    let length = name.chars().count();
    if length == 0 || length > NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(ApiError::BadRequest(format!(
            "`{field}` must be 1 to {NAME_LIMIT} characters, none of them a control character"
        )));
    }
    Ok(name)
}
