//! Logging in and out.

use askama::Template;
use axum::{
    extract::{Extension, State},
    http::{HeaderValue, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use vedette_protocol::{Timestamp, api::Login};

use super::{
    page::{Frame, PageError, shown},
    visitor::{COOKIE_NAME, Handed, Posted, Visitor},
};
use crate::{api::ApiError, listener::From, login, platform::Shared};

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    account: String,
    problem: Option<String>,
    new_password: bool,
}

#[derive(Deserialize)]
pub(super) struct LoginForm {
    account: String,
    password: String,
    #[serde(default)]
    new_password: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn show(visitor: Result<Visitor, PageError>) -> Response {
    match visitor {
        Ok(_) => Redirect::to("/appliances").into_response(),
        Err(_) => page(String::new(), None, false).into_response(),
    }
}

pub(super) async fn log_in(
    State(platform): State<Shared>,
    Extension(From(from)): Extension<From>,
    Handed(form): Handed<LoginForm>,
) -> Result<Response, PageError> {
    let account = form.account.clone();
    let asked_for_new = form.new_password.is_some();
    let login = Login {
        account: form.account,
        password: form.password,
        new_password: form.new_password.filter(|password| !password.is_empty()),
    };
    match login::log_in(&platform, login, from.ip()).await {
        Ok(begun) => {
            let age = begun.expires.since(Timestamp::now()).as_secs();
            let cookie = format!(
                "{COOKIE_NAME}={}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Strict",
                begun.secret.expose()
            );
            Ok(with_cookie("/appliances", &cookie))
        }
        Err(error) => {
            let status = match &error {
                ApiError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                ApiError::Internal(_) => return Err(error.into()),
                _ => StatusCode::UNAUTHORIZED,
            };
            let first = matches!(error, ApiError::PasswordChangeRequired);
            let text = if first {
                "This is the first login. Type the password once more, and choose a new one.".to_owned()
            } else {
                error.to_string()
            };
            Ok((status, page(account, Some(text), first || asked_for_new)).into_response())
        }
    }
}

pub(super) async fn log_out(
    State(platform): State<Shared>,
    Posted {
        visitor,
        form: Nothing {},
    }: Posted<Nothing>,
) -> Result<Response, PageError> {
    login::log_out(&platform, &visitor.caller).await?;
    let gone = format!("{COOKIE_NAME}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict");
    Ok(with_cookie("/login", &gone))
}

fn with_cookie(to: &str, cookie: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(SET_COOKIE, value);
    }
    response
}

fn page(account: String, problem: Option<String>, new_password: bool) -> Response {
    shown(&LoginPage {
        frame: Frame {
            account: None,
            form_token: String::new(),
            here: "",
        },
        account,
        problem,
        new_password,
    })
}
