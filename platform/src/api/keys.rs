//! An appliance's keys: to what credentials are sealed.

use axum::{Json, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_protocol::{ApplianceId, Fingerprint, api::KnownKeys};

use super::{
    appliances,
    body::Id,
    caller::Caller,
    problem::{ApiError, Refusals},
};
use crate::platform::{Platform, Shared};

#[utoipa::path(
    get,
    path = "/api/v1/appliances/{id}/keys",
    operation_id = "show_appliance_keys", tag = "Appliances", summary = "Show to what credentials are sealed",
    params(("id" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "Its keys, as it signed them", body = KnownKeys), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ApplianceId>,
) -> Result<Json<KnownKeys>, ApiError> {
    Ok(Json(one(&platform, &caller, id).await?))
}

/// The keys of an appliance of the caller's organisation.
pub(crate) async fn one(
    platform: &Platform,
    caller: &Caller,
    id: ApplianceId,
) -> Result<KnownKeys, ApiError> {
    let appliance = appliances::kept(platform, caller, id).await?;
    Ok(KnownKeys {
        appliance: appliance.id,
        org: appliance.org,
        identity: appliance.identity,
        keys: appliance.keys.map(|signed| STANDARD.encode(signed)),
        owner: appliance.owner.as_ref().map(Fingerprint::of),
    })
}
