//! What the caller prefers: theme, keys, size of a session, own targets.

use axum::Json;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::preferences::{Change, set};
use crate::http::state::AppState;
use crate::store::Preferences;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// What the caller prefers; what they never said is as shipped.
#[utoipa::path(get, path = "/api/me/preferences", tag = "session", responses(
    (status = 200, description = "theme, session_size, keys, targets, second_screen", body = Object)))]
async fn show(State(state): State<AppState>, caller: Caller) -> Result<Json<Preferences>, HttpError> {
    Ok(Json(state.store.preferences(caller.user_id).await?))
}

/// Changes what the caller prefers.
#[utoipa::path(put, path = "/api/me/preferences", tag = "session", request_body = Change, responses(
    (status = 200, description = "what the caller prefers now", body = Object), (status = 400, body = ErrorBody)))]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Json(change): Json<Change>,
) -> Result<Json<Preferences>, HttpError> {
    Ok(Json(set(&state, &caller, change).await?))
}
