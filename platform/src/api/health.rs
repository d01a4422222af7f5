//! `/health`: whether the platform can do its work, for load balancers and service managers.

use axum::extract::State;

use super::problem::ApiError;
use crate::platform::Shared;

pub(super) async fn health(State(platform): State<Shared>) -> Result<&'static str, ApiError> {
    drop(platform.store.read().await?);
    Ok("ok\n")
}
