//! The REST API under `/api/v1`, for people's tools. One file for each noun.
//!
//! Who asks is settled before a handler runs: what belongs to an organisation can only be reached with a
//! [`Caller`], and that comes from a valid bearer secret alone. Errors are problems (RFC 9457).

mod appliances;
mod audit;
mod body;
mod caller;
mod cursor;
mod findings;
mod health;
mod problem;
mod scans;
mod sessions;
mod throttle;
mod tokens;

pub use caller::Caller;
pub use problem::ApiError;
pub use throttle::Throttle;

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, StatusCode, header},
    routing::{delete, get, post},
};
use tower_http::{set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use crate::platform::Shared;

/// The routes of the API.
pub fn routes(platform: Shared) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    Router::new()
        .route("/api/v1/sessions", post(sessions::create).delete(sessions::end))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::delete))
        .route("/api/v1/appliances", get(appliances::list))
        .route("/api/v1/appliances/activate", post(appliances::activate))
        .route(
            "/api/v1/appliances/{id}",
            get(appliances::show).delete(appliances::remove),
        )
        .route("/api/v1/scans", get(scans::list).post(scans::start))
        .route("/api/v1/scans/{id}", get(scans::show))
        .route("/api/v1/findings", get(findings::list))
        .route("/api/v1/audit", get(audit::list))
        .route("/health", get(health::health))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(platform)
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIME,
        ))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
}

const REQUEST_TIME: Duration = Duration::from_secs(30);
