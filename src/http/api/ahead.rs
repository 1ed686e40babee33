//! What the next cases of a reader most likely are, so that a viewer has their images before they are opened.
//!
//! In: a reader. Out: addresses of displays, in the order of that reader's queue. Nothing is claimed, and nothing is told
//! that the reader's own worklist does not tell.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::reading_sessions::to_come;
use crate::http::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(ahead))
}

/// How far ahead.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AheadQuery {
    /// How many cases; as many as the configuration allows where absent.
    n: Option<u32>,
    /// `chest` or `mammo`; as the caller's session of reading takes them where absent.
    pathway: Option<String>,
}

/// Addresses of displays.
#[derive(Serialize, ToSchema)]
struct Ahead {
    /// `/api/cases/{case_id}/display` of each, the most likely first.
    displays: Vec<String>,
}

/// The displays of the cases that `next` would most likely give the caller after the one that is open; none is claimed.
#[utoipa::path(get, path = "/api/cases/ahead", tag = "cases", params(AheadQuery), responses(
    (status = 200, body = Ahead), (status = 400, body = ErrorBody)))]
async fn ahead(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<AheadQuery>,
) -> Result<Json<Ahead>, HttpError> {
    let most = state.settings.prefetch_cases;
    let wanted = query.n.unwrap_or(most).min(most);
    let pathway = query.pathway.as_deref().map(str::parse).transpose()?;
    let open = state.store.claimed_by(caller.user_id, state.clock.now()).await?;
    let some_more = wanted.saturating_mul(2).saturating_add(u32::try_from(open.len()).unwrap_or(0));
    let mut displays = Vec::new();
    let rows = match pathway {
        Some(pathway) => desk::offered(&state, &caller, Some(pathway), false, some_more).await?,
        None => to_come(&state, &caller, some_more).await?,
    };
    for row in rows {
        if displays.len() >= usize::try_from(wanted).unwrap_or(usize::MAX) {
            break;
        }
        if open.contains(&row.case_id) {
            continue;
        }
        let case = desk::find(&state, &caller, row.case_id).await?;
        if desk::could_open(&caller, &case, state.clock.now()).is_ok() {
            displays.push(format!("/api/cases/{}/display", row.case_id));
        }
    }
    Ok(Json(Ahead { displays }))
}
