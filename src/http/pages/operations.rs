//! What needs a person: dead letters, work that was given up, held studies, conflicts.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::refused::{self, ConflictLine, KeptLine};
use super::{page, see_other};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::operations;
use crate::http::state::{AppState, ModelStatus, RecogniserStatus};
use crate::http::words;

struct Letter {
    message_id: String,
    case_id: String,
    kind: String,
    attempts: i64,
    died: String,
    why: String,
}

struct GivenUp {
    kind: String,
    subject: String,
    attempts: i64,
    failed: String,
    why: String,
}

struct Held {
    uid: String,
    name: String,
    why: String,
    since: String,
}

struct ViewLine {
    uid: String,
    name: String,
    words: String,
    found: String,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    frame: Frame,
    nothing: bool,
    letters: Vec<Letter>,
    /// More of them, of cases that this person may still read.
    kept_back: usize,
    given_up: Vec<GivenUp>,
    held: Vec<Held>,
    conflicts: Vec<ConflictLine>,
    quarantined: Vec<KeptLine>,
    views: Vec<ViewLine>,
    models: Vec<ModelStatus>,
    recogniser: Option<RecogniserStatus>,
}

/// `GET /operations`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
) -> Result<Response, HttpError> {
    let found = operations::attention(&state, &caller).await?;
    let (conflicts, quarantined) = refused::lines(&state, &look, &caller).await?;
    let models = state.models.models();
    let recogniser = state.models.recogniser();
    let nothing = found.is_empty()
        && models.iter().all(|model| model.provider.is_some())
        && recogniser.iter().all(|recogniser| recogniser.provider.is_some());
    let words_of = |code: &str| words::capital(&words::code_words(code));
    let template = OperationsPage {
        frame: look.frame("Needs attention"),
        nothing,
        kept_back: found.kept_back,
        letters: found
            .dead_letters
            .into_iter()
            .map(|row| Letter {
                message_id: row.message_id.to_string(),
                case_id: row.case_id.to_string(),
                kind: words_of(row.kind.code()),
                attempts: row.attempts,
                died: row.dead_at.map(|at| look.time(at)).unwrap_or_default(),
                why: row.last_failure.as_deref().map(words::plain).unwrap_or_default(),
            })
            .collect(),
        given_up: found
            .given_up
            .into_iter()
            .map(|job| GivenUp {
                kind: words_of(job.kind.code()),
                subject: job.subject,
                attempts: job.attempts,
                failed: look.time(job.failed_at),
                why: words::plain(&job.reason),
            })
            .collect(),
        held: found
            .held
            .into_iter()
            .map(|study| Held {
                uid: study.study_instance_uid.to_string(),
                name: words::person_name(study.patient_name.as_deref().unwrap_or_default()),
                why: study.hold.map(|(reason, _)| words::capital(words::hold(reason))).unwrap_or_default(),
                since: study.hold.map(|(_, at)| look.time(at)).unwrap_or_default(),
            })
            .collect(),
        conflicts,
        quarantined,
        views: found
            .view_disagreements
            .into_iter()
            .map(|found| ViewLine {
                uid: found.study_instance_uid.to_string(),
                name: words::person_name(found.patient_name.as_deref().unwrap_or_default()),
                words: words::view_disagreement(&found.disagreement),
                found: look.time(found.found_at),
            })
            .collect(),
        recogniser: recogniser
            .map(|known| RecogniserStatus { trained_on: words::trained_on(&known.trained_on), ..known }),
        models: models
            .into_iter()
            .map(|model| ModelStatus { trained_on: words::trained_on(&model.trained_on), ..model })
            .collect(),
    };
    page(&template)
}

/// `POST /operations/messages/{message_id}/retry`.
pub(super) async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    Path(message_id): Path<String>,
) -> Result<Response, HttpError> {
    operations::retry(&state, &caller, message_id.parse().map_err(|_| HttpError::NotFound)?).await?;
    Ok(see_other("/operations"))
}

/// `POST /operations/studies/{study_instance_uid}/release`.
pub(super) async fn release_study(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Response, HttpError> {
    operations::release_study(&state, &caller, &uid.parse().map_err(|_| HttpError::NotFound)?).await?;
    Ok(see_other("/operations"))
}
