//! How far AI and first readers agree.

use axum::Json;
use axum::extract::{Query, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::ConcordanceReport;
use crate::http::caller::Caller;
use crate::http::concordance::{PeriodQuery, ShadowReport, report, shadow_report};
use crate::http::error::{ErrorBody, HttpError};
use crate::http::state::AppState;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(concordance)).routes(routes!(shadow))
}

/// AI against the first reader's blind opinion, per pathway, model version and operating point: the 2x2 table, observed
/// agreement, kappa, positive and negative agreement, each with its interval, n and period. A figure without enough
/// cases says so instead of a number.
#[utoipa::path(get, path = "/api/audit/concordance", tag = "audit", params(PeriodQuery), responses(
    (status = 200, description = "the report", body = Object), (status = 400, body = ErrorBody)))]
async fn concordance(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<ConcordanceReport>, HttpError> {
    Ok(Json(report(&state, &caller, &query).await?))
}

/// Models in the shadow, which no reader sees: against the first reader's blind opinion with the same figures as the
/// model in force, and against the word of the model in force, case by case.
#[utoipa::path(get, path = "/api/audit/shadow", tag = "audit", params(PeriodQuery), responses(
    (status = 200, description = "the report", body = Object), (status = 400, body = ErrorBody)))]
async fn shadow(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<PeriodQuery>,
) -> Result<Json<ShadowReport>, HttpError> {
    Ok(Json(shadow_report(&state, &caller, &query).await?))
}
