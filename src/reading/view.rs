//! What one person may see of a case: blindness as a type (PATHWAYS R5, R6).
//!
//! In: a state, its policy, who looks. Out: a view that cannot hold what that person must not
//! see: [`BlindView`] has no field for another read, for the AI, for which read is due, or for
//! anything counted from them. Pages, API and overlays are made from these views only.

use crate::vocab::{AiResult, CaseId, Opinion, ReadId, SopInstanceUid, Timestamp, UserId};

use super::actor::Role;
use super::discordance::{Comparison, compare_ai};
use super::draft::{NextStep, finalises_at, next_step};
use super::event::{ClaimToken, ImageSet};
use super::policy::{AiRole, Policy, PolicyRef, RevealMode};
use super::read::{Read, ReadVersion};
use super::state::{AddendumNote, CaseState, Conclusion, Overrule};
use super::urgent::ActOffer;

/// What a reader has of a case before the own opinion is locked.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct BlindView {
    /// Which case.
    pub case_id: CaseId,
    /// Its images and where they came from.
    pub set: ImageSet,
    /// How it is read.
    pub policy: PolicyRef,
    /// What is shown, and when.
    pub reveal: RevealMode,
    /// Seconds after opening in which no opinion is taken (R13).
    pub accidental_click_seconds: u32,
    /// The own claim, if the case is open here.
    pub claim: Option<OwnClaim>,
    /// Images that must still be opened or acknowledged (R12).
    pub images_to_open: Vec<SopInstanceUid>,
    /// Whether it is on hold; not why, for words may tell.
    pub on_hold: bool,
    /// The case that took its place, if one did (R11).
    pub superseded_by: Option<CaseId>,
}

/// The own claim.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct OwnClaim {
    /// Proof.
    pub token: ClaimToken,
    /// When the case was opened.
    pub opened_at: Timestamp,
    /// Until when, unless renewed.
    pub expires_at: Timestamp,
}

/// Assisted reading: the AI beside the images from the start, still no other person's read.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AssistedView {
    /// The case.
    pub case: BlindView,
    /// The AI.
    pub ai: Option<AiShown>,
}

/// The own read.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct OwnRead {
    /// Its id.
    pub id: ReadId,
    /// What they said blind.
    pub blind: Opinion,
    /// What they say now.
    pub current: Opinion,
    /// In words, as they stand now.
    pub comment: String,
    /// Every version.
    pub versions: Vec<ReadVersion>,
    /// When it was locked.
    pub locked_at: Timestamp,
    /// Since when it counts.
    pub finalised_at: Option<Timestamp>,
    /// When it will count by itself.
    pub finalises_at: Option<Timestamp>,
}

/// After the lock, before the reveal: the own read and nothing more.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LockedView {
    /// The case.
    pub case: BlindView,
    /// What they said.
    pub own: OwnRead,
    /// Whether they may ask to see the rest.
    pub may_reveal: bool,
    /// What they may still order and tell the referrer of (X7).
    pub may_act: Option<ActOffer>,
}

/// The AI's result as it is shown.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AiShown {
    /// What it said.
    pub result: AiResult,
    /// When.
    pub at: Timestamp,
    /// Whether it came after the case had gone on without it (R14).
    pub late: bool,
    /// How it compares with the own blind opinion, where there is one and the AI has a verdict.
    pub against_own: Option<Comparison>,
}

/// Everything, for those who are not, or no longer, to read it blind.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RevealedView {
    /// The case.
    pub case: BlindView,
    /// The own read, if there is one.
    pub own: Option<OwnRead>,
    /// All reads.
    pub reads: Vec<Read>,
    /// The AI.
    pub ai: Option<AiShown>,
    /// Whether the case went on without the AI.
    pub ai_absent_at: Option<Timestamp>,
    /// What it waits for.
    pub next: NextStep,
    /// Its outcome.
    pub conclusion: Option<Conclusion>,
    /// Whether a reason for overruling the AI is owed.
    pub overrule: Overrule,
    /// Addenda.
    pub addenda: Vec<AddendumNote>,
    /// Whether the outcome has left for the record.
    pub released: bool,
    /// What this person may still order and tell the referrer of (X7).
    pub may_act: Option<ActOffer>,
}

