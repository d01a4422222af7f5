//! The operator's copy of an appliance: what the owner ordered, which the platform carries and cannot make, and what
//! the appliance says of it.

use axum::{Json, extract::State};
use base64::{Engine, engine::general_purpose::STANDARD};
use vedette_protocol::{
    ApplianceId, Signed,
    api::{KnownCollector, KnownCopy},
    copy::CopyOrder,
};

use super::{
    appliances,
    body::Id,
    caller::Caller,
    problem::{ApiError, Refusals},
};
use crate::platform::{Platform, Shared};

#[utoipa::path(
    get,
    path = "/api/v1/appliances/{id}/copy",
    operation_id = "show_appliance_copy", tag = "Appliances", summary = "Show where an appliance copies what it sends to",
    params(("id" = ApplianceId, Path, description = "The appliance's id")),
    security(("bearer" = [])),
    responses((status = 200, description = "The owner's order, and how it goes", body = KnownCopy), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
    Id(id): Id<ApplianceId>,
) -> Result<Json<KnownCopy>, ApiError> {
    Ok(Json(one(&platform, &caller, id).await?))
}

/// The copy of an appliance of the caller's organisation.
pub(crate) async fn one(
    platform: &Platform,
    caller: &Caller,
    id: ApplianceId,
) -> Result<KnownCopy, ApiError> {
    let appliance = appliances::kept(platform, caller, id).await?;
    let order = appliance.copy_order.as_ref();
    let said = order.map(read).transpose()?;
    let collector = said.as_ref().and_then(|order| order.collector.as_ref());
    Ok(KnownCopy {
        appliance: appliance.id,
        number: said.as_ref().map(|order| order.number),
        key: order.map(Signed::key),
        collector: collector.map(|collector| KnownCollector {
            at: collector.at.to_string(),
            name: collector.name.as_ref().map(|name| name.as_str().to_owned()),
            roots: collector.roots.iter().map(|root| root.name.clone()).collect(),
            delivery: collector.delivery,
        }),
        order: order.map(|order| STANDARD.encode(order.to_bytes())),
        said: appliance.copy_said,
    })
}

/// Shown as it says: the appliance believes its owner's signature, not us.
fn read(order: &Signed<CopyOrder>) -> Result<CopyOrder, ApiError> {
    order
        .danger_read_unverified()
        .map_err(|error| ApiError::Internal(Box::new(error)))
}
