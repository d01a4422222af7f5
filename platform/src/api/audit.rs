//! The audit trail, newest first.

use axum::{Json, extract::State};
use vedette_protocol::api::{AuditRecord, Page};

use super::{
    body::Asked,
    caller::Caller,
    cursor::{self, PageQuery},
    problem::{ApiError, Refusals},
};
use crate::{platform::Shared, store::audit};

#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_audit", tag = "Audit", summary = "List what was changed, newest first",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, description = "A page of records", body = Page<AuditRecord>), Refusals),
)]
pub(super) async fn list(
    State(platform): State<Shared>,
    caller: Caller,
    Asked(asked): Asked<PageQuery>,
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