/// What one person may see of a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "view", rename_all = "snake_case")]
pub enum CaseView {
    /// Before the lock.
    Blind(Box<BlindView>),
    /// Before the lock, under assisted reading.
    Assisted(Box<AssistedView>),
    /// After the lock, before the reveal.
    Locked(Box<LockedView>),
    /// Everything.
    Revealed(Box<RevealedView>),
}

impl CaseView {
    /// The part that every view has.
    pub fn case(&self) -> &BlindView {
        match self {
            CaseView::Blind(case) => case,
            CaseView::Assisted(view) => &view.case,
            CaseView::Locked(view) => &view.case,
            CaseView::Revealed(view) => &view.case,
        }
    }

    /// The own read, if there is one.
    pub fn own(&self) -> Option<&OwnRead> {
        match self {
            CaseView::Blind(_) | CaseView::Assisted(_) => None,
            CaseView::Locked(view) => Some(&view.own),
            CaseView::Revealed(view) => view.own.as_ref(),
        }
    }

    /// What this person may still order and tell the referrer of.
    pub fn may_act(&self) -> Option<&ActOffer> {
        match self {
            CaseView::Blind(_) | CaseView::Assisted(_) => None,
            CaseView::Locked(view) => view.may_act.as_ref(),
            CaseView::Revealed(view) => view.may_act.as_ref(),
        }
    }

    /// The AI's result, where this person may see it (for overlays).
    pub fn ai(&self) -> Option<&AiShown> {
        match self {
            CaseView::Blind(_) | CaseView::Locked(_) => None,
            CaseView::Assisted(view) => view.ai.as_ref(),
            CaseView::Revealed(view) => view.ai.as_ref(),
        }
    }
}

/// What this person may see of the case.
pub fn view_for(user: UserId, role: Role, state: &CaseState, policy: &Policy) -> CaseView {
    let case = blind_view(user, state, policy);
    let own = state.own_read(user);
    if sees_everything(user, role, state) {
        let may_act = state.act_offer(user, true).filter(|_| role.may_read());
        return CaseView::Revealed(Box::new(revealed_view(case, own, may_act, state, policy)));
    }
    if let Some(own) = own {
        let may_reveal = policy.reveal != RevealMode::Off && state.superseded_by.is_none();
        return CaseView::Locked(Box::new(LockedView {
            case,
            own: own_read(own, state, policy),
            may_reveal,
            may_act: state.act_offer(user, false),
        }));
    }
    match policy.reveal {
        RevealMode::With => {
            CaseView::Assisted(Box::new(AssistedView { case, ai: ai_shown(None, state, policy) }))
        }
        RevealMode::Off | RevealMode::After => CaseView::Blind(Box::new(case)),
    }
}

/// Whether nothing of the case is kept from this person.
///
/// Those who may read are kept blind until they took part and were shown the rest, or until the
/// case has an outcome. A case that a newer image set replaced stays closed to them: the new one
/// is still to be read.
pub fn sees_everything(user: UserId, role: Role, state: &CaseState) -> bool {
    !role.may_read()
        || state.shown.contains(&user)
        || (state.conclusion.is_some() && state.superseded_by.is_none())
}

/// Whether this person may see the events of the case; they tell of QA draws, so that readers wait
/// for the outcome (R16).
pub fn may_see_events(role: Role, state: &CaseState) -> bool {
    !role.may_read() || (state.conclusion.is_some() && state.superseded_by.is_none())
}

fn blind_view(user: UserId, state: &CaseState, policy: &Policy) -> BlindView {
    let claim = state.claim.as_ref().filter(|claim| claim.by == user).map(|claim| OwnClaim {
        token: claim.token,
        opened_at: claim.at,
        expires_at: claim.expires_at,
    });
    BlindView {
        case_id: state.case_id,
        set: state.set.clone(),
        policy: state.policy.clone(),
        reveal: policy.reveal,
        accidental_click_seconds: policy.accidental_click_seconds,
        claim,
        images_to_open: state.images_to_open(user),
        on_hold: state.hold.is_some(),
        superseded_by: state.superseded_by,
    }
}

