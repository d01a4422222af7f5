//! `ETag` and `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1): who changes something can say which state of it was meant.

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderValue,
        header::{ETAG, IF_MATCH},
        request::Parts,
    },
    response::{IntoResponseParts, ResponseParts},
};
use serde::Serialize;
use vedette_protocol::{Digest, codec};

use super::problem::ApiError;

/// A state of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ETag(String);

impl ETag {
    /// The state that says all this.
    pub(super) fn of<T: Serialize>(state: &T) -> Self {
        let digest = Digest::of(&codec::encode(state)).to_string();
        Self(format!("\"{}\"", &digest[..32]))
    }
}

impl IntoResponseParts for ETag {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        // A quoted digest is a valid header value.
        if let Ok(value) = HeaderValue::from_str(&self.0) {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}

/// The states that a request is meant for; none given: any.
#[derive(Debug, Clone)]
pub(super) struct IfMatch(Option<String>);

impl IfMatch {
    /// Whatever is there is meant.
    pub(super) fn any() -> Self {
        Self(None)
    }

    /// Whether the state that is there, if any, is meant.
    pub(super) fn check(&self, there: Option<&ETag>) -> Result<(), ApiError> {
        let meant = match (&self.0, there) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(asked), Some(there)) => asked
                .split(',')
                .map(str::trim)
                .any(|one| one == "*" || one == there.0),
        };
        if meant { Ok(()) } else { Err(ApiError::Changed) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let asked = parts.headers.get(IF_MATCH).map(|value| value.to_str());
        asked
            .transpose()
            .map(|text| Self(text.map(str::to_owned)))
            .map_err(|_| ApiError::BadRequest("the header `If-Match` must be ETags of answers".to_owned()))
    }
}
