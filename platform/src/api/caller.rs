//! Who asks: a person by a session, or a tool by a token.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use vedette_protocol::{Digest, OrgId, Timestamp};

use super::problem::ApiError;
use crate::{
    platform::{Platform, Shared},
    store::{audit::Actor, sessions, tokens},
    token::{Purpose, Token},
};

/// Who asks, and for which organisation. Only a valid secret makes one.
#[derive(Debug, Clone)]
pub struct Caller {
    org: OrgId,
    account: String,
    actor: Actor,
    session: Option<Digest>,
}

impl Caller {
    /// The organisation that it may act for.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// The account that it is, or that made its token.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Its name in the audit trail.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The session's hash, if it is one.
    pub fn session(&self) -> Option<Digest> {
        self.session
    }

    /// Who holds a session's secret.
    ///
    /// # Errors
    /// When the session is not valid any more.
    pub async fn of_session(platform: &Platform, secret: &Token) -> Result<Self, ApiError> {
        let hash = secret.hash();
        let mut reading = platform.store.read().await?;
        let owner = sessions::owner(&mut reading, hash, Timestamp::now())
            .await?
            .ok_or(ApiError::Unauthenticated)?;
        Ok(Self {
            org: owner.org,
            actor: Actor(owner.account.clone()),
            account: owner.account,
            session: Some(hash),
        })
    }

    async fn of_token(platform: &Platform, secret: &Token) -> Result<Self, ApiError> {
        let now = Timestamp::now();
        let mut reading = platform.store.read().await?;
        let owner = tokens::owner(&mut reading, secret.hash(), now)
            .await?
            .ok_or(ApiError::Unauthenticated)?;
        drop(reading);
        // Not each time: reading must not wait for the writer.
        if owner.used.is_none_or(|used| now.since(used) > USE_NOTED) {
            let mut writing = platform.store.write().await?;
            tokens::note_use(&mut writing, owner.org, owner.id, now).await?;
            writing.commit().await?;
        }
        Ok(Self {
            org: owner.org,
            account: owner.account,
            actor: Actor(format!("token {}", tokens::id_text(owner.id))),
            session: None,
        })
    }
}

impl FromRequestParts<Shared> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, platform: &Shared) -> Result<Self, ApiError> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let secret = header.and_then(|value| {
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        });
        let Some(secret) = secret else {
            return Err(ApiError::Unauthenticated);
        };
        if let Some(session) = Token::parse(Purpose::Session, secret) {
            return Self::of_session(platform, &session).await;
        }
        match Token::parse(Purpose::Api, secret) {
            Some(token) => Self::of_token(platform, &token).await,
            None => Err(ApiError::Unauthenticated),
        }
    }
}

/// How exactly the last use of a token is known.
const USE_NOTED: Duration = Duration::from_mins(1);
