//! The audit trail, newest first.

use axum::{Json, extract::State};
use serde::Deserialize;
use vedette_protocol::api::{AuditRecord, Page};

use super::{body::Asked, caller::Caller, cursor, problem::ApiError};
use crate::{platform::Shared, store::audit};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<AuditQuery>,
) -> Result<Json<Page<AuditRecord>>, ApiError> {
    let limit = cursor::page(asked.limit)?;
    let below = asked.cursor.as_deref().map(cursor::read).transpose()?;
    let mut reading = platform.store.read().await?;
    let mut items = audit::list(&mut reading, caller.org(), below, limit + 1).await?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items
        .last()
        .filter(|_| more)
        .map(|last| cursor::write(&last.number));
    Ok(Json(Page { items, next }))
}
