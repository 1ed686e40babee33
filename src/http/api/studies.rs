//! Studies: status for radiographers and other systems, and the instances of a study.

use axum::Json;
use axum::extract::{Path, Query, State};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::state::AppState;
use crate::http::study_status::{StatusBody, status};
use crate::http::visible;
use crate::vocab::StudyInstanceUid;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one)).routes(routes!(instances))
}

/// Which studies.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Accession Number; without it the latest arrivals are answered.
    accession: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
}

/// Studies of an accession number, or the latest arrivals, newest first.
#[utoipa::path(get, path = "/api/studies", tag = "studies", params(ListQuery), responses(
    (status = 200, body = [StatusBody])))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<StatusBody>>, HttpError> {
    let limit = query.limit.unwrap_or(state.settings.page_rows).min(state.settings.page_rows);
    let studies = match query.accession.as_deref() {
        Some(accession) => state.store.studies_by_accession(&accession.parse()?).await?,
        None => crate::http::arrivals(&state, &caller, limit).await?,
    };
    let mut found = Vec::new();
    for study in studies.into_iter().filter(|study| caller.may_see(&study.site)) {
        found.push(status(&state, &caller, &study.study_instance_uid).await?.body);
    }
    Ok(Json(found))
}

/// Where a study has got to.
#[utoipa::path(get, path = "/api/studies/{study_instance_uid}", tag = "studies",
    params(("study_instance_uid" = String, Path)), responses(
    (status = 200, body = StatusBody), (status = 404, body = ErrorBody)))]
async fn one(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Json<StatusBody>, HttpError> {
    let uid: StudyInstanceUid = uid.parse().map_err(|_| HttpError::NotFound)?;
    Ok(Json(status(&state, &caller, &uid).await?.body))
}

/// The stored instances of a study that the caller may see, in order of arrival.
#[utoipa::path(get, path = "/api/studies/{study_instance_uid}/instances", tag = "studies",
    params(("study_instance_uid" = String, Path)), responses(
    (status = 200, description = "instances with their attributes and content hashes", body = Object),
    (status = 404, body = ErrorBody)))]
async fn instances(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Json<serde_json::Value>, HttpError> {
    let uid: StudyInstanceUid = uid.parse().map_err(|_| HttpError::NotFound)?;
    let (_, instances) = visible::study(&state, &caller, &uid).await?;
    Ok(Json(serde_json::json!({ "study_instance_uid": uid, "instances": instances })))
}
