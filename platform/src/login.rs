//! Logging in, for the API and the dashboard alike.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use vedette_protocol::{Timestamp, api::Login};

use crate::{
    api::{ApiError, Caller},
    first_login,
    origin::Origin,
    password::{Password, Verdict},
    platform::Platform,
    store::{
        accounts::{self, Change, Standing},
        audit::{self, Actor},
        sessions::{self, SessionOwner},
    },
    token::{Purpose, Token},
};

/// How long a session lasts.
const SESSION_TIME: Duration = Duration::from_hours(12);

/// The longest name of an account, in bytes.
const ACCOUNT_LIMIT: usize = 128;

/// A session that has begun.
pub struct Begun {
    /// Whose.
    pub account: String,
    /// Its secret.
    pub secret: Token,
    /// Until when it is valid.
    pub expires: Timestamp,
}

/// Whom failures count against. Not an account: then everybody could lock its owner out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Guesser {
    /// Who guesses passwords from there.
    Password(Origin),
    /// An account that guesses codes.
    Code(String),
}

/// Begins a session.
///
/// # Errors
/// When account and password do not belong together, a new password is needed or too weak, or somebody
/// has guessed too often.
pub async fn log_in(platform: &Platform, login: Login, from: IpAddr) -> Result<Begun, ApiError> {
    let Login {
        account: name,
        password,
        new_password,
    } = login;
    let password = Password::typed(password);
    let new_password = new_password.map(Password::typed);
    if name.len() > ACCOUNT_LIMIT {
        return Err(ApiError::WrongPassword);
    }
    let guesser = Guesser::Password(Origin::of(from));
    if let Some(wait) = platform.logins.wait(&guesser, Instant::now()) {
        return Err(ApiError::TooMany(wait));
    }

    let mut reading = platform.store.read().await?;
    let account = accounts::named(&mut reading, &name).await?;
    drop(reading);
    let hash = account.as_ref().map(|account| account.password.clone());
    let (password, verdict) = password.verify(hash).await;
    let (Some(account), Verdict::Right) = (account, verdict) else {
        tracing::info!(%from, "a login failed");
        platform.logins.fail(guesser, Instant::now());
        return Err(ApiError::WrongPassword);
    };
    platform.logins.succeed(&guesser);

    let new_hash = match new_password {
        Some(new) => Some(new.replacing(&password)?.hash().await),
        None if account.standing == Standing::FirstLogin => return Err(ApiError::PasswordChangeRequired),
        None => None,
    };
    let now = Timestamp::now();
    let actor = Actor(account.name.clone());
    let mut writing = platform.store.write().await?;
    if let Some(new) = &new_hash {
        if accounts::change_password(&mut writing, &account, new).await? == Change::Lost {
            return Err(ApiError::WrongPassword);
        }
        audit::record(
            &mut writing,
            account.org,
            &actor,
            "account.password",
            &account.name,
            now,
        )
        .await?;
    }
    let secret = Token::random(Purpose::Session);
    let owner = SessionOwner {
        org: account.org,
        account: account.name.clone(),
        expires: now.after(SESSION_TIME),
    };
    sessions::insert(&mut writing, &owner, secret.hash(), now).await?;
    audit::record(
        &mut writing,
        account.org,
        &actor,
        "session.begin",
        &account.name,
        now,
    )
    .await?;
    writing.commit().await?;
    if account.standing == Standing::FirstLogin
        && let Err(error) = first_login::forget(&platform.directory, &platform.store).await
    {
        // The login is made, and what the file says is worth nothing.
        tracing::error!(error = &error as &dyn std::error::Error, "a file is left over");
    }
    Ok(Begun {
        account: account.name,
        secret,
        expires: owner.expires,
    })
}

/// Ends the caller's session, if it came by one.
///
/// # Errors
/// The database's.
pub async fn log_out(platform: &Platform, caller: &Caller) -> Result<(), ApiError> {
    let Some(session) = caller.session() else {
        return Ok(());
    };
    let mut writing = platform.store.write().await?;
    sessions::end(&mut writing, session).await?;
    audit::record(
        &mut writing,
        caller.org(),
        caller.actor(),
        "session.end",
        caller.account(),
        Timestamp::now(),
    )
    .await?;
    Ok(writing.commit().await?)
}
