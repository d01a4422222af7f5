//! What an organisation has settled for itself.

use axum::{Json, extract::State};
use vedette_protocol::{
    Timestamp,
    api::{OrgSettings, OrgSettingsChange},
};

use super::{
    body::Body,
    caller::Caller,
    problem::{ApiError, Refusals},
};
use crate::{
    platform::{Platform, Shared},
    store::{audit, orgs},
};

#[utoipa::path(
    get,
    path = "/api/v1/settings",
    operation_id = "show_settings", tag = "Settings", summary = "Show the organisation's settings",
    security(("bearer" = [])),
    responses((status = 200, description = "The settings", body = OrgSettings), Refusals),
)]
pub(super) async fn show(
    State(platform): State<Shared>,
    caller: Caller,
) -> Result<Json<OrgSettings>, ApiError> {
    Ok(Json(current(&platform, &caller).await?))
}

#[utoipa::path(
    patch,
    path = "/api/v1/settings",
    operation_id = "change_settings", tag = "Settings", summary = "Change the organisation's settings",
    request_body = OrgSettingsChange,
    security(("bearer" = [])),
    responses((status = 200, description = "The settings", body = OrgSettings), Refusals),
)]
pub(super) async fn change(
    State(platform): State<Shared>,
    caller: Caller,
    Body(asked): Body<OrgSettingsChange>,
) -> Result<Json<OrgSettings>, ApiError> {
    Ok(Json(settle(&platform, &caller, asked).await?))
}

/// The settings of the caller's organisation.
pub(crate) async fn current(platform: &Platform, caller: &Caller) -> Result<OrgSettings, ApiError> {
    let mut reading = platform.store.read().await?;
    Ok(orgs::settings(&mut reading, caller.org()).await?)
}

/// Changes them.
pub(crate) async fn settle(
    platform: &Platform,
    caller: &Caller,
    asked: OrgSettingsChange,
) -> Result<OrgSettings, ApiError> {
    let mut writing = platform.store.write().await?;
    let mut settings = orgs::settings(&mut writing, caller.org()).await?;
    if let Some(only) = asked.owner_signed_credentials_only {
        settings.owner_signed_credentials_only = only;
        orgs::settle(&mut writing, caller.org(), settings).await?;
        let object = format!("owner_signed_credentials_only {only}");
        audit::record(
            &mut writing,
            caller.org(),
            caller.actor(),
            "settings.change",
            &object,
            Timestamp::now(),
        )
        .await?;
        writing.commit().await?;
    }
    Ok(settings)
}
