//! The JSON API: all that a page can do, documented at `/api/openapi.json`.

mod ahead;
mod arrivals;
mod audit;
mod bodies;
mod cases;
mod display;
mod display_image;
mod display_priors;
mod heat_maps;
mod images;
mod operations;
mod orders;
mod preferences;
mod quarantine;
mod readers;
mod reading_sessions;
mod reads;
mod session;
mod studies;

use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use super::state::AppState;

pub(super) use images::not_shown;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "doubleread",
        description = "AI triage of chest X-rays and mammograms, verified by people. Investigational software, not a \
                       medical device. Sign in with `POST /api/session` (a cookie, and a token that every change \
                       carries in the header `X-CSRF-Token`) or send `Authorization: Bearer ...` with a token made by \
                       `doubleread token`. All times are UTC, ISO 8601. Errors have a stable `code` and a `message` \
                       in plain words: 401 sign in, 403 not for your role, 404 not there or not yours to see, 409 \
                       somebody was there first, 422 refused by the rules of reading, 429 too often."
    ),
    components(schemas(super::error::ErrorBody)),
    modifiers(&SignedIn),
    security(("bearer" = []), ("session" = []))
)]
struct Document;

/// The two ways in which a caller says who it is.
struct SignedIn;

impl Modify for SignedIn {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let cookie = ApiKey::Cookie(ApiKeyValue::new("doubleread"));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// The API's routes, and their methods and paths.
pub(super) fn router() -> (Router<AppState>, Vec<(&'static str, String)>) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .merge(session::router())
        .merge(cases::router())
        .merge(reads::router())
        .merge(reading_sessions::router())
        .merge(preferences::router())
        .merge(readers::router())
        .merge(studies::router())
        .merge(display::router())
        .merge(ahead::router())
        .merge(arrivals::router())
        .merge(images::router())
        .merge(heat_maps::router())
        .merge(audit::router())
        .merge(operations::router())
        .merge(orders::router())
        .merge(quarantine::router())
        .split_for_parts();
    let mut routes = vec![("GET", "/api/openapi.json".to_owned())];
    for (path, item) in &document.paths.paths {
        for (method, present) in [
            ("GET", item.get.is_some()),
            ("POST", item.post.is_some()),
            ("DELETE", item.delete.is_some()),
            ("PUT", item.put.is_some()),
        ] {
            if present {
                routes.push((method, path.clone()));
            }
        }
    }
    let router = router.route("/api/openapi.json", get(move || async move { Json(document) }));
    (router, routes)
}
