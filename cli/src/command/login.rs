//! Logging in and out.

use std::fs;
use std::io::{self, IsTerminal};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use vedette_protocol::api;
use zeroize::Zeroizing;

use super::{Outcome, Show};
use crate::arguments;
use crate::login::{Login, Token};
use crate::password;
use crate::platform::{ApiError, Platform};
use crate::table::Table;

pub(super) async fn log_in(asked: arguments::Login, show: Show) -> Result<Outcome> {
    let ca = fs::read_to_string(&asked.ca)
        .with_context(|| format!("reading the CA's certificate {}", asked.ca.display()))?;
    let platform = Platform::new(asked.url.clone(), &ca, None)
        .with_context(|| format!("trusting {}", asked.ca.display()))?;
    let password = match &asked.password_file {
        Some(file) => password::from_file(file)?,
        None => password::asked_for(
            &format!("Password of {}: ", asked.account),
            "--password-file FILE",
            password::LONGEST,
        )?,
    };
    let new_password = asked
        .new_password_file
        .as_deref()
        .map(password::from_file)
        .transpose()?;

    let session = match open(&platform, &asked.account, &password, new_password.as_ref()).await {
        Err(error) if new_password.is_none() && demands_a_new_password(&error) => {
            let chosen = choose_new_password(&asked).context(error)?;
            open(&platform, &asked.account, &password, Some(&chosen)).await?
        }
        session => session?,
    };
    let login = Login {
        url: asked.url,
        ca,
        token: Token::new(session.token),
    };
    let path = login.store()?;
    show.value(
        &json!({ "account": session.account, "url": login.url, "expires": session.expires }),
        || {
            let mut table = Table::record();
            table.row(["logged in as", &session.account]);
            table.row(["at", &login.url.to_string()]);
            table.row(["until", &session.expires.to_string()]);
            table.row(["kept in", &path.to_string_lossy()]);
            table
        },
    )?;
    Ok(Outcome::Done)
}

/// Ends the session at the platform too: a copy of the token, wherever it is, is worth nothing then.
pub(super) async fn log_out(show: Show) -> Result<Outcome> {
    let Some(Login { url, ca, token }) = Login::forget()? else {
        show.note("there was no login")?;
        return Ok(Outcome::Done);
    };
    match Platform::new(url, &ca, Some(token))?.delete("/sessions").await {
        Err(error)
            if !error
                .downcast_ref::<ApiError>()
                .is_some_and(|error| error.is("unauthenticated")) =>
        {
            Err(error.context("the login is forgotten here, but its token stays valid until it expires"))
        }
        _ => {
            show.note("logged out")?;
            Ok(Outcome::Done)
        }
    }
}

async fn open(
    platform: &Platform,
    account: &str,
    password: &Zeroizing<String>,
    new_password: Option<&Zeroizing<String>>,
) -> Result<api::Session> {
    let login = api::Login {
        account: account.to_owned(),
        password: password.to_string(),
        new_password: new_password.map(|password| password.to_string()),
    };
    platform
        .post("/sessions", &login)
        .await
        .with_context(|| format!("logging in as {account}"))
}

fn demands_a_new_password(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<ApiError>()
        .is_some_and(|error| error.is("password-change-required"))
}

fn choose_new_password(asked: &arguments::Login) -> Result<Zeroizing<String>> {
    // Who gives the password by file may be a script: it could not answer.
    ensure!(
        asked.password_file.is_none() || io::stdin().is_terminal(),
        "this password is good for one login, which must set a new one: add --new-password-file FILE"
    );
    let ask = |question| password::asked_for(question, "--new-password-file FILE", password::LONGEST);
    let first = ask("This password is good for one login. New password: ")?;
    let second = ask("The new password again: ")?;
    ensure!(
        first == second,
        "the two new passwords differ; nothing was changed, log in again"
    );
    Ok(first)
}
