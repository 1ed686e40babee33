//! Sessions of reading: begin one, its next case, how far it is, its end.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::bodies::CaseBody;
use super::cases::body;
use crate::http::caller::Caller;
use crate::http::desk;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::reading_sessions::{self, Next, Wish, tally};
use crate::http::state::AppState;
use crate::reading::Slot;
use crate::store::{ReadingSession, SessionFilter};
use crate::vocab::{Pathway, SiteCode};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(begin, list))
        .routes(routes!(next))
        .routes(routes!(one))
        .routes(routes!(end))
}

/// What to read.
#[derive(Default, serde::Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct SessionWish {
    /// How many cases; by preference, or 25, where absent.
    size: Option<u32>,
    /// `chest` or `mammo`; either where absent.
    #[schema(value_type = Option<String>)]
    pathway: Option<Pathway>,
    /// `first` or `second` reads alone, of cases whose policy has two people read each of them anyway.
    #[schema(value_type = Option<String>)]
    slot: Option<Slot>,
    /// Cases of this site alone.
    #[schema(value_type = Option<String>)]
    site: Option<SiteCode>,
    /// Cases alone of which symptoms, history or a reason for the study came with the images.
    with_history: bool,
}

/// A session and what the caller made of it.
#[derive(serde::Serialize, ToSchema)]
struct SessionBody {
    /// Its id.
    session_id: String,
    /// Cases that it is to have.
    size: u32,
    /// When it began.
    started_at: String,
    /// When it ended.
    ended_at: Option<String>,
    /// Cases with a read of the caller.
    read: usize,
    /// Reads of normal.
    normal: usize,
    /// Reads of recall or abnormal.
    recalled: usize,
    /// Reads that ask for new images.
    technical: usize,
    /// Left for others.
    skipped: usize,
    /// Put aside or waiting for earlier images.
    aside: usize,
    /// The caller's reads that can still be changed.
    not_final: usize,
    /// Middle of the times from opening to opinion, milliseconds.
    median_ms: Option<i64>,
    /// The cases in the order in which they were taken.
    cases: Vec<String>,
}

async fn session_body(state: &AppState, session: ReadingSession) -> Result<Json<SessionBody>, HttpError> {
    let cases = state.store.cases_of_session(session.session_id).await?;
    let tally = tally(&cases);
    Ok(Json(SessionBody {
        session_id: session.session_id.to_string(),
        size: session.size,
        started_at: session.started_at.to_string(),
        ended_at: session.ended_at.map(|at| at.to_string()),
        read: tally.read,
        normal: tally.normal,
        recalled: tally.recalled,
        technical: tally.technical,
        skipped: tally.skipped,
        aside: tally.aside,
        not_final: tally.not_final,
        median_ms: tally.median_ms,
        cases: cases.iter().map(|case| case.case_id.to_string()).collect(),
    }))
}

/// Begins a session; one that is still open ends.
#[utoipa::path(post, path = "/api/sessions", tag = "reading sessions", request_body = SessionWish, responses(
    (status = 200, body = SessionBody), (status = 400, body = ErrorBody)))]
async fn begin(
    State(state): State<AppState>,
    caller: Caller,
    Json(wish): Json<SessionWish>,
) -> Result<Json<SessionBody>, HttpError> {
    let SessionWish { size, pathway, slot, site, with_history } = wish;
    let wish = Wish { size, filter: SessionFilter { pathway, slot, site, with_history } };
    let session = reading_sessions::begin(&state, &caller, wish).await?;
    session_body(&state, session).await
}

/// The caller's sessions, latest first.
#[utoipa::path(get, path = "/api/sessions", tag = "reading sessions", responses((status = 200, body = Vec<SessionBody>)))]
async fn list(State(state): State<AppState>, caller: Caller) -> Result<Json<Vec<SessionBody>>, HttpError> {
    let mut bodies = Vec::new();
    for session in state.store.reading_sessions(caller.user_id, state.settings.page_rows).await? {
        bodies.push(session_body(&state, session).await?.0);
    }
    Ok(Json(bodies))
}

/// Opens the next case of the session that the caller is in (of the queue where they are in none). 204 where the
/// session has its cases or nothing waits; the session has then ended.
#[utoipa::path(post, path = "/api/sessions/next", tag = "reading sessions", responses(
    (status = 200, body = CaseBody), (status = 204, description = "the session is over")))]
async fn next(State(state): State<AppState>, caller: Caller) -> Result<Response, HttpError> {
    match reading_sessions::go_on(&state, &caller).await? {
        Next::Case(case_id) => {
            let case = desk::find(&state, &caller, case_id).await?;
            Ok(body(&state, &caller, &case).await?.into_response())
        }
        Next::SessionOver(_) | Next::Nothing => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// A session of the caller's own.
#[utoipa::path(get, path = "/api/sessions/{session_id}", tag = "reading sessions",
    params(("session_id" = String, Path)), responses((status = 200, body = SessionBody), (status = 404, body = ErrorBody)))]
async fn one(
    State(state): State<AppState>,
    caller: Caller,
    Path(session_id): Path<String>,
) -> Result<Json<SessionBody>, HttpError> {
    let session = reading_sessions::own(&state, &caller, &session_id).await?;
    session_body(&state, session).await
}

/// Ends a session of the caller's own.
#[utoipa::path(post, path = "/api/sessions/{session_id}/end", tag = "reading sessions",
    params(("session_id" = String, Path)), responses((status = 200, body = SessionBody), (status = 404, body = ErrorBody)))]
async fn end(
    State(state): State<AppState>,
    caller: Caller,
    Path(session_id): Path<String>,
) -> Result<Json<SessionBody>, HttpError> {
    let session = reading_sessions::own(&state, &caller, &session_id).await?;
    state.store.end_reading_session(session.session_id, state.clock.now()).await?;
    let session = reading_sessions::own(&state, &caller, &session_id).await?;
    session_body(&state, session).await
}
