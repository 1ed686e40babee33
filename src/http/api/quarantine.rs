//! Refused objects that are kept for a person: those that could not be read, and those that contradict another.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::caller::Caller;
use crate::http::error::{ErrorBody, HttpError};
use crate::http::refused::{self, Contradiction, Judgement};
use crate::http::state::AppState;
use crate::store::QuarantinedObject;
use crate::vocab::{Instance, Timestamp, UserId};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(judge))
        .routes(routes!(conflicts))
        .routes(routes!(judge_conflict))
}

/// Who judged, when and how.
#[derive(Serialize, ToSchema)]
struct Judged {
    /// When.
    at: String,
    /// Account of the person.
    by: String,
    /// In words.
    note: String,
}

impl Judged {
    fn of(judged: &Option<(Timestamp, UserId, String)>) -> Option<Self> {
        let (at, by, note) = judged.as_ref()?;
        Some(Self { at: at.to_string(), by: by.to_string(), note: note.clone() })
    }
}

/// An object that arrived whole and was refused for its content; the sender was told so. A copy is kept bit for bit.
#[derive(Serialize, ToSchema)]
struct Quarantined {
    /// BLAKE3 of the kept file: its name in the quarantine, and its id here.
    id: String,
    /// Bytes of the kept file.
    size_bytes: u64,
    /// SOP Instance UID of the command.
    sop_instance_uid: String,
    /// SOP Class UID of the command.
    sop_class_uid: String,
    /// Transfer syntax in which it came.
    transfer_syntax_uid: String,
    /// Who sent it.
    calling_ae: String,
    /// From which address.
    address: String,
    /// Site of the source.
    site: String,
    /// DIMSE status that the sender was answered, such as `0xC000`.
    status: String,
    /// Where the reading ended: `structure`, `inflating` or `identity`.
    phase: &'static str,
    /// Why it was refused, in words.
    reason: String,
    /// When it first came.
    received_at: String,
    /// When the same bytes came last.
    last_received_at: String,
    /// How often they came.
    times_received: i64,
    /// The judgement, if somebody gave one.
    judged: Option<Judged>,
    /// When the copy went, after its judgement, for the room of another; the record stays.
    removed_at: Option<String>,
}

impl From<&QuarantinedObject> for Quarantined {
    fn from(kept: &QuarantinedObject) -> Self {
        let object = &kept.object;
        Self {
            id: object.content_hash.clone(),
            size_bytes: object.size_bytes,
            sop_instance_uid: object.sop_instance_uid.to_string(),
            sop_class_uid: object.sop_class_uid.to_string(),
            transfer_syntax_uid: object.transfer_syntax_uid.to_string(),
            calling_ae: object.calling_ae.to_string(),
            address: object.address.to_string(),
            site: object.site.to_string(),
            status: format!("0x{:04X}", object.status),
            phase: object.phase.code(),
            reason: object.reason.clone(),
            received_at: object.received_at.to_string(),
            last_received_at: kept.last_received_at.to_string(),
            times_received: kept.times_received,
            judged: Judged::of(&kept.judged),
            removed_at: kept.removed_at.map(|at| at.to_string()),
        }
    }
}

/// Which objects.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Also those that somebody has judged.
    #[serde(default)]
    judged: bool,
}

/// Objects that were refused for their content and are kept, those that nobody has judged first.
#[utoipa::path(get, path = "/api/quarantine", tag = "refused", params(Which),
    responses((status = 200, body = [Quarantined])))]
async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Vec<Quarantined>>, HttpError> {
    let found = refused::quarantine(&state, &caller, !which.judged).await?;
    Ok(Json(found.iter().map(Quarantined::from).collect()))
}

/// What became of a kept object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Note {
    /// In words, such as "sent again with a Study Instance UID".
    note: String,
}

/// What was done.
#[derive(Serialize, ToSchema)]
struct Recorded {
    done: bool,
}

/// Records what became of a kept object; once. The copy stays.
#[utoipa::path(post, path = "/api/quarantine/{id}/judge", tag = "refused", params(("id" = String, Path)),
    request_body = Note, responses((status = 200, body = Recorded), (status = 400, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn judge(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(Note { note }): Json<Note>,
) -> Result<Json<Recorded>, HttpError> {
    refused::judge_quarantined(&state, &caller, &id, &note).await?;
    Ok(Json(Recorded { done: true }))
}

/// One of two objects under one identifier.
#[derive(Serialize, ToSchema)]
struct Version {
    /// BLAKE3 of the stored file.
    content_hash: String,
    /// Bytes of the stored file.
    size_bytes: u64,
    /// Who sent it.
    calling_ae: String,
    /// Study Instance UID that it names.
    study_instance_uid: String,
    /// When it came.
    received_at: String,
}

impl From<&Instance> for Version {
    fn from(instance: &Instance) -> Self {
        Self {
            content_hash: instance.content_hash.clone(),
            size_bytes: instance.size_bytes,
            calling_ae: instance.calling_ae.to_string(),
            study_instance_uid: instance.study_instance_uid.to_string(),
            received_at: instance.received_at.to_string(),
        }
    }
}

/// Two objects under one SOP Instance UID; both are kept.
#[derive(Serialize, ToSchema)]
struct ConflictBody {
    /// SOP Instance UID.
    sop_instance_uid: String,
    /// The one that was there first, and stands.
    first: Option<Version>,
    /// The one that was refused.
    refused: Version,
}

impl From<&Contradiction> for ConflictBody {
    fn from(one: &Contradiction) -> Self {
        Self {
            sop_instance_uid: one.conflict.refused.sop_instance_uid.to_string(),
            first: one.first.as_ref().map(Version::from),
            refused: Version::from(&one.conflict.refused),
        }
    }
}

/// Objects that contradict one that was there first, that nobody has judged, oldest first.
#[utoipa::path(get, path = "/api/conflicts", tag = "refused", responses((status = 200, body = [ConflictBody])))]
async fn conflicts(
    State(state): State<AppState>,
    caller: Caller,
) -> Result<Json<Vec<ConflictBody>>, HttpError> {
    let found = refused::contradictions(&state, &caller).await?;
    Ok(Json(found.iter().map(ConflictBody::from).collect()))
}

/// What a person makes of two objects under one identifier.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConflictJudgement {
    /// `keep_first` (the second stays refused) or `note` (the note says it). Neither replaces an object.
    #[schema(value_type = String)]
    judgement: Judgement,
    /// In words.
    #[serde(default)]
    note: String,
}

/// Records a judgement of a conflict; once. Both files stay.
#[utoipa::path(post, path = "/api/conflicts/{sop_instance_uid}/{refused_hash}/judge", tag = "refused",
    params(("sop_instance_uid" = String, Path), ("refused_hash" = String, Path)), request_body = ConflictJudgement,
    responses((status = 200, body = Recorded), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody)))]
async fn judge_conflict(
    State(state): State<AppState>,
    caller: Caller,
    Path((uid, hash)): Path<(String, String)>,
    Json(given): Json<ConflictJudgement>,
) -> Result<Json<Recorded>, HttpError> {
    let uid = uid.parse().map_err(|_| HttpError::NotFound)?;
    refused::judge_conflict(&state, &caller, &uid, &hash, given.judgement, &given.note).await?;
    Ok(Json(Recorded { done: true }))
}
