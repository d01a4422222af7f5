//! Who visits the dashboard, and what was posted from it.

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderMap,
        header::{COOKIE, HOST, ORIGIN},
        request::Parts,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use subtle::ConstantTimeEq;

use super::page::{Frame, PageError};
use crate::{
    api::{ApiError, Caller},
    listener,
    platform::Shared,
    token::{Purpose, Token},
};

/// The session's cookie. The prefix has browsers insist on HTTPS, on `/`, and on this very host.
pub(super) const COOKIE_NAME: &str = "__Host-vedette";

/// A person with a valid session.
pub(super) struct Visitor {
    pub(super) caller: Caller,
    /// What a form of ours must bring.
    form_token: String,
}

/// A form that was posted from a page of ours by a person with a valid session.
pub(super) struct Posted<T> {
    pub(super) visitor: Visitor,
    pub(super) form: T,
}

/// A form that was posted from a page of ours by anybody.
pub(super) struct Handed<T>(pub(super) T);

impl Visitor {
    /// What the page's frame needs to know.
    pub(super) fn frame(&self, here: &'static str) -> Frame {
        Frame {
            account: Some(self.caller.account().to_owned()),
            form_token: self.form_token.clone(),
            here,
        }
    }
}

impl FromRequestParts<Shared> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, platform: &Shared) -> Result<Self, PageError> {
        let secret = cookie(&parts.headers).ok_or(ApiError::Unauthenticated)?;
        let caller = Caller::of_session(platform, &secret).await?;
        Ok(Self {
            caller,
            form_token: secret.form_token().to_string(),
        })
    }
}

impl<T: DeserializeOwned> FromRequest<Shared> for Posted<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, platform: &Shared) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, platform).await?;
        let request = Request::from_parts(parts, body);
        let Handed(Guarded { csrf, form }) = Handed::<Guarded<T>>::from_request(request, platform).await?;
        if bool::from(csrf.as_bytes().ct_eq(visitor.form_token.as_bytes())) {
            Ok(Self { visitor, form })
        } else {
            Err(stale())
        }
    }
}

#[derive(Deserialize)]
struct Guarded<T> {
    csrf: String,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned> FromRequest<Shared> for Handed<T> {
    type Rejection = PageError;

    async fn from_request(request: Request, platform: &Shared) -> Result<Self, PageError> {
        if !same_origin(
            request.headers(),
            request.uri().authority().map(|host| host.as_str()),
        ) {
            return Err(stale());
        }
        match Form::<T>::from_request(request, platform).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(error) if listener::is_too_slow(&error) => Err(ApiError::TooSlow.into()),
            Err(error) => Err(ApiError::BadRequest(error.body_text()).into()),
        }
    }
}

/// Whether a page of ours has sent this. Browsers name the origin with every POST.
fn same_origin(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let host = authority.or_else(|| headers.get(HOST)?.to_str().ok());
    match headers.get(ORIGIN) {
        None => true,
        Some(origin) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("https://"))
            .is_some_and(|origin| Some(origin) == host),
    }
}

fn stale() -> PageError {
    ApiError::BadRequest(
        "this form is from another login or another site; open the page anew and try again".to_owned(),
    )
    .into()
}

/// The session's secret, if the cookie holds one.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .and_then(|(_, secret)| Token::parse(Purpose::Session, secret))
}
