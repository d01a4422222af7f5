//! What comes in from people's tools: JSON bodies, query strings, path segments. Bounded, and refused
//! with the place and the cure.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::JsonRejection},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use crate::listener;

/// The longest body, in bytes: a list of 4,096 targets fits.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// A JSON body.
pub(super) struct Body<T>(pub T);

/// A query string.
pub(super) struct Asked<T>(pub T);

/// An id in the path.
pub(super) struct Id<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::NotJson),
            Err(error) if listener::is_too_slow(&error) => Err(ApiError::TooSlow),
            Err(JsonRejection::BytesRejection(_)) => Err(ApiError::TooLong(BODY_LIMIT)),
            Err(JsonRejection::JsonSyntaxError(error)) => Err(ApiError::BadRequest(format!(
                "the body is not valid JSON: {}",
                innermost(&error)
            ))),
            // The chain below axum's own text names the field and what it must hold.
            Err(JsonRejection::JsonDataError(error)) => Err(ApiError::BadRequest(format!(
                "the body does not fit: {}",
                innermost(&error)
            ))),
            Err(error) => Err(ApiError::BadRequest(error.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(ApiError::BadRequest(format!(
                "the query string does not fit: {}",
                innermost(&error)
            ))),
        }
    }
}

impl<S: Send + Sync, T: std::str::FromStr<Err: std::fmt::Display>> FromRequestParts<S> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Ok(Path(text)) = Path::<String>::from_request_parts(parts, state).await else {
            return Err(ApiError::BadRequest("the path is not valid UTF-8".to_owned()));
        };
        text.parse()
            .map(Self)
            .map_err(|error: T::Err| ApiError::BadRequest(format!("in the path: {error}")))
    }
}

/// The text of a chain of errors that says most: the last one, or the one around it when that says the
/// same behind the path to the field.
fn innermost(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    match error.source() {
        Some(source) if source.source().is_some() || !text.ends_with(&source.to_string()) => {
            innermost(source)
        }
        Some(_) | None => text,
    }
}
