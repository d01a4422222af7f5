//! `/health`: whether the platform can do its work, for load balancers and service managers.

use axum::extract::State;

use super::problem::{ApiError, Refusals};
use crate::platform::Shared;

#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health", tag = "Health", summary = "Whether the platform can work",
    responses((status = 200, description = "It can", body = String, content_type = "text/plain"), Refusals),
)]
pub(super) async fn health(State(platform): State<Shared>) -> Result<&'static str, ApiError> {
    drop(platform.store.read().await?);
    Ok("ok\n")
}
