//! Credentials: what is known of them while they are sealed, and whether they are used.

use std::collections::HashMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use vedette_protocol::{
    CredentialId, Fingerprint, Timestamp,
    api::{CredentialChange, KeptCredential, OrgSettingsChange},
    credential::{Place, Trust},
    grant::Envelopes,
};

use super::{
    grants::{listed, named, names},
    login::Nothing,
    page::{Frame, PageError, moment, shown},
    visitor::{Posted, Visitor},
};
use crate::{
    api::{ApiError, appliances, credentials, cursor::PageQuery, grants, settings},
    platform::{Platform, Shared},
};

#[derive(Template)]
#[template(path = "credentials.html")]
struct ListPage {
    frame: Frame,
    credentials: Vec<Row>,
    next: Option<String>,
    /// Whether the platform takes those alone that the owner key has signed.
    owned_only: bool,
    /// The grants in force that have appliances open others too.
    open_grants: Vec<String>,
}

struct Row {
    id: String,
    label: String,
    kind: &'static str,
    places: String,
    appliances: String,
    version: u32,
    disabled: bool,
    first_seen: bool,
    cleartext: bool,
    unsigned: bool,
}

#[derive(Template)]
#[template(path = "credential.html")]
struct ShowPage {
    frame: Frame,
    row: Row,
    places: Vec<String>,
    key: Option<String>,
    kept: String,
}

#[derive(Deserialize)]
pub(super) struct WhoForm {
    who: Who,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Who {
    Owner,
    Anybody,
}

#[derive(Deserialize)]
pub(super) struct SwitchForm {
    to: Switched,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Switched {
    Enabled,
    Disabled,
}

pub(super) async fn list(
    State(platform): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<PageQuery>,
) -> Result<Response, PageError> {
    let all = appliances::all(&platform, &visitor.caller).await?;
    let names = names(&platform, &visitor.caller, &all).await?;
    let page = credentials::page(&platform, &visitor.caller, asked).await?;
    Ok(shown(&ListPage {
        frame: visitor.frame("credentials"),
        credentials: page.items.iter().map(|kept| row(kept, &names)).collect(),
        next: page.next.map(|cursor| format!("/credentials?cursor={cursor}")),
        owned_only: settings::current(&platform, &visitor.caller)
            .await?
            .owner_signed_credentials_only,
        open_grants: open_grants(&platform, &visitor).await?,
    }))
}

/// The grants in force under which an appliance opens what the owner key did not sign.
async fn open_grants(platform: &Platform, visitor: &Visitor) -> Result<Vec<String>, ApiError> {
    let now = Timestamp::now();
    let mut open = Vec::new();
    let mut cursor = None;
    loop {
        let asked = PageQuery { cursor, limit: None };
        let page = grants::page(platform, &visitor.caller, asked).await?;
        let accepting = page.items.iter();
        let accepting =
            accepting.filter(|grant| grant.envelopes == Envelopes::AlsoUnsigned && now < grant.until);
        open.extend(accepting.map(|grant| grant.id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            return Ok(open);
        }
    }
}

pub(super) async fn who_may_seal(
    State(platform): State<Shared>,
    Posted { visitor, form }: Posted<WhoForm>,
) -> Result<Response, PageError> {
    let asked = OrgSettingsChange {
        owner_signed_credentials_only: Some(form.who == Who::Owner),
    };
    settings::settle(&platform, &visitor.caller, asked).await?;
    Ok(Redirect::to("/credentials").into_response())
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let kept = credentials::one(&platform, &visitor.caller, parse(&id)?).await?;
    let all = appliances::all(&platform, &visitor.caller).await?;
    let names = names(&platform, &visitor.caller, &all).await?;
    Ok(shown(&ShowPage {
        frame: visitor.frame("credentials"),
        row: row(&kept, &names),
        places: kept.places.iter().map(place).collect(),
        key: kept.key.map(|key| key.to_string()),
        kept: moment(kept.kept),
    }))
}

pub(super) async fn switch(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted { visitor, form }: Posted<SwitchForm>,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let asked = CredentialChange {
        disabled: Some(form.to == Switched::Disabled),
        ..CredentialChange::default()
    };
    credentials::change_any(&platform, &visitor.caller, id, &asked).await?;
    Ok(Redirect::to(&format!("/credentials/{id}")).into_response())
}

pub(super) async fn remove(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted {
        visitor,
        form: Nothing {},
    }: Posted<Nothing>,
) -> Result<Response, PageError> {
    credentials::remove(&platform, &visitor.caller, parse(&id)?).await?;
    Ok(Redirect::to("/credentials").into_response())
}

pub(super) fn parse(id: &str) -> Result<CredentialId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::NotFound("credential of this id".to_owned()))
}

fn row(kept: &KeptCredential, names: &HashMap<Fingerprint, String>) -> Row {
    let at = |place: &Place| format!("{} port {}", place.host, place.port);
    Row {
        id: kept.id.to_string(),
        label: match kept.label.as_str() {
            "" => kept.id.to_string(),
            label => label.to_owned(),
        },
        kind: kept.kind.name(),
        places: listed(kept.places.iter().map(at)),
        appliances: named(&kept.appliances, names),
        version: kept.version,
        disabled: kept.disabled,
        first_seen: kept.first_seen,
        cleartext: kept.cleartext,
        unsigned: kept.key.is_none(),
    }
}

fn place(place: &Place) -> String {
    let trust = match place.trust {
        Trust::SshHostKey(key) => format!("known by its SSH host key {key}"),
        Trust::TlsSpki(key) => format!("known by its TLS key {key}"),
        Trust::FirstSeen => "known by the key that it shows first".to_owned(),
        Trust::Cleartext => "not known, and in clear on the way".to_owned(),
    };
    format!("{} port {}: {trust}", place.host, place.port)
}
