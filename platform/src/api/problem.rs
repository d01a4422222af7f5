//! Errors of the API as problems (RFC 9457): what was wrong, where, and what to do.

use std::time::Duration;

use axum::{
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use vedette_protocol::api::Problem;

use crate::{password::WeakPassword, removal::RemoveError, split::SplitError};

/// A request that is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request itself is wrong: which field, and what to write instead.
    #[error("{0}")]
    BadRequest(String),
    /// The body is of another type than JSON.
    #[error("send the body as JSON, with the header `Content-Type: application/json`")]
    NotJson,
    /// The body is too long.
    #[error("the body is longer than {0} bytes; split it into several requests")]
    TooLong(usize),
    /// No valid bearer secret.
    #[error(
        "send `Authorization: Bearer TOKEN` with a token of POST /api/v1/tokens or a session of POST /api/v1/sessions; \
         this one is missing, unknown, expired or deleted"
    )]
    Unauthenticated,
    /// Account and password do not belong together.
    #[error("account or password is wrong")]
    WrongPassword,
    /// The first login must set a password.
    #[error("this password is for the first login only: send `new_password` as well")]
    PasswordChangeRequired,
    /// The new password is not good enough.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// Too many attempts.
    #[error("too many attempts; try again in {} seconds", .0.as_secs())]
    TooMany(Duration),
    /// Who asks has too many connections.
    #[error("too many connections from your address: close some of them, then try again")]
    Crowded,
    /// The body took too long.
    #[error("the body took too long; send it again over a better connection")]
    TooSlow,
    /// There is nothing there.
    #[error("there is no {0}")]
    NotFound(String),
    /// What is there does not know this method.
    #[error("{0} is not known here; see the header `Allow`, or /docs/")]
    MethodNotAllowed(Method),
    /// It cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    /// The key of this request was another request's.
    #[error(
        "the `Idempotency-Key` came with another request within the last day: send the same again, or take a new key"
    )]
    KeyReused,
    /// It is not as the request expects it to be.
    #[error(
        "this was changed, made or removed meanwhile: read it again, and send `If-Match` with its new `ETag`"
    )]
    Changed,
    /// The platform failed.
    #[error("the platform failed; its journal says why")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ApiError {
    /// Status, name and title of the problem.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request", "The request is not valid"),
            Self::NotJson => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body is not JSON",
            ),
            Self::TooLong(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-long", "The body is too long"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "Not authenticated"),
            Self::WrongPassword => (StatusCode::UNAUTHORIZED, "wrong-password", "The login failed"),
            Self::PasswordChangeRequired => (
                StatusCode::FORBIDDEN,
                "password-change-required",
                "A new password is needed",
            ),
            Self::WeakPassword(_) => (
                StatusCode::BAD_REQUEST,
                "weak-password",
                "The new password is not good enough",
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-attempts",
                "Too many attempts",
            ),
            Self::Crowded => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-connections",
                "Too many connections",
            ),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The body took too long"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "Method not allowed",
            ),
            Self::Conflict(_) => (StatusCode::CONFLICT, "conflict", "Not possible as things stand"),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The key was another request's",
            ),
            Self::Changed => (
                StatusCode::PRECONDITION_FAILED,
                "changed",
                "It was changed meanwhile",
            ),
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The platform failed",
            ),
        }
    }

    /// The problem as JSON.
    pub fn problem(&self) -> Problem {
        let (status, name, title) = self.kind();
        Problem {
            type_: format!("/problems/{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
        }
    }

    /// Writes the cause to the journal, if it is ours.
    pub fn log(&self) {
        if let Self::Internal(cause) = self {
            tracing::error!(error = cause.as_ref(), "a request failed");
        }
    }
}

/// When it is worth asking again for who has too many connections, in seconds.
const CROWD_SECONDS: u16 = 10;

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.log();
        let (status, ..) = self.kind();
        let mut response = (status, axum::Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self {
            Self::TooMany(wait) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
            }
            Self::Crowded => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(CROWD_SECONDS));
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            // What is left of the body would be taken for the next request.
            Self::TooSlow => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::BadRequest(_)
            | Self::NotJson
            | Self::TooLong(_)
            | Self::WrongPassword
            | Self::PasswordChangeRequired
            | Self::WeakPassword(_)
            | Self::NotFound(_)
            | Self::MethodNotAllowed(_)
            | Self::Conflict(_)
            | Self::KeyReused
            | Self::Changed
            | Self::Internal(_) => {}
        }
        response
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<crate::link::EnrolError> for ApiError {
    fn from(error: crate::link::EnrolError) -> Self {
        Self::Internal(Box::new(error))
    }
}

impl From<RemoveError> for ApiError {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::Unknown => Self::NotFound("appliance of this id".to_owned()),
            RemoveError::Record(_) | RemoveError::Destroy(_) | RemoveError::Receipt(_) => {
                Self::Internal(Box::new(error))
            }
        }
    }
}

impl From<SplitError> for ApiError {
    fn from(error: SplitError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

/// How requests are refused, for the OpenAPI document.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "the variants are read by the derive only")]
pub(super) enum Refusals {
    /// The request is not valid: `detail` names the field and what to write instead.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// No valid bearer secret, or a wrong password.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// A new password is needed.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is nothing there.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// It cannot be done as things stand.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// It is not as `If-Match` says.
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(Problem),
    /// The body took too long.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(Problem),
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLong(Problem),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    NotJson(Problem),
    /// The `Idempotency-Key` was another request's.
    #[response(status = 422, content_type = "application/problem+json")]
    KeyReused(Problem),
    /// Too many attempts or connections: see the header `Retry-After`.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// The platform failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("{}; see /docs/ for what there is", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method) -> ApiError {
    ApiError::MethodNotAllowed(method)
}
