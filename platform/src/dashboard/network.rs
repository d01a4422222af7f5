//! The network as discoveries saw it: hosts, how they hang together, and a drawing of that.

mod drawing;

use std::collections::BTreeSet;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;
use vedette_protocol::{
    ApplianceId,
    api::StoredFinding,
    finding::{Edge, FindingType, Portrait},
};

use self::drawing::Drawing;
use super::{
    grants::listed,
    page::{Frame, PageError, moment, shown},
    visitor::Visitor,
};
use crate::{
    api::{ApiError, appliances},
    platform::Shared,
    store,
};

#[derive(Template)]
#[template(path = "network.html")]
struct NetworkPage {
    frame: Frame,
    appliances: Vec<Choice>,
    name: String,
    hosts: Vec<HostRow>,
    edges: Vec<EdgeRow>,
    drawing: Option<Drawing>,
    cut: bool,
}

struct Choice {
    id: String,
    name: String,
    chosen: bool,
}

/// A host in the list.
struct HostRow {
    link: String,
    address: String,
    names: String,
    kind: String,
    system: String,
    adapter: String,
    vendor: String,
    last_seen: String,
}

struct EdgeRow {
    from: String,
    to: String,
    how: String,
}

#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    appliance: String,
}

pub(super) async fn show(
    State(platform): State<Shared>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let all = appliances::all(&platform, &visitor.caller).await?;
    let chosen = match asked.appliance.as_str() {
        "" => all.first().map(|appliance| appliance.id),
        id => Some(
            id.parse()
                .map_err(|_| ApiError::NotFound("appliance of this id".to_owned()))?,
        ),
    };
    let found = match chosen {
        Some(appliance) => of_appliance(&platform, &visitor, appliance).await?,
        None => Vec::new(),
    };
    let name = all.iter().find(|appliance| Some(appliance.id) == chosen);
    let name = name.map_or_else(String::new, |appliance| appliance.name.clone());
    let edges: BTreeSet<Edge> = found
        .iter()
        .flat_map(|stored| Edge::of(&stored.finding))
        .collect();
    let mut hosts: Vec<_> = found
        .iter()
        .filter_map(|stored| Some((stored, Portrait::of(&stored.finding)?)))
        .collect();
    hosts.sort_by_key(|(stored, _)| by_number(stored.finding.target.as_str()));
    Ok(shown(&NetworkPage {
        frame: visitor.frame("network"),
        appliances: all
            .iter()
            .map(|appliance| Choice {
                id: appliance.id.to_string(),
                name: appliance.name.clone(),
                chosen: Some(appliance.id) == chosen,
            })
            .collect(),
        drawing: Drawing::of(&name, &edges),
        hosts: hosts
            .iter()
            .map(|(stored, portrait)| host(stored, portrait))
            .collect(),
        edges: edges.iter().map(|edge| row(edge, &name)).collect(),
        cut: found.len() >= FINDINGS as usize,
        name,
    }))
}

async fn of_appliance(
    platform: &Shared,
    visitor: &Visitor,
    appliance: ApplianceId,
) -> Result<Vec<StoredFinding>, ApiError> {
    let mut reading = platform.store.read().await?;
    let org = visitor.caller.org();
    Ok(store::findings::of_types(&mut reading, org, appliance, &TYPES, FINDINGS).await?)
}

fn host(stored: &StoredFinding, portrait: &Portrait) -> HostRow {
    let words = |all: Vec<String>| match all.is_empty() {
        true => String::new(),
        false => listed(all.into_iter()),
    };
    let systems = portrait.model.iter().chain(&portrait.systems);
    let mut vendors: Vec<String> = portrait
        .adapters
        .iter()
        .filter_map(|(_, vendor)| vendor.as_ref().map(ToString::to_string))
        .collect();
    vendors.dedup();
    HostRow {
        link: format!("/findings/{}/{}", stored.appliance, stored.finding.id),
        address: stored.finding.target.to_string(),
        names: words(portrait.names.iter().map(ToString::to_string).collect()),
        kind: words(portrait.kinds.iter().map(ToString::to_string).collect()),
        system: words(systems.map(ToString::to_string).collect()),
        adapter: words(portrait.adapters.iter().map(|(mac, _)| mac.to_string()).collect()),
        vendor: words(vendors),
        last_seen: moment(stored.last_seen),
    }
}

fn row(edge: &Edge, appliance: &str) -> EdgeRow {
    EdgeRow {
        from: edge.from.clone().unwrap_or_else(|| appliance.to_owned()),
        to: edge.to.clone(),
        how: edge.how.clone(),
    }
}

/// The order of addresses, and behind them that of names.
fn by_number(host: &str) -> (Option<std::cmp::Reverse<()>>, Option<std::net::IpAddr>, String) {
    let address: Option<std::net::IpAddr> = host.parse().ok();
    let is_name = address.is_none().then_some(std::cmp::Reverse(()));
    (is_name, address, host.to_owned())
}

const TYPES: [FindingType; 6] = [
    FindingType::Device,
    FindingType::Subnet,
    FindingType::Gateway,
    FindingType::Vlan,
    FindingType::Path,
    FindingType::Neighbours,
];

/// The most that one page is made of.
const FINDINGS: u32 = 5000;
