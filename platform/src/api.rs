//! The REST API under `/api/v1`, for people's tools. One file for each noun.
//!
//! Who asks is settled before a handler runs: what belongs to an organisation can only be reached with a
//! [`Caller`], and that comes from a valid bearer secret alone. Errors are problems (RFC 9457).

pub(crate) mod appliances;
mod audit;
mod body;
mod caller;
pub(crate) mod copy;
pub(crate) mod credentials;
pub(crate) mod cursor;
mod document;
mod encoded;
mod etag;
pub(crate) mod findings;
pub(crate) mod grants;
mod health;
pub(crate) mod keys;
mod owner_words;
pub(crate) mod pools;
mod problem;
mod repeated;
pub(crate) mod scans;
pub(crate) mod schedules;
mod sessions;
pub(crate) mod settings;
mod throttle;
pub(crate) mod tokens;

pub use caller::Caller;
pub use findings::place_behind;
pub use problem::ApiError;
pub use throttle::Throttle;

pub(crate) use body::BODY_LIMIT;

use axum::Router;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::platform::Shared;

/// The routes of the API, and the document that describes them.
pub fn routes(platform: Shared) -> Router {
    let (routes, document) = OpenApiRouter::with_openapi(document::begun())
        .routes(routes!(sessions::create, sessions::end))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(appliances::list))
        .routes(routes!(appliances::activate))
        .routes(routes!(appliances::show, appliances::remove))
        .routes(routes!(keys::show))
        .routes(routes!(copy::show))
        .routes(routes!(owner_words::say))
        .routes(routes!(grants::list))
        .routes(routes!(grants::show, grants::put, grants::delete))
        .routes(routes!(credentials::list))
        .routes(routes!(
            credentials::show,
            credentials::put,
            credentials::change,
            credentials::delete
        ))
        .routes(routes!(settings::show, settings::change))
        .routes(routes!(scans::list, scans::start))
        .routes(routes!(scans::show))
        .routes(routes!(scans::jobs))
        .routes(routes!(pools::list))
        .routes(routes!(pools::show, pools::put, pools::delete))
        .routes(routes!(pools::enter, pools::leave))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::put, schedules::delete))
        .routes(routes!(findings::list))
        .routes(routes!(audit::list))
        .routes(routes!(health::health))
        .split_for_parts();
    routes
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(platform)
        .merge(document::routes(document))
}
