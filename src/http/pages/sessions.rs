//! Sessions of reading: begin, how it went, the end. The summary is of the reader's own reads alone.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::case::{Toast, recorded};
use super::frame::{Frame, Look};
use super::{page, see_other};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::opinion_form::Fields;
use crate::http::preferences::{Change, TargetsChange, set};
use crate::http::reading_sessions::{self, Next, Tally, Wish, tally};
use crate::http::state::AppState;
use crate::http::words;
use crate::reading::Slot;
use crate::store::{SessionCase, SessionFilter};

type Form = axum::Form<Vec<(String, String)>>;

/// One case of a session.
struct CaseLine {
    case_id: String,
    name: String,
    said: String,
    time: String,
    open: bool,
}

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    frame: Frame,
    toast: Option<Toast>,
    session_id: String,
    size: u32,
    over: bool,
    minutes: String,
    tally: Tally,
    median: String,
    lines: Vec<CaseLine>,
}

/// A number of a form; nothing where the field is empty.
fn number(fields: &Fields, name: &str) -> Result<Option<u32>, HttpError> {
    let wrong = |_| HttpError::BadRequest(format!("{name} is a whole number"));
    fields.get(name).map(str::parse).transpose().map_err(wrong)
}

/// `POST /sessions`: begins a session and opens its first case.
pub(super) async fn begin(
    State(state): State<AppState>,
    caller: Caller,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let fields = Fields(fields);
    let filter = SessionFilter {
        pathway: fields.optional("pathway")?,
        slot: fields.optional::<Slot>("slot")?,
        site: fields.optional("site")?,
        with_history: fields.get("with_history").is_some(),
    };
    let wish = Wish { size: number(&fields, "size")?, filter };
    reading_sessions::begin(&state, &caller, wish).await?;
    go_on(&state, &caller, "").await
}

/// `POST /worklist/next`: the next case of the session, or of the queue.
pub(super) async fn next(State(state): State<AppState>, caller: Caller) -> Result<Response, HttpError> {
    go_on(&state, &caller, "").await
}

/// Sends the browser to the next case, or to the end of the session; `query` says what was just recorded.
pub(super) async fn go_on(state: &AppState, caller: &Caller, query: &str) -> Result<Response, HttpError> {
    Ok(see_other(&format!("{}{query}", next_path(state, caller).await?)))
}

/// Where the next case is, or the end of the session.
pub(super) async fn next_path(state: &AppState, caller: &Caller) -> Result<String, HttpError> {
    Ok(match reading_sessions::go_on(state, caller).await? {
        Next::Case(case_id) => format!("/cases/{case_id}"),
        Next::SessionOver(session_id) => format!("/sessions/{session_id}"),
        Next::Nothing => "/".to_owned(),
    })
}

/// What an address may say beside the session.
#[derive(serde::Deserialize)]
pub(super) struct Hints {
    after: Option<String>,
}

/// `GET /sessions/{session_id}`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
    Path(session_id): Path<String>,
    axum::extract::Query(hints): axum::extract::Query<Hints>,
) -> Result<Response, HttpError> {
    let session = reading_sessions::own(&state, &caller, &session_id).await?;
    let cases = state.store.cases_of_session(session.session_id).await?;
    let mut lines = Vec::with_capacity(cases.len());
    for case in &cases {
        lines.push(line(&state, case).await?);
    }
    let until = session.ended_at.unwrap_or_else(|| look.now());
    let tally = tally(&cases);
    let toast = match &hints.after {
        Some(after) => recorded(&state, &caller, after, true).await?,
        None => None,
    };
    page(&SessionPage {
        frame: look.frame("Session"),
        toast,
        session_id: session.session_id.to_string(),
        size: session.size,
        over: session.ended_at.is_some(),
        minutes: words::minutes(until.ms_since(session.started_at)),
        median: tally.median_ms.map(words::seconds).unwrap_or_default(),
        tally,
        lines,
    })
}

async fn line(state: &AppState, case: &SessionCase) -> Result<CaseLine, HttpError> {
    let row = state.store.case_row(case.case_id).await?;
    let name = row.and_then(|row| row.patient_name).unwrap_or_default();
    let said = match &case.read {
        Some(read) => words::opinion(&read.current),
        None if case.on_hold => "put aside".to_owned(),
        None if case.skipped => "left for others".to_owned(),
        None => "not read".to_owned(),
    };
    Ok(CaseLine {
        case_id: case.case_id.to_string(),
        name: words::person_name(&name),
        said,
        time: case.read.as_ref().map(|read| words::seconds(read.reading_ms)).unwrap_or_default(),
        open: case.read.as_ref().is_some_and(|read| read.finalised_at.is_none()),
    })
}

/// `POST /sessions/{session_id}/end`.
pub(super) async fn end(
    State(state): State<AppState>,
    caller: Caller,
    Path(session_id): Path<String>,
) -> Result<Response, HttpError> {
    let session = reading_sessions::own(&state, &caller, &session_id).await?;
    state.store.end_reading_session(session.session_id, state.clock.now()).await?;
    Ok(see_other(&format!("/sessions/{}", session.session_id)))
}

/// `POST /preferences`: own targets, or whether images open on a second screen, from the start page.
pub(super) async fn prefer(
    State(state): State<AppState>,
    caller: Caller,
    axum::Form(fields): Form,
) -> Result<Response, HttpError> {
    let fields = Fields(fields);
    let change = if fields.get("what") == Some("second_screen") {
        Change { second_screen: Some(fields.get("second_screen") == Some("yes")), ..Change::default() }
    } else {
        let targets = TargetsChange {
            mammo_per_year: number(&fields, "mammo_per_year")?,
            chest_per_year: number(&fields, "chest_per_year")?,
        };
        Change { targets: Some(targets), ..Change::default() }
    };
    set(&state, &caller, change).await?;
    Ok(see_other("/"))
}
