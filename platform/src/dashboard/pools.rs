//! Pools: the list, who is in one, and forms that change it.

use askama::Template;
use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use vedette_protocol::{
    ApplianceId, PoolId,
    api::{Appliance, ApplianceState, NewPool},
};

use super::{
    grants::listed,
    login::Nothing,
    page::{Frame, PageError, appliance_state, moment, shown},
    visitor::{Posted, Visitor},
};
use crate::{
    api::{ApiError, appliances, pools},
    platform::{Platform, Shared},
};

#[derive(Template)]
#[template(path = "pools.html")]
struct ListPage {
    frame: Frame,
    pools: Vec<Row>,
    problem: Option<String>,
    name: String,
}

struct Row {
    id: String,
    name: String,
    appliances: String,
    created: String,
}

#[derive(Template)]
#[template(path = "pool.html")]
struct ShowPage {
    frame: Frame,
    id: String,
    name: String,
    members: Vec<Member>,
    others: Vec<Member>,
    problem: Option<String>,
}

struct Member {
    id: String,
    name: String,
    state: &'static str,
    fingerprint: String,
    owned: bool,
}

#[derive(Deserialize)]
pub(super) struct NameForm {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
pub(super) struct MemberForm {
    #[serde(default)]
    appliance: String,
}

pub(super) async fn list(State(platform): State<Shared>, visitor: Visitor) -> Result<Response, PageError> {
    Ok(shown(&list_page(&platform, &visitor, None, String::new()).await?))
}

pub(super) async fn make(
    State(platform): State<Shared>,
    Posted { visitor, form }: Posted<NameForm>,
) -> Result<Response, PageError> {
    let id = PoolId::random();
    let asked = NewPool {
        name: form.name.clone(),
    };
    match pools::keep(&platform, &visitor.caller, id, &asked).await {
        Ok(_) => Ok(Redirect::to(&format!("/pools/{id}")).into_response()),
        Err(error @ ApiError::Internal(_)) => Err(error.into()),
        Err(error) => {
            let page = list_page(&platform, &visitor, Some(error.to_string()), form.name).await?;
            Ok((StatusCode::BAD_REQUEST, shown(&page)).into_response())
        }
    }
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    Ok(shown(&show_page(&platform, &visitor, parse(&id)?, None).await?))
}

pub(super) async fn add(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted { visitor, form }: Posted<MemberForm>,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let added = match member(&form) {
        Ok(appliance) => pools::add(&platform, &visitor.caller, id, appliance).await,
        Err(error) => Err(error),
    };
    changed(&platform, &visitor, id, added).await
}

pub(super) async fn take_out(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted { visitor, form }: Posted<MemberForm>,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    let taken = match member(&form) {
        Ok(appliance) => pools::take_out(&platform, &visitor.caller, id, appliance).await,
        Err(error) => Err(error),
    };
    changed(&platform, &visitor, id, taken).await
}

pub(super) async fn remove(
    State(platform): State<Shared>,
    Path(id): Path<String>,
    Posted {
        visitor,
        form: Nothing {},
    }: Posted<Nothing>,
) -> Result<Response, PageError> {
    pools::remove(&platform, &visitor.caller, parse(&id)?).await?;
    Ok(Redirect::to("/pools").into_response())
}

async fn changed(
    platform: &Platform,
    visitor: &Visitor,
    id: PoolId,
    change: Result<(), ApiError>,
) -> Result<Response, PageError> {
    match change {
        Ok(()) => Ok(Redirect::to(&format!("/pools/{id}")).into_response()),
        Err(error @ ApiError::Internal(_)) => Err(error.into()),
        Err(error) => {
            let page = show_page(platform, visitor, id, Some(error.to_string())).await?;
            Ok((StatusCode::BAD_REQUEST, shown(&page)).into_response())
        }
    }
}

async fn list_page(
    platform: &Platform,
    visitor: &Visitor,
    problem: Option<String>,
    name: String,
) -> Result<ListPage, ApiError> {
    let all = appliances::all(platform, &visitor.caller).await?;
    let pools = pools::all(platform, &visitor.caller).await?;
    let called = |id: &ApplianceId| {
        let meant = all.iter().find(|appliance| appliance.id == *id);
        meant.map(|appliance| appliance.name.clone()).unwrap_or_default()
    };
    Ok(ListPage {
        frame: visitor.frame("pools"),
        pools: pools
            .into_iter()
            .map(|pool| Row {
                id: pool.id.to_string(),
                appliances: listed(pool.appliances.iter().map(called)),
                created: moment(pool.created),
                name: pool.name,
            })
            .collect(),
        problem,
        name,
    })
}

async fn show_page(
    platform: &Platform,
    visitor: &Visitor,
    id: PoolId,
    problem: Option<String>,
) -> Result<ShowPage, ApiError> {
    let pool = pools::one(platform, &visitor.caller, id).await?;
    let all = appliances::all(platform, &visitor.caller).await?;
    let (members, others): (Vec<_>, Vec<_>) = all
        .iter()
        .filter(|appliance| appliance.state != ApplianceState::Removed)
        .partition(|appliance| pool.appliances.contains(&appliance.id));
    Ok(ShowPage {
        frame: visitor.frame("pools"),
        id: id.to_string(),
        name: pool.name,
        members: members.into_iter().map(row).collect(),
        others: others.into_iter().map(row).collect(),
        problem,
    })
}

fn row(appliance: &Appliance) -> Member {
    Member {
        id: appliance.id.to_string(),
        name: appliance.name.clone(),
        state: appliance_state(appliance.state),
        fingerprint: appliance.fingerprint.clone(),
        owned: appliance.owner.is_some(),
    }
}

fn member(form: &MemberForm) -> Result<ApplianceId, ApiError> {
    form.appliance
        .parse()
        .map_err(|_| ApiError::BadRequest("choose an appliance".to_owned()))
}

fn parse(id: &str) -> Result<PoolId, ApiError> {
    id.parse()
        .map_err(|_| ApiError::NotFound("pool of this id".to_owned()))
}
