//! Requests that may be sent again: with the header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07) a
//! POST creates once what it creates, and is answered alike each time. The answer is kept in the transaction of what it
//! tells, so there is none of a creation that did not happen. What is PUT under its own id needs no key.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use vedette_protocol::{Digest, Timestamp};

use super::{caller::Caller, problem::ApiError};
use crate::store::{
    Writing,
    repeated::{self, Answered, Sender},
};

const HEADER: &str = "idempotency-key";

/// The longest key.
const KEY_LIMIT: usize = 128;

/// The key that a request came with.
pub(super) struct Key(Option<String>);

/// A request under a key, so far not answered.
pub(super) struct Once<'a> {
    sender: Option<Sender<'a>>,
    request: Digest,
}

impl Key {
    /// Looks whether the request was answered before.
    pub(super) async fn look<'a, T: DeserializeOwned>(
        &'a self,
        writing: &mut Writing,
        caller: &'a Caller,
        (path, asked): (&str, &impl Serialize),
        now: Timestamp,
    ) -> Result<Look<'a, T>, ApiError> {
        let failed = |error: serde_json::Error| ApiError::Internal(Box::new(error));
        let request = Digest::of(&serde_json::to_vec(&(path, asked)).map_err(failed)?);
        let Some(key) = &self.0 else {
            let sender = None;
            return Ok(Look::New(Once { sender, request }));
        };
        let sender = Sender {
            org: caller.org(),
            account: caller.account(),
            key,
        };
        match repeated::find(writing, sender, now).await? {
            Some(before) if before.request == request => serde_json::from_str(&before.answer)
                .map(Look::Answered)
                .map_err(failed),
            Some(_) => Err(ApiError::KeyReused),
            None => Ok(Look::New(Once {
                sender: Some(sender),
                request,
            })),
        }
    }
}

/// What is known of a request.
pub(super) enum Look<'a, T> {
    /// It was answered so.
    Answered(T),
    /// It is new.
    New(Once<'a>),
}

impl Once<'_> {
    /// Keeps the answer.
    pub(super) async fn answered(
        self,
        writing: &mut Writing,
        answer: &impl Serialize,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(sender) = self.sender else {
            return Ok(());
        };
        let answer = serde_json::to_string(answer).map_err(|error| ApiError::Internal(Box::new(error)))?;
        let request = self.request;
        repeated::keep(writing, sender, &Answered { request, answer }, now).await?;
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut given = parts.headers.get_all(HEADER).iter();
        let Some(value) = given.next() else {
            return Ok(Self(None));
        };
        let key = value.to_str().ok().filter(|_| given.next().is_none());
        key.and_then(read).map(|key| Self(Some(key))).ok_or_else(|| {
            ApiError::BadRequest(format!(
                "the header `Idempotency-Key` must hold one key in quotes, of 1 to {KEY_LIMIT} letters, digits and \
                 `-._:`, as a UUID is"
            ))
        })
    }
}

/// A string of RFC 9651, or the same without its quotes, as many clients send it.
fn read(value: &str) -> Option<String> {
    let value = value.trim();
    let key = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    ((1..=KEY_LIMIT).contains(&key.len()) && key.bytes().all(fits)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_short_plain_string_with_or_without_quotes() {
        for (value, key) in [
            (
                "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
                Some("8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ),
            ("clients:7", Some("clients:7")),
            ("", None),
            ("\"\"", None),
            ("\"a", None),
            ("a b", None),
            ("\"a\";q=1", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(read(value).as_deref(), key, "{value}");
        }
        assert!(read(&"a".repeat(KEY_LIMIT)).is_some());
        assert!(read(&"a".repeat(KEY_LIMIT + 1)).is_none());
    }
}
