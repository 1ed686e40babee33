//! What was refused at the door and kept for a person: objects that could not be read, and objects that contradict
//! one that was there first.
//!
//! In: who asks, and judgements. Out: both lists within the caller's sites, and recorded judgements. Never: a
//! judgement that replaces an object, or one that is given twice.

use super::caller::Caller;
use super::error::HttpError;
use super::state::AppState;
use crate::store::{InstanceConflict, QuarantinedObject};
use crate::vocab::{Instance, SopInstanceUid};

/// Longest note, in characters.
const LONGEST_NOTE: usize = 2_000;

/// What a person makes of two objects under one identifier. Neither is ever replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Judgement {
    /// The first object is the right one; the second stays refused.
    KeepFirst,
    /// Something else, which the note says.
    Note,
}

impl Judgement {
    fn code(self) -> &'static str {
        match self {
            Self::KeepFirst => "keep_first",
            Self::Note => "note",
        }
    }
}

/// Two objects under one identifier: the one that stands, and the one that was refused.
pub(super) struct Contradiction {
    pub first: Option<Instance>,
    pub conflict: InstanceConflict,
}

/// Objects that could not be read, within the caller's sites; those that nobody has judged first.
pub(super) async fn quarantine(
    state: &AppState,
    caller: &Caller,
    open_only: bool,
) -> Result<Vec<QuarantinedObject>, HttpError> {
    let rows = state.settings.page_rows;
    if caller.sites.is_empty() {
        return Ok(state.store.quarantine(None, open_only, rows).await?);
    }
    let mut found = Vec::new();
    for site in &caller.sites {
        found.extend(state.store.quarantine(Some(site), open_only, rows).await?);
    }
    found.sort_by_key(|kept| (kept.judged.is_some(), std::cmp::Reverse(kept.object.received_at)));
    Ok(found)
}

/// Records what a person made of an object that could not be read.
pub(super) async fn judge_quarantined(
    state: &AppState,
    caller: &Caller,
    content_hash: &str,
    note: &str,
) -> Result<(), HttpError> {
    let note = checked_note(note)?;
    if note.is_empty() {
        return Err(HttpError::BadRequest("say in the note what became of it".to_owned()));
    }
    let kept = state.store.quarantined_object(content_hash).await?.ok_or(HttpError::NotFound)?;
    if !caller.may_see(&kept.object.site) {
        return Err(HttpError::NotFound);
    }
    if kept.judged.is_some() {
        return Err(judged_before());
    }
    state.store.judge_quarantined(content_hash, caller.user_id, note, state.clock.now()).await?;
    tracing::info!(user.id = %caller.user_id, content_hash, "a refused object was judged");
    Ok(())
}

/// Contradictions that nobody has judged, within the caller's sites, oldest first.
pub(super) async fn contradictions(
    state: &AppState,
    caller: &Caller,
) -> Result<Vec<Contradiction>, HttpError> {
    let mut found = Vec::new();
    for conflict in state.store.open_conflicts(state.settings.page_rows).await? {
        if caller.may_see(&conflict.refused.site) {
            let first = state.store.instance(&conflict.refused.sop_instance_uid).await?;
            found.push(Contradiction { first, conflict });
        }
    }
    Ok(found)
}

/// Records what a person made of two objects under one identifier.
pub(super) async fn judge_conflict(
    state: &AppState,
    caller: &Caller,
    uid: &SopInstanceUid,
    refused_hash: &str,
    judgement: Judgement,
    note: &str,
) -> Result<(), HttpError> {
    let note = checked_note(note)?;
    let text = match (judgement, note) {
        (Judgement::Note, "") => {
            return Err(HttpError::BadRequest("say in the note what you decided".to_owned()));
        }
        (Judgement::KeepFirst, "") => judgement.code().to_owned(),
        (Judgement::KeepFirst | Judgement::Note, note) => format!("{}: {note}", judgement.code()),
    };
    let first = state.store.instance(uid).await?.ok_or(HttpError::NotFound)?;
    let conflicts = state.store.conflicts_of_instance(uid).await?;
    let conflict = conflicts.iter().find(|one| one.refused.content_hash == refused_hash);
    let conflict = conflict.ok_or(HttpError::NotFound)?;
    if !caller.may_see(&conflict.refused.site) || !caller.may_see(&first.site) {
        return Err(HttpError::NotFound);
    }
    if conflict.judged.is_some() {
        return Err(judged_before());
    }
    state.store.judge_conflict(uid, refused_hash, caller.user_id, &text, state.clock.now()).await?;
    tracing::info!(user.id = %caller.user_id, judgement = judgement.code(), "an instance conflict was judged");
    Ok(())
}

fn checked_note(note: &str) -> Result<&str, HttpError> {
    let note = note.trim();
    if note.chars().count() > LONGEST_NOTE {
        return Err(HttpError::BadRequest(format!("a note has at most {LONGEST_NOTE} characters")));
    }
    Ok(note)
}

fn judged_before() -> HttpError {
    HttpError::Conflict { code: "judged_before", message: "somebody has judged it already".to_owned() }
}
