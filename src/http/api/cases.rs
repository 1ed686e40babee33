//! Cases: lists, the next one, one of them, its events, and holding it open.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bodies::{CaseBody, CaseList, CaseRowBody, PatientBody};
use crate::http::caller::Caller;
use crate::http::case_search::{Found, Search, find};
use crate::http::desk::{self, READS, RUNS};
use crate::http::error::{ErrorBody, HttpError};
use crate::http::state::AppState;
use crate::reading::{ClaimToken, Command, DeferReason, RecordedEvent, clock_level, may_see_events};
use crate::store::{CaseRow, StoredCase};
use crate::vocab::{CaseId, Pathway};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(next))
        .routes(routes!(one))
        .routes(routes!(events))
        .routes(routes!(claim))
        .routes(routes!(heartbeat))
        .routes(routes!(release))
        .routes(routes!(skip))
        .routes(routes!(acknowledge))
        .routes(routes!(defer))
        .routes(routes!(undo_deferral))
        .routes(routes!(await_priors))
        .routes(routes!(priors_arrived))
}

/// A case as the caller may see it now.
pub(super) async fn body(
    state: &AppState,
    caller: &Caller,
    case: &StoredCase,
) -> Result<Json<CaseBody>, HttpError> {
    let subject = desk::subject(state, case).await?;
    Ok(Json(CaseBody::new(case, desk::view(caller, case), &subject)))
}

/// Which cases.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `open` (offered to the caller, the default for readers), `arbitration`, `concluded`; for people who do not read
    /// also `first_read`, `second_read`, `third_read`, `finalisation`, `ai`, `on_hold` and `superseded`.
    state: Option<String>,
    /// `chest` or `mammo`; both where absent.
    pathway: Option<String>,
    /// Part of a patient's name, a whole patient ID or a whole accession number; `state` then counts for nothing.
    q: Option<String>,
    /// Cases of this site alone (with `q`, or as a reader).
    site: Option<String>,
    /// Rows at most.
    limit: Option<u32>,
    /// `next` of the page before (with `q`; else people who do not read, and one pathway only).
    after: Option<String>,
}

/// Cases in the order of the queue. Readers see what is offered to them, and what has concluded.
#[utoipa::path(get, path = "/api/cases", tag = "cases", params(ListQuery), responses(
    (status = 200, body = CaseList), (status = 403, body = ErrorBody)))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<CaseList>, HttpError> {
    let limit = query.limit.unwrap_or(state.settings.page_rows).min(state.settings.page_rows);
    let pathway: Option<Pathway> = query.pathway.as_deref().map(str::parse).transpose()?;
    let pathways = pathway.map_or_else(|| Pathway::ALL.to_vec(), |pathway| vec![pathway]);
    let reads = desk::looking_role(&caller).may_read();
    if let Some(q) = query.q.filter(|q| !q.trim().is_empty()) {
        let site = query.site.unwrap_or_default();
        let pathway = query.pathway.unwrap_or_default();
        let search = Search { q, pathway, site, from: query.after.unwrap_or_default(), ..Search::default() };
        let Found { rows, next, only_latest } = find(&state, &caller, &search, limit).await?;
        let mut cases = Vec::with_capacity(rows.len());
        for row in rows {
            cases.push(row_body(&state, row, reads).await?);
        }
        return Ok(Json(CaseList { cases, next, only_latest }));
    }
    let wanted = query.state.as_deref().unwrap_or(if reads { "open" } else { "first_read" });
    let mut rows: Vec<CaseRow> = Vec::new();
    match wanted {
        "open" if reads => rows = desk::offered(&state, &caller, pathway, false, limit).await?,
        "arbitration" if reads => rows = desk::offered(&state, &caller, pathway, true, limit).await?,
        "concluded" => {
            for pathway in pathways {
                rows.extend(state.store.concluded_cases(pathway, &caller.sites, None, limit).await?);
            }
            rows.sort_by_key(|row| std::cmp::Reverse(row.concluded_at));
        }
        _ if reads => {
            return Err(HttpError::Forbidden(
                "you may still read such cases, so they are not listed for you",
            ));
        }
        word => {
            let after = query.after.as_deref().map(str::parse).transpose()?;
            for pathway in pathways {
                rows.extend(
                    state.store.cases_in_state(pathway, word, &caller.sites, after.as_ref(), limit).await?,
                );
            }
            rows.sort_by(|a, b| a.key().cmp(b.key()));
        }
    }
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next =
        rows.last().filter(|_| full && !reads && wanted != "concluded").map(|row| row.key().to_string());
    let mut cases = Vec::with_capacity(rows.len());
    for row in rows {
        cases.push(row_body(&state, row, reads).await?);
    }
    Ok(Json(CaseList { cases, next, only_latest: None }))
}

