//! What needs a person: letters that could not be delivered, work that was given up, held studies, conflicts.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::operations;
use crate::http::state::AppState;
use crate::http::study_status::PostBody;
use crate::http::words;
use crate::vocab::MessageId;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(attention)).routes(routes!(retry)).routes(routes!(release_study))
}

/// A letter that could not be delivered, with the case that owes it.
#[derive(Serialize, ToSchema)]
struct DeadLetter {
    /// The case.
    case_id: String,
    /// The letter.
    #[serde(flatten)]
    post: PostBody,
}

/// Work that was given up.
#[derive(Serialize, ToSchema)]
struct GivenUp {
    /// What was to be done: `assemble`, `score`, `decide` or `post`.
    kind: &'static str,
    /// About what: a Study Instance UID or a case id.
    subject: String,
    /// How often it was tried.
    attempts: i64,
    /// When it was given up.
    failed_at: String,
    /// Why.
    reason: String,
}

/// A study that is held.
#[derive(Serialize, ToSchema)]
struct HeldStudy {
    /// Study Instance UID.
    study_instance_uid: String,
    /// Why.
    reason: Option<&'static str>,
    /// Since when.
    held_at: Option<String>,
}

/// Two different objects under one identifier.
#[derive(Serialize, ToSchema)]
struct Conflict {
    /// SOP Instance UID.
    sop_instance_uid: String,
    /// Study Instance UID.
    study_instance_uid: String,
    /// Content hash of the object that stands.
    kept_hash: String,
    /// Content hash of the object that was refused.
    refused_hash: String,
    /// When it came.
    received_at: String,
}

/// A mammogram whose picture looks like another view or side than its tags say.
#[derive(Serialize, ToSchema)]
struct ViewCheck {
    /// Study Instance UID.
    study_instance_uid: String,
    /// SOP Instance UID.
    sop_instance_uid: String,
    /// What to look at, in words.
    words: String,
    /// When it was found.
    found_at: String,
}

/// Everything that needs a person.
#[derive(Serialize, ToSchema)]
struct Attention {
    dead_letters: Vec<DeadLetter>,
    /// How many more letters could not be delivered, of cases that the caller may still read; an administrator sees them.
    kept_back: usize,
    given_up: Vec<GivenUp>,
    held_studies: Vec<HeldStudy>,
    conflicts: Vec<Conflict>,
    /// Refused objects of which a copy is kept and that nobody has judged; `GET /api/quarantine` lists them.
    quarantined: usize,
    /// Mammograms whose view or side should be checked, until their study is read.
    view_checks: Vec<ViewCheck>,
}

/// Everything that needs a person, the longest waiting first.
#[utoipa::path(get, path = "/api/operations", tag = "operations", responses((status = 200, body = Attention)))]
async fn attention(State(state): State<AppState>, caller: Caller) -> Result<Json<Attention>, HttpError> {
    let found = operations::attention(&state, &caller).await?;
    Ok(Json(Attention {
        quarantined: found.quarantined.len(),
        kept_back: found.kept_back,
        view_checks: found
            .view_disagreements
            .iter()
            .map(|found| ViewCheck {
                study_instance_uid: found.study_instance_uid.to_string(),
                sop_instance_uid: found.disagreement.sop_instance_uid.to_string(),
                words: words::view_disagreement(&found.disagreement),
                found_at: found.found_at.to_string(),
            })
            .collect(),
        dead_letters: found
            .dead_letters
            .iter()
            .map(|row| DeadLetter { case_id: row.case_id.to_string(), post: PostBody::from(row) })
            .collect(),
        given_up: found
            .given_up
            .into_iter()
            .map(|job| GivenUp {
                kind: job.kind.code(),
                subject: job.subject,
                attempts: job.attempts,
                failed_at: job.failed_at.to_string(),
                reason: job.reason,
            })
            .collect(),
        held_studies: found
            .held
            .iter()
            .map(|study| HeldStudy {
                study_instance_uid: study.study_instance_uid.to_string(),
                reason: study.hold.map(|(reason, _)| reason.code()),
                held_at: study.hold.map(|(_, at)| at.to_string()),
            })
            .collect(),
        conflicts: found
            .conflicts
            .iter()
            .map(|conflict| Conflict {
                sop_instance_uid: conflict.refused.sop_instance_uid.to_string(),
                study_instance_uid: conflict.refused.study_instance_uid.to_string(),
                kept_hash: conflict.kept_hash.clone(),
                refused_hash: conflict.refused.content_hash.clone(),
                received_at: conflict.refused.received_at.to_string(),
            })
            .collect(),
    }))
}

/// What was done.
#[derive(Serialize, ToSchema)]
struct Done {
    done: bool,
}

/// Tries a dead letter again.
#[utoipa::path(post, path = "/api/operations/messages/{message_id}/retry", tag = "operations",
    params(("message_id" = String, Path)), responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
async fn retry(
    State(state): State<AppState>,
    caller: Caller,
    Path(message_id): Path<String>,
) -> Result<Json<Done>, HttpError> {
    let message: MessageId = message_id.parse().map_err(|_| HttpError::NotFound)?;
    operations::retry(&state, &caller, message).await?;
    Ok(Json(Done { done: true }))
}

/// Ends the hold of a study, once a person has settled who the patient is; its image set is then judged anew.
#[utoipa::path(post, path = "/api/operations/studies/{study_instance_uid}/release", tag = "operations",
    params(("study_instance_uid" = String, Path)),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
async fn release_study(
    State(state): State<AppState>,
    caller: Caller,
    Path(uid): Path<String>,
) -> Result<Json<Done>, HttpError> {
    operations::release_study(&state, &caller, &uid.parse().map_err(|_| HttpError::NotFound)?).await?;
    Ok(Json(Done { done: true }))
}
