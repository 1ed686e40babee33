//! What needs a person, for pages and API: found and acted upon, within the caller's sites.

use super::caller::Caller;
use super::desk::looking_role;
use super::error::HttpError;
use super::state::AppState;
use crate::reading::sees_everything;
use crate::store::{
    FailedJob, InstanceConflict, JobKind, MessageRow, NewJob, OpenViewDisagreement, QuarantinedObject, Study,
};
use crate::vocab::{MessageId, StudyInstanceUid};

/// Everything that needs a person.
pub(super) struct Attention {
    pub dead_letters: Vec<MessageRow>,
    /// How many more letters died of cases that the caller may still read: that one was owed would tell of another's read
    /// (PATHWAYS R5).
    pub kept_back: usize,
    pub given_up: Vec<FailedJob>,
    pub held: Vec<Study>,
    pub conflicts: Vec<InstanceConflict>,
    pub quarantined: Vec<QuarantinedObject>,
    pub view_disagreements: Vec<OpenViewDisagreement>,
}

impl Attention {
    pub(super) fn is_empty(&self) -> bool {
        self.dead_letters.is_empty()
            && self.kept_back == 0
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
    let (mut dead_letters, mut kept_back) = (Vec::new(), 0);
    for letter in state.store.dead_letters(rows).await? {
        match sight(state, caller, &letter).await? {
            Sight::Told => dead_letters.push(letter),
            Sight::KeptBack => kept_back += 1,
            Sight::Foreign => {}
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
    Ok(Attention { dead_letters, kept_back, given_up, held, conflicts, quarantined, view_disagreements })
}

/// What a caller may know of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Told,
    /// They may still read its case.
    KeptBack,
    /// It is of another site.
    Foreign,
}

async fn sight(state: &AppState, caller: &Caller, letter: &MessageRow) -> Result<Sight, HttpError> {
    let Some(case) = state.store.case(letter.case_id).await? else { return Ok(Sight::Foreign) };
    if !caller.may_see(&case.state.set.site) {
        return Ok(Sight::Foreign);
    }
    let told = sees_everything(caller.user_id, looking_role(caller), &case.state);
    Ok(if told { Sight::Told } else { Sight::KeptBack })
}

/// Tries a dead letter again.
pub(super) async fn retry(state: &AppState, caller: &Caller, message: MessageId) -> Result<(), HttpError> {
    let (letter, _) = state.store.message(message).await?.ok_or(HttpError::NotFound)?;
    if sight(state, caller, &letter).await? != Sight::Told {
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
