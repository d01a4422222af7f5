//! Findings: filtered, in pages, worst first.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use vedette_protocol::{
    ApplianceId, Digest, ScanId,
    api::{Page, StoredFinding},
    finding::{FindingType, Severity},
};

use super::{
    body::Asked,
    caller::Caller,
    cursor,
    problem::{ApiError, Refusals},
};
use crate::{
    platform::{Platform, Shared},
    store::findings::{self, Filter, Position},
};

/// What is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingQuery {
    /// Those that this scan saw.
    pub(crate) scan: Option<ScanId>,
    /// Those of this appliance.
    pub(crate) appliance: Option<ApplianceId>,
    /// Those of this severity.
    pub(crate) severity: Option<Severity>,
    /// Those of this host.
    pub(crate) target: Option<String>,
    /// Those of this type, as `device`.
    #[serde(rename = "type")]
    pub(crate) type_: Option<FindingType>,
    /// `next` of the page before.
    pub(crate) cursor: Option<String>,
    /// 1 to 1000; 100 unless given.
    pub(crate) limit: Option<u32>,
}

#[utoipa::path(
    get,
    path = "/api/v1/findings",
    operation_id = "list_findings", tag = "Findings", summary = "List findings, worst first",
    params(FindingQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of findings", body = Page<StoredFinding>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<FindingQuery>,
) -> Result<Json<Page<StoredFinding>>, ApiError> {
    Ok(Json(page(&platform, &caller, asked).await?))
}

/// A page of findings.
pub(crate) async fn page(
    platform: &Platform,
    caller: &Caller,
    asked: FindingQuery,
) -> Result<Page<StoredFinding>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let behind = asked.cursor.as_deref().map(place_behind).transpose()?;
    let filter = Filter {
        scan: asked.scan,
        appliance: asked.appliance,
        severity: asked.severity,
        target: asked.target,
        type_: asked.type_,
    };
    let mut reading = platform.store.read().await?;
    let mut found = findings::list(&mut reading, caller.org(), &filter, behind.as_ref(), limit + 1).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| cursor::write(&Place::from(last.position.clone())));
    let items = found.into_iter().map(|placed| placed.finding).collect();
    Ok(Page { items, next })
}

/// The place that a cursor of this list names.
///
/// # Errors
/// When it names none.
pub fn place_behind(cursor: &str) -> Result<Position, ApiError> {
    cursor::read::<Place>(cursor).map(Position::from)
}

/// A position as a cursor holds it.
#[derive(Serialize, Deserialize)]
struct Place(i64, String, i64, Digest, ApplianceId);

impl From<Position> for Place {
    fn from(position: Position) -> Self {
        Self(
            position.rank,
            position.target,
            position.port,
            position.id,
            position.appliance,
        )
    }
}

impl From<Place> for Position {
    fn from(Place(rank, target, port, id, appliance): Place) -> Self {
        Self {
            rank,
            target,
            port,
            id,
            appliance,
        }
    }
}
