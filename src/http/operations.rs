//! What needs a person, for pages and API: found and acted upon, within the caller's sites.

use super::caller::Caller;
use super::error::HttpError;
use super::state::AppState;
use crate::store::{
    FailedJob, InstanceConflict, JobKind, MessageRow, NewJob, OpenViewDisagreement, QuarantinedObject, Study,
};
use crate::vocab::{MessageId, StudyInstanceUid};

/// Everything that needs a person.
pub(super) struct Attention {
    pub dead_letters: Vec<MessageRow>,
    pub given_up: Vec<FailedJob>,
    pub held: Vec<Study>,
    pub conflicts: Vec<InstanceConflict>,
    pub quarantined: Vec<QuarantinedObject>,
    pub view_disagreements: Vec<OpenViewDisagreement>,
}

impl Attention {
    pub(super) fn is_empty(&self) -> bool {
        self.dead_letters.is_empty()
            && self.given_up.is_empty()
            && self.held.is_empty()
            && self.conflicts.is_empty()
            && self.quarantined.is_empty()
            && self.view_disagreements.is_empty()
    }
}

/// What needs a person at the caller's sites; work that was given up has no site and is shown to those who see all.
pub(super) async fn attention(state: &AppState, caller: &Caller) -> Result<Attention, HttpError> {
    let rows = state.settings.page_rows;
    let mut dead_letters = Vec::new();
    for letter in state.store.dead_letters(rows).await? {
        if caller.sites.is_empty() || letter_is_visible(state, caller, &letter).await? {
            dead_letters.push(letter);
        }
    }
    let given_up = if caller.sites.is_empty() { state.store.failed_jobs(rows).await? } else { Vec::new() };
    let mut held = state.store.held_studies(rows).await?;
    held.retain(|study| caller.may_see(&study.site));
    let mut conflicts = state.store.open_conflicts(rows).await?;
    conflicts.retain(|conflict| caller.may_see(&conflict.refused.site));
    let quarantined = super::refused::quarantine(state, caller, true).await?;
    let mut view_disagreements = state.store.open_view_disagreements(rows).await?;
    view_disagreements.retain(|found| caller.may_see(&found.site));
    Ok(Attention { dead_letters, given_up, held, conflicts, quarantined, view_disagreements })
}

async fn letter_is_visible(
    state: &AppState,
    caller: &Caller,
    letter: &MessageRow,
) -> Result<bool, HttpError> {
    Ok(state.store.case_row(letter.case_id).await?.is_some_and(|row| caller.may_see(&row.site)))
}

/// Tries a dead letter again.
pub(super) async fn retry(state: &AppState, caller: &Caller, message: MessageId) -> Result<(), HttpError> {
    let (letter, _) = state.store.message(message).await?.ok_or(HttpError::NotFound)?;
    if !letter_is_visible(state, caller, &letter).await? {
        return Err(HttpError::NotFound);
    }
    Ok(state.store.revive_message(message, state.clock.now()).await?)
}

/// Ends the hold of a study and has its image set judged anew.
pub(super) async fn release_study(
    state: &AppState,
    caller: &Caller,
    uid: &StudyInstanceUid,
) -> Result<(), HttpError> {
    let study = state.store.study(uid).await?.ok_or(HttpError::NotFound)?;
    if !caller.may_see(&study.site) || study.hold.is_none() {
        return Err(HttpError::NotFound);
    }
    let now = state.clock.now();
    state.store.release_study(uid, caller.user_id, now).await?;
    let job = NewJob { kind: JobKind::Assemble, subject: uid.to_string(), priority: 0, run_at: now };
    tracing::info!(user.id = %caller.user_id, "a held study was released");
    Ok(state.store.enqueue(job, now).await?)
}
