//! Pages and JSON API: one file per resource, no rule lives here.
//!
//! In: requests of people and programs. Out: what `reading` decided and `store` kept, as pages (askama, on the NHS
//! design system without its logo and typeface) and as JSON (OpenAPI at `/api/openapi.json`). Must never decide a
//! rule of a pathway, show a reader anything of a case that `reading` did not put into that reader's view
//! (PATHWAYS R5), or put internals or identities into an error.

pub mod access;
mod api;
mod assets;
mod caller;
mod case_search;
mod concordance;
mod credentials;
mod desk;
mod dicom_web;
mod error;
mod guard;
mod hanging;
mod health;
mod history;
mod link_test;
mod names;
pub mod loopback_record;
mod operations;
mod refused;
mod opinion_form;
mod opinions;
mod order_request;
mod orders;
mod own_history;
mod pages;
mod panel;
mod preferences;
mod reading_sessions;
mod settings;
mod shown_image;
mod sign_in;
mod state;
mod study_notices;
mod study_order;
mod study_status;
mod study_views;
mod visible;
mod words;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::store::Study;

pub use caller::Caller;
pub use credentials::{PasswordError, SHORTEST_PASSWORD, fresh_token, hash_password, token_hash};
pub use error::HttpError;
pub use link_test::{LinkPhase, LinkTest};
pub use settings::{ListenError, Settings};
pub use state::{AppState, ModelDirectory, ModelStatus, Parts, RecogniserStatus};

/// Pages and files, with their methods as the table of access names them.
struct Pages {
    router: Router<AppState>,
    routes: Vec<(&'static str, String)>,
}

impl Pages {
    fn get<H, T>(self, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        self.on("GET", path, get(handler))
    }
    fn post<H, T>(self, path: &str, handler: H) -> Self
    where
        H: axum::handler::Handler<T, AppState>,
        T: 'static,
    {
        self.on("POST", path, post(handler))
    }
    fn on(mut self, method: &'static str, path: &str, route: MethodRouter<AppState>) -> Self {
        self.routes.push((method, path.to_owned()));
        self.router = self.router.route(path, route);
        self
    }
}

/// Everything that is served, and the list of its routes.
fn all_routes() -> (Router<AppState>, Vec<(&'static str, String)>) {
    let pages = Pages { router: Router::new(), routes: Vec::new() }
        .get("/health/live", health::live)
        .get("/health/ready", health::ready)
        .get("/metrics", health::metrics)
        .get("/assets/{name}", assets::asset);
    let pages = dicom_web::add(pages::add(pages));
    let (api, mut routes) = api::router();
    routes.extend(pages.routes);
    (pages.router.merge(api), routes)
}

/// Method and path of every route, for the test that holds them against [`access::TABLE`].
pub fn routes() -> Vec<(&'static str, String)> {
    all_routes().1
}

/// Everything that is served.
pub fn router(state: AppState) -> Router {
    let within = Duration::from_secs(state.settings.request_timeout_seconds);
    let (routes, _) = all_routes();
    routes
        .route_layer(from_fn_with_state(state.clone(), guard::admit))
        .fallback(nothing_here)
        .layer(from_fn(error::errors_as_pages))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| -> Response {
            tracing::error!("a request ended in a panic");
            HttpError::Internal.into_response()
        }))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, within))
        .layer(RequestBodyLimitLayer::new(state.settings.body_limit_bytes))
        .layer(from_fn_with_state(state.clone(), guard::answer_headers))
        .with_state(state)
}

/// The latest arrivals at the caller's sites, newest first.
async fn arrivals(state: &AppState, caller: &Caller, limit: u32) -> Result<Vec<Study>, HttpError> {
    if caller.sites.is_empty() {
        return Ok(state.store.recent_studies(None, None, limit).await?);
    }
    let mut found = Vec::new();
    for site in &caller.sites {
        found.extend(state.store.recent_studies(Some(site), None, limit).await?);
    }
    found.sort_by_key(|study| std::cmp::Reverse(study.last_arrival_at));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

async fn nothing_here() -> HttpError {
    HttpError::NotFound
}

/// Opens the port of the settings.
///
/// # Errors
/// An address that other machines can reach without TLS in front, or one that can't be opened.
pub async fn listen(settings: &Settings) -> Result<tokio::net::TcpListener, ListenError> {
    settings.check()?;
    let address = settings.listen;
    tokio::net::TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })
}

/// Serves until `stop`; requests in flight are finished.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: AppState,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let stopping = state.stopping.clone();
    let service = router(state).into_make_service_with_connect_info::<SocketAddr>();
    let stopped = async move {
        stop.cancelled().await;
        // Streams would be in flight for ever.
        stopping.cancel();
    };
    axum::serve(listener, service).with_graceful_shutdown(stopped).await
}

/// An instance for tests of what is made from one.
#[cfg(test)]
fn test_instance(uid: &str) -> crate::vocab::Instance {
    crate::vocab::Instance {
        sop_instance_uid: uid.parse().expect("a UID"),
        sop_class_uid: "1.2.840.10008.5.1.4.1.1.1.2".parse().expect("a UID"),
        study_instance_uid: "1.2.3".parse().expect("a UID"),
        series_instance_uid: "1.2.3.1".parse().expect("a UID"),
        transfer_syntax_uid: "1.2.840.10008.1.2.1".parse().expect("a UID"),
        content_hash: "00".repeat(32),
        size_bytes: 1,
        calling_ae: "VAN1".parse().expect("a title"),
        site: "north".parse().expect("a site"),
        pathway: None,
        received_at: crate::vocab::Timestamp::from_millis(0),
        tags: crate::vocab::InstanceTags::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_every_route_has_a_row_in_the_table_of_access() {
        let registered = routes();
        for (method, path) in &registered {
            let method = method.parse().unwrap();
            assert!(access::row(&method, path).is_some(), "{method} {path} has no row");
        }
        for row in access::TABLE {
            assert!(
                registered.iter().any(|(method, path)| *method == row.method && path == row.path),
                "{} {} stands in the table and is no route",
                row.method,
                row.path
            );
        }
    }
}
