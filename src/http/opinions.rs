//! What pages and API share where an opinion is given: its sides are checked, then the case is asked.
//!
//! In: an opinion with its words. Out: what the case came to, or the refusal. The check is `reading`'s; here are
//! only the sizes and views of the stored images that it needs.

use std::collections::BTreeSet;

use super::caller::Caller;
use super::desk::{self, READS, RUNS};
use super::error::HttpError;
use super::opinion_form::LONGEST_COMMENT;
use super::state::AppState;
use crate::reading::{ClaimToken, Command, OverruleReason, ShownImage, check_sides};
use crate::store::{Acted, StoredCase};
use crate::vocab::{CaseId, FindingCode, Instance, Opinion, Pathway, ReadId, Side, SopInstanceUid, UserId};

/// What is said, in codes and in words.
pub(super) struct Said {
    /// The opinion.
    pub opinion: Opinion,
    /// Words beside it; they count nowhere.
    pub comment: String,
}

/// An arbitration as it is asked for.
pub(super) struct Settlement {
    /// What the authors say.
    pub said: Said,
    /// Who; the caller is one of them.
    pub authors: BTreeSet<UserId>,
    /// Who of them does not agree.
    pub dissent: BTreeSet<UserId>,
    /// Why, if it goes against the AI.
    pub overrule: Option<OverruleReason>,
}

/// Locks the caller's read of the case that they hold.
pub(super) async fn lock(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    token: ClaimToken,
    said: Said,
) -> Result<Acted, HttpError> {
    check(state, caller, case_id, &said).await?;
    let Said { opinion, comment } = said;
    let command = Command::LockRead { token, read: ReadId::new(), opinion, comment };
    desk::act(state, caller, READS, case_id, command).await
}

/// Changes the caller's read that does not count yet.
pub(super) async fn change(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    read: ReadId,
    said: Said,
) -> Result<Acted, HttpError> {
    check(state, caller, case_id, &said).await?;
    let Said { opinion, comment } = said;
    desk::act(state, caller, READS, case_id, Command::ChangeRead { read, opinion, comment }).await
}

/// Locks an arbitration.
pub(super) async fn settle(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    token: ClaimToken,
    settlement: Settlement,
) -> Result<Acted, HttpError> {
    check(state, caller, case_id, &settlement.said).await?;
    let Settlement { said, authors, dissent, overrule } = settlement;
    let Said { opinion, comment: note } = said;
    let read = ReadId::new();
    let command = Command::LockArbitration { token, read, opinion, authors, dissent, note, overrule };
    desk::act(state, caller, READS, case_id, command).await
}

/// Adds to, or changes, an outcome.
pub(super) async fn add(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    reason: String,
    text: String,
    opinion: Option<Opinion>,
) -> Result<Acted, HttpError> {
    if let Some(opinion) = &opinion {
        check(state, caller, case_id, &Said { opinion: opinion.clone(), comment: text.clone() }).await?;
    }
    desk::act(state, caller, RUNS, case_id, Command::Addendum { reason, text, opinion }).await
}

/// Has the second investigation ordered and the referrer told, beside the caller's read that counts.
pub(super) async fn act_now(
    state: &AppState,
    caller: &Caller,
    case_id: CaseId,
    read: ReadId,
    findings: BTreeSet<FindingCode>,
    reason: String,
    key_images: Vec<SopInstanceUid>,
) -> Result<Acted, HttpError> {
    if reason.chars().count() > LONGEST_COMMENT {
        return Err(too_long("reason"));
    }
    desk::act(state, caller, READS, case_id, Command::ActNow { read, findings, reason, key_images }).await
}

/// Words that are too long to go beside an opinion.
pub(super) fn too_long(what: &str) -> HttpError {
    HttpError::Refused {
        code: "comment_too_long",
        message: format!("the {what} is longer than {LONGEST_COMMENT} characters"),
    }
}

async fn check(state: &AppState, caller: &Caller, case_id: CaseId, said: &Said) -> Result<(), HttpError> {
    let case = desk::find(state, caller, case_id).await?;
    let instances = state.store.instances_of_study(&case.state.set.study_instance_uid).await?;
    Ok(check_sides(&shown_images(&case, &instances), &said.opinion, &said.comment)?)
}

/// The images of the case among those of its study, as far as a mark on them tells a side.
fn shown_images(case: &StoredCase, instances: &[Instance]) -> Vec<ShownImage> {
    let set = &case.state.set;
    set.images
        .iter()
        .filter_map(|image| {
            let instance = instances.iter().find(|one| one.sop_instance_uid == image.sop_instance_uid)?;
            let tags = &instance.tags;
            let chest = set.pathway == Pathway::Chest;
            Some(ShownImage {
                sop_instance_uid: image.sop_instance_uid.clone(),
                columns: tags.columns,
                rows: tags.rows,
                frames: tags.frames,
                breast: image.view.map(|view| view.side).filter(|_| !chest),
                left_edge: left_edge(&tags.view_position, &tags.patient_orientation).filter(|_| chest),
            })
        })
        .collect()
}

/// The side of the patient at the left edge of a chest film as it is stored (PS3.3 C.7.6.1.1.1): where the rows run to
/// is said by the first value of Patient Orientation; without it a frontal film hangs as if the patient faced whoever
/// looks at it.
fn left_edge(view_position: &str, patient_orientation: &str) -> Option<Side> {
    let frontal = matches!(view_position.trim(), "PA" | "AP");
    match patient_orientation.split('\\').next().map(str::trim).unwrap_or_default() {
        "" => frontal.then_some(Side::Right),
        rows if rows.starts_with('L') => frontal.then_some(Side::Right),
        rows if rows.starts_with('R') => frontal.then_some(Side::Left),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frontal_film_tells_its_sides_by_where_its_rows_run_to() {
        let table = [
            ("PA", "L\\F", Some(Side::Right)),
            ("AP", "R\\F", Some(Side::Left)),
            ("PA", "", Some(Side::Right)),
            ("PA", "A\\F", None),
            ("LL", "A\\F", None),
            ("", "L\\F", None),
        ];
        for (view, orientation, expected) in table {
            assert_eq!(left_edge(view, orientation), expected, "{view} {orientation}");
        }
    }
}
