//! What the caller prefers: theme, keys, size of a session, own targets.

use axum::Json;
use axum::extract::State;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::preferences::{Change, TargetsChange, set};
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

/// What is to change; what is not named stays.
#[derive(serde::Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    /// `dark` or `light`.
    theme: Option<String>,
    /// Cases in a session.
    session_size: Option<u32>,
    /// Own keys by the id of their action, whole; an empty key takes it away.
    #[schema(value_type = Option<Object>)]
    keys: Option<std::collections::BTreeMap<String, String>>,
    /// Own targets, whole.
    targets: Option<TargetsChange>,
    /// Whether the images open in a window of their own.
    second_screen: Option<bool>,
}

/// Changes what the caller prefers.
#[utoipa::path(put, path = "/api/me/preferences", tag = "session", request_body = ChangeBody, responses(
    (status = 200, description = "what the caller prefers now", body = Object), (status = 400, body = ErrorBody)))]
async fn change(
    State(state): State<AppState>,
    caller: Caller,
    Json(body): Json<ChangeBody>,
) -> Result<Json<Preferences>, HttpError> {
    let ChangeBody { theme, session_size, keys, targets, second_screen } = body;
    let change = Change { theme, session_size, keys, targets, second_screen };
    Ok(Json(set(&state, &caller, change).await?))
}