async fn row_body(state: &AppState, row: CaseRow, reads: bool) -> Result<CaseRowBody, HttpError> {
    let policy = state.store.policy(&row.policy).await?;
    let concluded = row.concluded_at.is_some() && row.superseded_by.is_none();
    let hidden = reads && !concluded;
    Ok(CaseRowBody {
        patient: PatientBody::from(&row),
        case_id: row.case_id,
        study_instance_uid: row.study_instance_uid,
        pathway: row.pathway,
        site: row.site,
        state: if hidden { "open".to_owned() } else { row.state },
        urgent: row.urgent,
        last_image_at: row.last_image_at,
        due_at: row.due_at,
        clock: clock_level(&policy, row.last_image_at, state.clock.now()).code(),
        outcome: row.outcome.filter(|_| !hidden),
        concluded_at: row.concluded_at.filter(|_| !hidden),
        ai_state: Some(row.ai_state).filter(|_| !hidden),
    })
}

/// Which case next.
#[derive(Default, serde::Deserialize, ToSchema)]
struct NextWish {
    /// `chest` or `mammo`; either where absent.
    pathway: Option<String>,
}

/// Opens the next right case: one that the caller has open already, else the first of the queue that the rules of
/// reading let the caller open. 204 where nothing waits.
#[utoipa::path(post, path = "/api/cases/next", tag = "cases", request_body = NextWish, responses(
    (status = 200, body = CaseBody), (status = 204, description = "nothing waits for you")))]
async fn next(
    State(state): State<AppState>,
    caller: Caller,
    wish: Option<Json<NextWish>>,
) -> Result<Response, HttpError> {
    let pathway = wish.and_then(|Json(wish)| wish.pathway).as_deref().map(str::parse).transpose()?;
    let Some(case_id) = desk::take_next(&state, &caller, pathway).await? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let case = desk::find(&state, &caller, case_id).await?;
    Ok(body(&state, &caller, &case).await?.into_response())
}

/// One case, as far as the caller may see it.
#[utoipa::path(get, path = "/api/cases/{case_id}", tag = "cases", params(("case_id" = String, Path)), responses(
    (status = 200, body = CaseBody), (status = 404, body = ErrorBody)))]
async fn one(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let case = desk::find(&state, &caller, parse_id(&case_id)?).await?;
    body(&state, &caller, &case).await
}

/// An id in an address; one that can't be of ours is not there.
pub(super) fn parse_id(text: &str) -> Result<CaseId, HttpError> {
    text.parse().map_err(|_| HttpError::NotFound)
}

/// The events of a case with their place in the chain and their hashes. Readers see them once the case has an outcome.
#[utoipa::path(get, path = "/api/cases/{case_id}/events", tag = "cases", params(("case_id" = String, Path)), responses(
    (status = 200, description = "events in their order", body = Object), (status = 403, body = ErrorBody)))]
async fn events(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<serde_json::Value>, HttpError> {
    let case = desk::find(&state, &caller, parse_id(&case_id)?).await?;
    if !may_see_events(desk::looking_role(&caller), &case.state) {
        return Err(HttpError::Forbidden("the events of a case are shown to readers once it has an outcome"));
    }
    let events: Vec<serde_json::Value> =
        state.store.events_of_case(case.state.case_id).await?.iter().map(event_body).collect();
    Ok(Json(serde_json::json!({ "case_id": case.state.case_id, "events": events })))
}

fn event_body(recorded: &RecordedEvent) -> serde_json::Value {
    serde_json::json!({
        "position": recorded.entry.position,
        "at": recorded.entry.at,
        "actor": recorded.entry.actor,
        "policy": recorded.entry.policy,
        "event": recorded.entry.event,
        "prev_hash": recorded.prev_hash,
        "hash": recorded.hash,
    })
}

/// Opens a chosen case for the read that is due.
#[utoipa::path(post, path = "/api/cases/{case_id}/claim", tag = "cases", params(("case_id" = String, Path)), responses(
    (status = 200, body = CaseBody), (status = 409, description = "someone else has it open", body = ErrorBody),
    (status = 422, description = "not to be read by the caller now", body = ErrorBody)))]
async fn claim(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let case = desk::open(&state, &caller, parse_id(&case_id)?).await?;
    body(&state, &caller, &case).await
}

/// Proof of the own claim.
#[derive(serde::Deserialize, ToSchema)]
pub(super) struct UnderClaim {
    /// From the answer to the claim.
    #[schema(value_type = String)]
    pub claim_token: ClaimToken,
}

/// Proof of the own claim, and from where.
#[derive(serde::Deserialize, ToSchema)]
struct Beat {
    /// From the answer to the claim.
    #[schema(value_type = String)]
    claim_token: ClaimToken,
    /// A number that a browser made for itself, the same in all its tabs; a program leaves it out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    machine: Option<uuid::Uuid>,
}

