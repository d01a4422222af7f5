//! Sessions: logins of people.

use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use vedette_protocol::api::{Login, Session};

use super::{
    body::Body,
    caller::Caller,
    problem::{ApiError, Refusals},
};
use crate::{listener::From, login, platform::Shared};

#[utoipa::path(
    post,
    path = "/api/v1/sessions",
    operation_id = "log_in", tag = "Sessions", summary = "Log in",
    request_body = Login,
    responses((status = 201, description = "A session", body = Session), Refusals),
)]
pub(super) async fn create(
    State(platform): State<Shared>,
    Extension(From(from)): Extension<From>,
    Body(login): Body<Login>,
) -> Result<(StatusCode, Json<Session>), ApiError> {
    let begun = login::log_in(&platform, login, from.ip()).await?;
    Ok((
        StatusCode::CREATED,
        Json(Session {
            account: begun.account,
            token: begun.secret.expose().to_owned(),
            expires: begun.expires,
        }),
    ))
}

#[utoipa::path(
    delete,
    path = "/api/v1/sessions",
    operation_id = "log_out", tag = "Sessions", summary = "Log out",
    security(("bearer" = [])),
    responses((status = 204, description = "The session has ended"), Refusals),
)]
pub(super) async fn end(State(platform): State<Shared>, caller: Caller) -> Result<StatusCode, ApiError> {
    login::log_out(&platform, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
