//! Signing in, signing out, and who one is.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::{Caller, ClientAddress};
use crate::http::error::{ErrorBody, HttpError};
use crate::http::sign_in;
use crate::http::state::{AppState, ModelStatus};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(begin_session, end_session)).routes(routes!(me))
}

/// A name and a password.
#[derive(serde::Deserialize, utoipa::ToSchema)]
struct SignIn {
    /// Sign-in name, in any case.
    name: String,
    /// Password.
    password: String,
}

/// A session that has begun.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct SessionBegun {
    /// To be sent in the header `X-CSRF-Token` with every change.
    csrf_token: String,
    /// The account.
    user_id: String,
    /// Name that pages show.
    display_name: String,
    /// What the account may do.
    roles: Vec<String>,
}

/// Begins a session; the answer sets its cookie.
#[utoipa::path(post, path = "/api/session", tag = "session", request_body = SignIn, responses(
    (status = 200, body = SessionBegun), (status = 401, body = ErrorBody), (status = 429, body = ErrorBody)))]
async fn begin_session(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    caller: Option<Caller>,
    Json(wish): Json<SignIn>,
) -> Result<impl IntoResponse, HttpError> {
    let old = caller.and_then(|caller| caller.session);
    let begun = sign_in::sign_in(&state, &wish.name, &wish.password, &address, old.as_deref()).await?;
    let body = SessionBegun {
        csrf_token: begun.csrf,
        user_id: begun.user.user_id.to_string(),
        display_name: begun.user.display_name,
        roles: begun.user.roles.iter().map(ToString::to_string).collect(),
    };
    Ok(([(header::SET_COOKIE, begun.cookie)], Json(body)))
}

/// Ends the session on the server.
#[utoipa::path(delete, path = "/api/session", tag = "session", responses((status = 204), (status = 401, body = ErrorBody)))]
async fn end_session(State(state): State<AppState>, caller: Caller) -> Result<impl IntoResponse, HttpError> {
    let cookie = sign_in::sign_out(&state, caller.session.as_deref()).await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]))
}

/// Who is calling.
#[derive(serde::Serialize, utoipa::ToSchema)]
struct Me {
    /// The account.
    user_id: String,
    /// Name that pages show.
    display_name: String,
    /// Roles in force.
    roles: Vec<String>,
    /// Sites in force; empty means every site.
    sites: Vec<String>,
    /// Whether all patients here are synthetic.
    synthetic_patients: bool,
    /// The models that are there; those in the shadow are left out.
    models: Vec<ModelStatus>,
}

/// Who is calling, and what is there.
#[utoipa::path(get, path = "/api/me", tag = "session", responses((status = 200, body = Me), (status = 401, body = ErrorBody)))]
async fn me(State(state): State<AppState>, caller: Caller) -> Json<Me> {
    Json(Me {
        user_id: caller.user_id.to_string(),
        display_name: caller.display_name,
        roles: caller.roles.iter().map(ToString::to_string).collect(),
        sites: caller.sites.iter().map(ToString::to_string).collect(),
        synthetic_patients: state.synthetic_patients,
        models: state.models.models().into_iter().filter(|model| !model.shadow).collect(),
    })
}