/// When the claim now ends.
#[derive(serde::Serialize, ToSchema)]
struct Renewed {
    /// Unless it is renewed.
    expires_at: String,
    /// Whether the caller has the case open at another machine too.
    elsewhere: bool,
}

/// Renews the caller's claim, and says whether the case is open at another machine of the caller; 409 where the claim has
/// ended (`already_read` where the caller has locked an opinion meanwhile).
#[utoipa::path(post, path = "/api/cases/{case_id}/heartbeat", tag = "cases", params(("case_id" = String, Path)),
    request_body = Beat, responses((status = 200, body = Renewed), (status = 409, body = ErrorBody)))]
async fn heartbeat(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(beat): Json<Beat>,
) -> Result<Json<Renewed>, HttpError> {
    let case_id = parse_id(&case_id)?;
    let renewed = desk::keep_open(&state, &caller, case_id, beat.claim_token, beat.machine).await?;
    let (expires_at, elsewhere) = renewed;
    Ok(Json(Renewed { expires_at: expires_at.to_string(), elsewhere }))
}

/// Closes the case without an opinion.
#[utoipa::path(post, path = "/api/cases/{case_id}/release", tag = "cases", params(("case_id" = String, Path)),
    request_body = UnderClaim, responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody)))]
async fn release(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(under): Json<UnderClaim>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::ReleaseClaim { token: under.claim_token };
    let acted = desk::act(&state, &caller, READS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// Closes the case and leaves it for others.
#[utoipa::path(post, path = "/api/cases/{case_id}/skip", tag = "cases", params(("case_id" = String, Path)),
    request_body = UnderClaim, responses((status = 200, body = CaseBody), (status = 409, body = ErrorBody)))]
async fn skip(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(under): Json<UnderClaim>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::Skip { token: under.claim_token };
    let acted = desk::act(&state, &caller, READS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// Images that were looked at.
#[derive(serde::Deserialize, ToSchema)]
struct Looked {
    /// Proof of the own claim.
    #[schema(value_type = String)]
    claim_token: ClaimToken,
    /// SOP Instance UIDs.
    #[schema(value_type = Vec<String>)]
    images: std::collections::BTreeSet<crate::vocab::SopInstanceUid>,
}

/// Says that images were opened or looked at, where there are more than the standard views.
#[utoipa::path(post, path = "/api/cases/{case_id}/acknowledge", tag = "cases", params(("case_id" = String, Path)),
    request_body = Looked, responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn acknowledge(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(looked): Json<Looked>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::AcknowledgeImages { token: looked.claim_token, images: looked.images };
    let acted = desk::act(&state, &caller, READS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// Why a case is put aside.
#[derive(serde::Deserialize, ToSchema)]
struct Deferral {
    /// `clinical_question`, `identity_conflict`, `images_missing`, `technical`, `conflict_of_interest` or `other`.
    #[schema(value_type = String)]
    reason: DeferReason,
    /// In words.
    #[serde(default)]
    note: String,
}

/// Takes the case out of all queues until someone undoes it.
#[utoipa::path(post, path = "/api/cases/{case_id}/defer", tag = "cases", params(("case_id" = String, Path)),
    request_body = Deferral, responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn defer(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
    Json(deferral): Json<Deferral>,
) -> Result<Json<CaseBody>, HttpError> {
    let command = Command::Defer { reason: deferral.reason, note: deferral.note };
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, command).await?;
    body(&state, &caller, &acted.case).await
}

/// Puts a deferred case back into the queues.
#[utoipa::path(post, path = "/api/cases/{case_id}/undo-deferral", tag = "cases", params(("case_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn undo_deferral(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, Command::UndoDeferral).await?;
    body(&state, &caller, &acted.case).await
}

/// Holds the case until earlier images come, or the wait ends.
#[utoipa::path(post, path = "/api/cases/{case_id}/await-priors", tag = "cases", params(("case_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn await_priors(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, Command::AwaitPriors).await?;
    body(&state, &caller, &acted.case).await
}

/// Says that the earlier images have come.
#[utoipa::path(post, path = "/api/cases/{case_id}/priors-arrived", tag = "cases", params(("case_id" = String, Path)),
    responses((status = 200, body = CaseBody), (status = 422, body = ErrorBody)))]
async fn priors_arrived(
    State(state): State<AppState>,
    caller: Caller,
    Path(case_id): Path<String>,
) -> Result<Json<CaseBody>, HttpError> {
    let acted = desk::act(&state, &caller, RUNS, parse_id(&case_id)?, Command::RecordPriors).await?;
    body(&state, &caller, &acted.case).await
}
