//! The link: what appliances may ask. One file for each request; the order of a boot is theirs too.
//!
//! Who asks is settled before a handler runs: [`FromAppliance`] can be had in no other way than by a
//! client certificate of our CA, a body that its key has signed, and the same name in both.

mod activate;
mod boot;
mod confirm;
mod enrolment;
mod events;
mod keys;
mod poll;
mod request;
mod time;

pub use activate::parse_code;
pub use enrolment::{EnrolError, NewIdentity, enrol};
pub use request::{FromAppliance, LinkError, Peer, Reply};

use axum::{Router, routing::post};

use crate::platform::Shared;

/// The routes of the link.
pub fn routes(platform: Shared) -> Router {
    Router::new()
        .route("/link/v1/time", post(time::time))
        .route("/link/v1/activate", post(activate::activate))
        .route("/link/v1/boot", post(boot::boot))
        .route("/link/v1/confirm", post(confirm::confirm))
        .route("/link/v1/keys", post(keys::keys))
        .route("/link/v1/poll", post(poll::poll))
        .route("/link/v1/events", post(events::events))
        .with_state(platform)
}
