//! The OpenAPI document, made from the handlers, and the page that shows it.

use axum::{Json, Router, routing::get};
use utoipa::openapi::{
    ComponentsBuilder, Info, License, OpenApi, OpenApiBuilder, Paths,
    security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::SwaggerUi;
use vedette_protocol::api::Problem;

/// What the handlers add their paths to.
pub(super) fn begun() -> OpenApi {
    let mut info = Info::new("Vedette", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    info.license = Some(License::new("Apache-2.0 OR MIT"));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", SecurityScheme::Http(bearer))
        // Responses that a derive describes do not register what they refer to.
        .schema_from::<Problem>()
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(Paths::new())
        .components(Some(components))
        .build()
}

/// `/openapi.json`, and Swagger UI under `/docs/`.
pub(super) fn routes(document: OpenApi) -> Router {
    let shown = document.clone();
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { Json(shown) }))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
}

const DESCRIPTION: &str = "The API of a Vedette platform. Log in with `POST /api/v1/sessions`, or use a token of \
`POST /api/v1/tokens`, and send it as `Authorization: Bearer`. Times are RFC 3339, ids lowercase hexadecimal. Lists \
come in pages: `items` and, if more follow, `next`, to be sent as `cursor`. Errors are problems (RFC 9457).";
