//! Where a web server is shut to strangers, and whether it has opened. Pure.

use url::Url;
use vedette_protocol::{
    credential::{CredentialKind, SecretText},
    finding::LoginOutcome,
};

use crate::web::{
    credential::{FormLogin, Secret},
    html::{self, Element},
    page::Page,
    request::{Body, Request},
    response::Response,
    site::Site,
};

/// A place that a stranger is kept out of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Door {
    /// It wants to see something in a header field.
    Field(Url),
    /// It wants a form filled in.
    Form(Box<Form>),
}

/// A form that asks for a user and one password.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    /// The page that it stands on.
    pub(super) page: Url,
    request: Request,
    user: String,
    password: String,
}

impl Form {
    /// How it is filled in whenever it has to be.
    pub(super) fn login(&self, user: String, password: &SecretText) -> FormLogin {
        FormLogin {
            page: self.page.to_string(),
            fields: vec![
                (self.user.clone(), Secret::new(user.into())),
                (
                    self.password.clone(),
                    Secret::new(password.with(str::to_owned).into()),
                ),
            ],
        }
    }

    /// The request that sends it.
    pub(super) fn filled_in(&self, user: &str, password: &str) -> Request {
        let mut request = self.request.clone();
        if let Body::Form(pairs) = &mut request.body {
            for (name, value) in pairs {
                if *name == self.user {
                    user.clone_into(value);
                } else if *name == self.password {
                    password.clone_into(value);
                }
            }
        }
        request
    }
}

impl Door {
    /// The door that a response to a stranger's request for `url` is, to which a credential of this kind is the key.
    /// `from` is where a redirect to that place came from.
    pub(super) fn of(
        kind: CredentialKind,
        site: &Site,
        url: &Url,
        from: Option<&Url>,
        response: &Response,
    ) -> Option<Self> {
        let challenges = || response.all("www-authenticate");
        let asks_for = |scheme: &str| {
            challenges().any(|challenge| {
                let named = challenge.split([' ', ',']).next().unwrap_or_default();
                named.eq_ignore_ascii_case(scheme)
            })
        };
        match kind {
            CredentialKind::HttpBasic if response.status == 401 && asks_for("basic") => {
                Some(Self::Field(url.clone()))
            }
            // A server that asks for a password is not shown a token.
            CredentialKind::Bearer
                if is_denied(response) && (asks_for("bearer") || challenges().count() == 0) =>
            {
                Some(Self::Field(url.clone()))
            }
            CredentialKind::Cookie if is_shut(site, url, response) && challenges().count() == 0 => {
                Some(Self::Field(from.unwrap_or(url).clone()))
            }
            // nginx says that a certificate is missing by 400.
            CredentialKind::ClientCertificate if is_uncertified(response) && challenges().count() == 0 => {
                Some(Self::Field(url.clone()))
            }
            CredentialKind::Form => form(site, url, response).map(Box::new).map(Self::Form),
            _ => None,
        }
    }
}

/// What a server meant that was shown something in a header field.
pub(super) fn judge_field(kind: CredentialKind, site: &Site, url: &Url, response: &Response) -> LoginOutcome {
    let opened = match kind {
        // Who is not known is led to where one logs in.
        CredentialKind::Cookie => response.status < 300 && !is_shut(site, url, response),
        _ => !is_denied(response),
    };
    match response.status {
        500.. => LoginOutcome::NoAnswer,
        _ if opened => LoginOutcome::Accepted,
        _ => LoginOutcome::WrongCredential,
    }
}

/// What a server meant that was shown a certificate.
pub(super) fn judge_certificate(response: &Response) -> LoginOutcome {
    match response.status {
        500.. => LoginOutcome::NoAnswer,
        _ if is_uncertified(response) => LoginOutcome::WrongCredential,
        _ => LoginOutcome::Accepted,
    }
}

/// What a server meant that was sent a form: its answer to the form, and the page on which that ended. A page that
/// merely says no is told from one that lets in by its leading nowhere and beginning no session.
pub(super) fn judge_form(
    site: &Site,
    answer: &Response,
    session: Session,
    last: &Url,
    end: &Response,
) -> LoginOutcome {
    let led_on = (300..400).contains(&answer.status);
    match end.status {
        500.. => LoginOutcome::NoAnswer,
        400.. => LoginOutcome::WrongCredential,
        _ if is_shut(site, last, end) => LoginOutcome::WrongCredential,
        _ if led_on || session == Session::Changed => LoginOutcome::Accepted,
        _ => LoginOutcome::WrongCredential,
    }
}

/// What became of the cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// They are others, or more.
    Changed,
    /// They are the same.
    Same,
}

fn is_denied(response: &Response) -> bool {
    matches!(response.status, 401 | 403)
}

fn is_uncertified(response: &Response) -> bool {
    response.status == 400 || is_denied(response)
}

fn is_shut(site: &Site, url: &Url, response: &Response) -> bool {
    is_denied(response) || Page::read(site, url, response).asks_for_password
}

/// The form with which one logs in; with two passwords one registers, and in an address a password is written down.
fn form(site: &Site, url: &Url, response: &Response) -> Option<Form> {
    if !response.is_page() {
        return None;
    }
    let document = html::parse(&response.body);
    let is = |element: &Element<'_>, kinds: &[&str]| {
        let kind = element.attribute("type").unwrap_or("text").to_ascii_lowercase();
        element.name() == "input" && kinds.contains(&kind.as_str())
    };
    let passwords: Vec<Element<'_>> = document
        .elements()
        .filter(|element| is(element, &["password"]))
        .collect();
    let leads = Page::read(site, url, response).leads;
    passwords.iter().find_map(|password| {
        let owner = password.within("form")?.id();
        let inside = |element: &Element<'_>| element.within("form").is_some_and(|form| form.id() == owner);
        if passwords.iter().filter(|other| inside(other)).count() != 1 {
            return None;
        }
        let user = document
            .elements()
            .filter(|element| element.id() < password.id() && inside(element))
            .filter(|element| is(element, &["text", "email", "tel"]))
            .filter_map(name)
            .last()?;
        let password = name(*password)?;
        let has = |pairs: &[(String, String)], name: &str| pairs.iter().any(|(found, _)| found == name);
        let request = leads.iter().map(|lead| &lead.request).find(
            |request| matches!(&request.body, Body::Form(pairs) if has(pairs, user) && has(pairs, password)),
        )?;
        Some(Form {
            page: url.clone(),
            request: request.clone(),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    })
}

fn name(element: Element<'_>) -> Option<&str> {
    element.attribute("name").filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
