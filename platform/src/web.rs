//! What people and their tools meet: the API and the dashboard, under one set of rules.

use std::time::Duration;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use tower_http::{set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use crate::{
    api::{self, BODY_LIMIT},
    dashboard,
    platform::Shared,
};

/// All routes but the link's.
pub fn routes(platform: Shared) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    api::routes(platform.clone())
        .merge(dashboard::routes(platform))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIME,
        ))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(header::CONTENT_SECURITY_POLICY, DOCUMENT_POLICY))
        // Not "no-referrer": browsers then say `Origin: null` with our own forms (Fetch, section 3.2).
        .layer(header(header::REFERRER_POLICY, "same-origin"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
}

/// Swagger UI styles its elements in place; the dashboard's pages have a stricter policy of their own.
const DOCUMENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const REQUEST_TIME: Duration = Duration::from_secs(30);
