//! Refused objects that are kept for a person: what could not be read, and what contradicts an object that was there
//! first. A page of its own for radiographers, and part of "Needs attention".

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::frame::{Frame, Look};
use super::{local_path, page, see_other};
use crate::http::caller::Caller;
use crate::http::error::HttpError;
use crate::http::refused::{self, Judgement};
use crate::http::state::AppState;
use crate::http::words;
use crate::vocab::Instance;

/// Characters of a content hash that are shown.
const SHOWN_OF_HASH: usize = 12;

/// One version of an object.
pub(super) struct Version {
    pub which: &'static str,
    pub hash: String,
    pub sender: String,
    pub arrived: String,
    pub bytes: u64,
}

/// Two versions of one object.
pub(super) struct ConflictLine {
    pub study: String,
    pub sop: String,
    pub refused_hash: String,
    pub versions: Vec<Version>,
}

/// An object that could not be read.
pub(super) struct KeptLine {
    pub id: String,
    pub hash: String,
    pub sop: String,
    pub sender: String,
    pub arrived: String,
    pub times: i64,
    pub bytes: u64,
    pub status: String,
    pub why: String,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage {
    frame: Frame,
    conflicts: Vec<ConflictLine>,
    quarantined: Vec<KeptLine>,
}

/// `GET /refused`.
pub(super) async fn show(
    State(state): State<AppState>,
    look: Look,
    caller: Caller,
) -> Result<Response, HttpError> {
    let (conflicts, quarantined) = lines(&state, &look, &caller).await?;
    page(&RefusedPage { frame: look.frame("Refused objects"), conflicts, quarantined })
}

/// Both lists, of what nobody has judged.
pub(super) async fn lines(
    state: &AppState,
    look: &Look,
    caller: &Caller,
) -> Result<(Vec<ConflictLine>, Vec<KeptLine>), HttpError> {
    let version = |which, instance: &Instance| Version {
        which,
        hash: shown(&instance.content_hash),
        sender: instance.calling_ae.to_string(),
        arrived: look.time(instance.received_at),
        bytes: instance.size_bytes,
    };
    let conflicts = refused::contradictions(state, caller).await?.into_iter().map(|one| {
        let refused = &one.conflict.refused;
        let first = one.first.as_ref().map(|first| version("stands", first));
        ConflictLine {
            study: refused.study_instance_uid.to_string(),
            sop: refused.sop_instance_uid.to_string(),
            refused_hash: refused.content_hash.clone(),
            versions: first.into_iter().chain([version("refused", refused)]).collect(),
        }
    });
    let quarantined = refused::quarantine(state, caller, true).await?.into_iter().map(|kept| KeptLine {
        hash: shown(&kept.object.content_hash),
        id: kept.object.content_hash,
        sop: kept.object.sop_instance_uid.to_string(),
        sender: format!("{}, {}", kept.object.calling_ae, kept.object.address),
        arrived: look.time(kept.last_received_at),
        times: kept.times_received,
        bytes: kept.object.size_bytes,
        status: format!("0x{:04X}", kept.object.status),
        why: words::plain(&kept.object.reason),
    });
    Ok((conflicts.collect(), quarantined.collect()))
}

fn shown(hash: &str) -> String {
    hash.chars().take(SHOWN_OF_HASH).collect()
}

/// What a form says.
#[derive(serde::Deserialize)]
pub(super) struct Judged {
    judgement: Option<Judgement>,
    #[serde(default)]
    note: String,
    back: Option<String>,
}

/// `POST /refused/conflicts/{sop_instance_uid}/{refused_hash}/judge`.
pub(super) async fn judge_conflict(
    State(state): State<AppState>,
    caller: Caller,
    Path((uid, hash)): Path<(String, String)>,
    axum::Form(form): axum::Form<Judged>,
) -> Result<Response, HttpError> {
    let uid = uid.parse().map_err(|_| HttpError::NotFound)?;
    let judgement = form.judgement.unwrap_or(Judgement::Note);
    refused::judge_conflict(&state, &caller, &uid, &hash, judgement, &form.note).await?;
    Ok(see_other(local_path(form.back.as_deref())))
}

/// `POST /refused/quarantine/{id}/judge`.
pub(super) async fn judge_quarantined(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    axum::Form(form): axum::Form<Judged>,
) -> Result<Response, HttpError> {
    refused::judge_quarantined(&state, &caller, &id, &form.note).await?;
    Ok(see_other(local_path(form.back.as_deref())))
}
