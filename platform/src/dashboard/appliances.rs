//! Appliances: their state, activation, removal.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use vedette_protocol::{
    ApplianceId, Timestamp,
    api::{ActivateCode, Appliance, ApplianceState, KnownCopy, NewToken, RemovalReceipt, TokenKind},
    copy::{CopyState, Delivery},
};

use super::{
    login::Nothing,
    page::{Frame, PageError, ago, appliance_state, moment, shown},
    visitor::{Posted, Visitor},
};
use crate::{
    api::{ApiError, appliances, copy, tokens},
    platform::{Platform, Shared},
    removal,
};

#[derive(Template)]
#[template(path = "appliances.html")]
struct ListPage {
    frame: Frame,
    appliances: Vec<Row>,
    problem: Option<String>,
    code: String,
    name: String,
}

struct Row {
    id: String,
    name: String,
    state: &'static str,
    seen: String,
    boots: u64,
    owner: Option<String>,
    clone_alarm: bool,
    keys_alarm: bool,
}

#[derive(Template)]
#[template(path = "appliance.html")]
struct ShowPage {
    frame: Frame,
    row: Row,
    fingerprint: String,
    image: String,
    activated: String,
    clone_alarm: Option<String>,
    keys_alarm: Option<String>,
    copy: CopyRow,
}

/// The operator's copy.
struct CopyRow {
    ordered: Option<String>,
    said: String,
    alarm: bool,
}

#[derive(Template)]
#[template(path = "remove.html")]
struct RemovePage {
    frame: Frame,
    row: Row,
}

#[derive(Template)]
#[template(path = "removed.html")]
struct RemovedPage {
    frame: Frame,
    receipt: RemovalReceipt,
    destroyed: String,
    expired: String,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    secret: String,
    expires: String,
}

#[derive(Deserialize)]
pub(super) struct ActivateForm {
    code: String,
    #[serde(default)]
    name: String,
}

pub(super) async fn list(State(platform): State<Shared>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(shown(
        &list_page(&platform, &visitor, None, String::new(), String::new()).await?,
    ))
}

pub(super) async fn activate(
    State(platform): State<Shared>,
    Posted { visitor, form }: Posted<ActivateForm>,
) -> Result<Response, PageError> {
    let asked = ActivateCode {
        code: form.code.clone(),
        name: Some(form.name.clone()).filter(|name| !name.trim().is_empty()),
    };
    match appliances::approve(&platform, &visitor.caller, &asked).await {
        Ok(id) => Ok(Redirect::to(&format!("/appliances/{id}")).into_response()),
        Err(error @ ApiError::Internal(_)) => Err(error.into()),
        Err(error) => {
            let problem = Some(error.to_string());
            let page = list_page(&platform, &visitor, problem, form.code, form.name).await?;
            Ok((StatusCode::BAD_REQUEST, shown(&page)).into_response())
        }
    }
}

pub(super) async fn token(
    State(platform): State<Shared>,
    Posted {
        visitor,
        form: Nothing {},
    }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let asked = NewToken {
        name: "dashboard".to_owned(),
        kind: TokenKind::Activation,
        valid_for: None,
    };
    let created = tokens::make(&platform, &visitor.caller, &asked).await?;
    Ok(shown(&TokenPage {
        frame: visitor.frame("appliances"),
        secret: created.secret,
        expires: moment(created.token.expires),
    }))
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let appliance = appliances::one(&platform, &visitor.caller, parse(&id)?).await?;
    let known = copy::one(&platform, &visitor.caller, appliance.id).await?;
    Ok(shown(&ShowPage {
        frame: visitor.frame("appliances"),
        row: row(&appliance, Timestamp::now()),
        fingerprint: appliance.fingerprint,
        image: appliance.image.unwrap_or_default(),
        activated: moment(appliance.activated),
        clone_alarm: appliance.clone_alarm.map(moment),
        keys_alarm: appliance.keys_alarm.map(moment),
        copy: copy_row(&known),
    }))
}

pub(super) async fn ask_to_remove(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let appliance = appliances::one(&platform, &visitor.caller, parse(&id)?).await?;
    Ok(shown(&RemovePage {
        frame: visitor.frame("appliances"),
        row: row(&appliance, Timestamp::now()),
    }))
}

pub(super) async fn remove(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted {
        visitor,
        form: Nothing {},
    }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let caller = &visitor.caller;
    let receipt = removal::remove(
        &platform,
        caller.org(),
        parse(&id)?,
        caller.actor(),
        Timestamp::now(),
    )
    .await
    .map_err(ApiError::from)?;
    Ok(shown(&RemovedPage {
        frame: visitor.frame("appliances"),
        destroyed: moment(receipt.destroyed),
        expired: moment(receipt.backups_expired_by),
        receipt,
    }))
}

async fn list_page(
    platform: &Platform,
    visitor: &Visitor,
    problem: Option<String>,
    code: String,
    name: String,
) -> Result<ListPage, ApiError> {
    let now = Timestamp::now();
    let all = appliances::all(platform, &visitor.caller).await?;
    Ok(ListPage {
        frame: visitor.frame("appliances"),
        appliances: all.iter().map(|appliance| row(appliance, now)).collect(),
        problem,
        code,
        name,
    })
}

fn row(appliance: &Appliance, now: Timestamp) -> Row {
    let alarming = |at: Option<Timestamp>| {
        at.is_some_and(|at| now.since(at) < ALARM_SHOWN) && appliance.state != ApplianceState::Removed
    };
    Row {
        id: appliance.id.to_string(),
        name: appliance.name.clone(),
        state: appliance_state(appliance.state),
        seen: appliance
            .seen
            .map_or_else(|| "never".to_owned(), |seen| ago(seen, now)),
        boots: appliance.boots,
        owner: appliance.owner.clone(),
        clone_alarm: alarming(appliance.clone_alarm),
        keys_alarm: alarming(appliance.keys_alarm),
    }
}

fn copy_row(known: &KnownCopy) -> CopyRow {
    let key = known.key.map(|key| key.to_string()).unwrap_or_default();
    let ordered = known.collector.as_ref().map(|collector| {
        let delivery = match collector.delivery {
            Delivery::Required => "findings wait for it",
            Delivery::BestEffort => "as far as it can be had",
        };
        let order = known.number.unwrap_or_default();
        format!(
            "to {}, {delivery} (order {order}, signed by key {key})",
            collector.at
        )
    });
    let said = known.said;
    let state = match said.state {
        CopyState::Off => "the appliance copies nothing".to_owned(),
        CopyState::Connecting => "the appliance connects to the collector".to_owned(),
        CopyState::Flowing => "the collector takes it".to_owned(),
        CopyState::Stuck(trouble) => format!("the collector does not take it: {trouble}"),
    };
    let mut parts = vec![state];
    if said.missed > 0 {
        parts.push(format!("{} messages are not in it", said.missed));
    }
    if let Some(why) = said.refused {
        parts.push(format!("the appliance refuses the last order: {why}"));
    } else if known.number.is_some_and(|number| number > said.number) {
        parts.push("the appliance has not taken the last order yet".to_owned());
    }
    CopyRow {
        ordered,
        alarm: said.refused.is_some() || said.missed > 0 || matches!(said.state, CopyState::Stuck(_)),
        said: parts.join("; "),
    }
}

fn parse(id: &str) -> Result<ApplianceId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::NotFound("appliance of this id".to_owned()))
}

/// How long a list points at an alarm.
const ALARM_SHOWN: Duration = Duration::from_hours(30 * 24);