fn own_read(read: &Read, state: &CaseState, policy: &Policy) -> OwnRead {
    OwnRead {
        id: read.id,
        blind: read.blind.clone(),
        current: read.current.clone(),
        comment: read.comment.clone(),
        versions: read.versions.clone(),
        locked_at: read.locked_at,
        finalised_at: read.finalised_at,
        finalises_at: finalises_at(state, policy, read),
    }
}

fn revealed_view(
    case: BlindView,
    own: Option<&Read>,
    may_act: Option<ActOffer>,
    state: &CaseState,
    policy: &Policy,
) -> RevealedView {
    RevealedView {
        case,
        own: own.map(|read| own_read(read, state, policy)),
        reads: state.reads.clone(),
        ai: ai_shown(own, state, policy),
        ai_absent_at: state.ai_absent_at,
        next: next_step(state, policy),
        conclusion: state.conclusion.clone(),
        overrule: state.overrule,
        addenda: state.addenda.clone(),
        released: state.released,
        may_act,
    }
}

fn ai_shown(own: Option<&Read>, state: &CaseState, policy: &Policy) -> Option<AiShown> {
    ai_in_view(state, policy).map(|ai| AiShown {
        result: ai.result.clone(),
        at: ai.at,
        late: ai.late,
        against_own: own.and_then(|read| compare_ai(&ai.result, &read.blind, &state.set.images)),
    })
}

/// The AI's result, once the policy lets it look: a safety net only after two people did, and an
/// AI without a part in the routing only after the outcome.
pub(super) fn ai_in_view<'a>(state: &'a CaseState, policy: &Policy) -> Option<&'a super::state::AiRecord> {
    let looks = state.conclusion.is_some()
        || match policy.ai_role {
            AiRole::Routes => true,
            AiRole::SafetyNet => state.third_due.is_some(),
            AiRole::None => false,
        };
    state.ai.as_ref().filter(|_| looks)
}

/// How the AI stands, for a study's status.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AiStatus {
    /// Kept from a person who may still read the case.
    NotShown,
    /// No result yet.
    Pending {
        /// Its deadline.
        until: Timestamp,
    },
    /// No result by the deadline; the case goes on without the AI.
    Absent {
        /// Since when.
        since: Timestamp,
    },
    /// A result, which may also be why there is none (`not_processed`, `quality_fail`).
    Resulted {
        /// What it said.
        result: Box<AiResult>,
        /// When.
        at: Timestamp,
        /// Whether it came after the deadline.
        late: bool,
    },
}

/// The status of a case for radiographers and for other systems.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StudyStatusView {
    /// Which case.
    pub case_id: CaseId,
    /// Its image set.
    pub set: ImageSet,
    /// The AI.
    pub ai: AiStatus,
    /// What it waits for ([`NextStep::word`]); `open` for a person who may still read it.
    pub state: &'static str,
    /// The outcome, once there is one.
    pub outcome: Option<Opinion>,
    /// Whether it has left for the record.
    pub released: bool,
}

/// The status of a case for this person; never an AI result to someone who may still read it.
pub fn study_status(user: UserId, role: Role, state: &CaseState, policy: &Policy) -> StudyStatusView {
    let everything = sees_everything(user, role, state);
    let next = next_step(state, policy);
    let word = match next {
        NextStep::FirstRead
        | NextStep::Finalisation { .. }
        | NextStep::Ai { .. }
        | NextStep::SecondRead
        | NextStep::ThirdRead
        | NextStep::Arbitration
            if !everything =>
        {
            "open"
        }
        ref next => next.word(),
    };
    let ai = match (&state.ai, state.ai_absent_at) {
        _ if !everything => AiStatus::NotShown,
        (Some(ai), _) => AiStatus::Resulted { result: Box::new(ai.result.clone()), at: ai.at, late: ai.late },
        (None, Some(since)) => AiStatus::Absent { since },
        (None, None) => AiStatus::Pending { until: policy.ai_deadline(state.set.last_image_at) },
    };
    let outcome = state.conclusion.as_ref().filter(|_| everything).map(|c| c.outcome.clone());
    StudyStatusView {
        case_id: state.case_id,
        set: state.set.clone(),
        ai,
        state: word,
        outcome,
        released: everything && state.released,
    }
}
