//! Grants: what owners allow their appliances to scan. They are signed elsewhere: here they are read.

use std::collections::HashMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use vedette_protocol::{
    Fingerprint, Timestamp,
    api::{Appliance, KeptGrant},
    grant::Envelopes,
};

use super::{
    page::{Frame, PageError, moment, shown},
    visitor::Visitor,
};
use crate::{
    api::{ApiError, Caller, appliances, cursor::PageQuery, grants, keys},
    platform::{Platform, Shared},
};

#[derive(Template)]
#[template(path = "grants.html")]
struct ListPage {
    frame: Frame,
    grants: Vec<Row>,
    owned: bool,
    next: Option<String>,
}

struct Row {
    id: String,
    targets: String,
    appliances: String,
    checks: String,
    until: String,
    state: &'static str,
}

#[derive(Template)]
#[template(path = "grant.html")]
struct ShowPage {
    frame: Frame,
    row: Row,
    facts: Vec<(&'static str, String)>,
}

pub(super) async fn list(
    State(platform): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<PageQuery>,
) -> Result<Response, PageError> {
    let now = Timestamp::now();
    let all = appliances::all(&platform, &visitor.caller).await?;
    let names = names(&platform, &visitor.caller, &all).await?;
    let page = grants::page(&platform, &visitor.caller, asked).await?;
    Ok(shown(&ListPage {
        frame: visitor.frame("grants"),
        grants: page.items.iter().map(|grant| row(grant, &names, now)).collect(),
        owned: all.iter().any(|appliance| appliance.owner.is_some()),
        next: page.next.map(|cursor| format!("/grants?cursor={cursor}")),
    }))
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = id
        .parse()
        .map_err(|_| ApiError::NotFound("grant of this id".to_owned()))?;
    let grant = grants::one(&platform, &visitor.caller, id).await?;
    let all = appliances::all(&platform, &visitor.caller).await?;
    let names = names(&platform, &visitor.caller, &all).await?;
    Ok(shown(&ShowPage {
        frame: visitor.frame("grants"),
        row: row(&grant, &names, Timestamp::now()),
        facts: facts(&grant),
    }))
}

/// Appliances by their fingerprints.
pub(super) async fn names(
    platform: &Platform,
    caller: &Caller,
    all: &[Appliance],
) -> Result<HashMap<Fingerprint, String>, ApiError> {
    let mut names = HashMap::new();
    for appliance in all.iter().take(NAMED_LIMIT) {
        let known = keys::one(platform, caller, appliance.id).await?;
        names.insert(Fingerprint::of(&known.identity), appliance.name.clone());
    }
    Ok(names)
}

/// How fingerprints are shown: by name, where it is known.
pub(super) fn named(of: &[Fingerprint], names: &HashMap<Fingerprint, String>) -> String {
    let name = |one: &Fingerprint| {
        let unknown = || format!("{}…", &one.to_string()[..16]);
        names.get(one).cloned().unwrap_or_else(unknown)
    };
    listed(of.iter().map(name))
}

/// A list in one line, cut where it gets long.
pub(super) fn listed(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(SHOWN);
    let few: Vec<String> = all.take(SHOWN).collect();
    match (few.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => few.join(", "),
        (false, more) => format!("{} and {more} more", few.join(", ")),
    }
}

fn row(grant: &KeptGrant, names: &HashMap<Fingerprint, String>, now: Timestamp) -> Row {
    Row {
        id: grant.id.to_string(),
        targets: listed(grant.targets.iter().map(ToString::to_string)),
        appliances: named(&grant.appliances, names),
        checks: listed(grant.checks.iter().map(ToString::to_string)),
        until: moment(grant.until),
        state: if now >= grant.until {
            "expired"
        } else if now < grant.from {
            "not yet"
        } else {
            "holds"
        },
    }
}

fn facts(grant: &KeptGrant) -> Vec<(&'static str, String)> {
    let windows = match grant.windows.as_slice() {
        [] => "at any time".to_owned(),
        windows => windows.join(", "),
    };
    let credentials = grant
        .credentials
        .iter()
        .map(|one| format!("{} from version {} on", one.id, one.version));
    vec![
        ("Excluded", listed(grant.exclude.iter().map(ToString::to_string))),
        ("Ports", grant.ports.to_string()),
        (
            "Rate",
            grant.rate.map_or_else(
                || "not limited".to_owned(),
                |rate| format!("{rate} packets a second for each worker"),
            ),
        ),
        ("Window", windows),
        ("From", moment(grant.from)),
        ("Epoch", grant.epoch.to_string()),
        ("Credentials", listed(credentials)),
        (
            "Sealed in a browser",
            match grant.envelopes {
                Envelopes::Signed => "not allowed".to_owned(),
                Envelopes::AlsoUnsigned => "allowed too".to_owned(),
            },
        ),
        ("Signed by key", grant.key.to_string()),
        ("Came in", moment(grant.kept)),
        ("Id", grant.id.to_string()),
    ]
}

const SHOWN: usize = 8;
const NAMED_LIMIT: usize = 256;
