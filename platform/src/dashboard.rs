//! The dashboard: pages that the server renders from the API's data. They work without a script; one
//! small script keeps them current.
//!
//! Who visits is settled before a handler runs ([`visitor::Visitor`]), and a form only reaches one when
//! it was posted from a page of ours ([`visitor::Posted`]).

mod appliances;
mod assets;
mod credentials;
mod findings;
mod grants;
mod login;
mod network;
mod page;
mod pools;
mod scans;
mod sealing;
mod visitor;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Redirect,
    routing::{get, post},
};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::platform::Shared;

/// The dashboard's routes.
pub fn routes(platform: Shared) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to("/appliances")))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/appliances", get(appliances::list))
        .route("/appliances/activate", post(appliances::activate))
        .route("/appliances/token", post(appliances::token))
        .route("/appliances/{id}", get(appliances::show))
        .route(
            "/appliances/{id}/remove",
            get(appliances::ask_to_remove).post(appliances::remove),
        )
        .route("/scans", get(scans::list).post(scans::start))
        .route("/scans/{id}", get(scans::show))
        .route("/pools", get(pools::list).post(pools::make))
        .route("/pools/{id}", get(pools::show))
        .route("/pools/{id}/add", post(pools::add))
        .route("/pools/{id}/take-out", post(pools::take_out))
        .route("/pools/{id}/remove", post(pools::remove))
        .route("/findings", get(findings::list))
        .route("/findings/{appliance}/{id}", get(findings::show))
        .route("/network", get(network::show))
        .route("/grants", get(grants::list))
        .route("/grants/{id}", get(grants::show))
        .route("/credentials", get(credentials::list).post(sealing::keep))
        .route("/credentials/new", get(sealing::form))
        .route("/credentials/who", post(credentials::who_may_seal))
        .route("/credentials/{id}", get(credentials::show))
        .route("/credentials/{id}/switch", post(credentials::switch))
        .route("/credentials/{id}/remove", post(credentials::remove))
        .route("/assets/hpke.js", get(assets::hpke))
        .route("/assets/seal.js", get(assets::seal))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/icon.svg", get(assets::icon))
        .route("/assets/live.js", get(assets::script))
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ))
        .with_state(platform)
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
