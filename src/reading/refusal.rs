//! Why a command was not granted: a stable code for programs, plain words for people.
//!
//! The words go to readers who are still blind, so none of them says what anyone else,
//! or the AI, thinks of the case (PATHWAYS R5).

use crate::vocab::{CaseId, Timestamp};

use super::actor::Role;
use super::policy::PolicyRef;

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The case keeps another policy (R19).
    #[error("the case is read under {kept}, not under {offered}")]
    WrongPolicy {
        /// What it started with.
        kept: PolicyRef,
        /// What was passed.
        offered: PolicyRef,
    },
    /// Not in that role.
    #[error("this is not for a {role}")]
    RoleNotAllowed {
        /// The actor's role.
        role: Role,
    },
    /// Only a person may do this.
    #[error("only a person may do this")]
    NotAPerson,
    /// Only the service or the AI may do this.
    #[error("people do not do this by hand")]
    NotForPeople,
    /// A newer image set took its place (R11).
    #[error("new images came: this case has been replaced by another")]
    Superseded {
        /// The new case.
        by_case: CaseId,
    },
    /// Deferred or waiting for priors (R8).
    #[error("the case is on hold")]
    OnHold,
    /// It is not on such a hold.
    #[error("the case is not on that hold")]
    NotOnHold,
    /// Someone else has it open (R7).
    #[error("another reader has this case open")]
    ClaimedByAnother {
        /// Until when, unless they go on.
        until: Timestamp,
    },
    /// The actor has it open already, under another token.
    #[error("you have this case open already, perhaps in another window")]
    ClaimedByYou {
        /// Until when, unless renewed.
        until: Timestamp,
    },
    /// The token is not that of the present claim (R7).
    #[error("your hold on this case has ended; open it again")]
    ClaimLost,
    /// The actor has read the case (R1).
    #[error("you have read this case already")]
    AlreadyRead,
    /// The actor has seen what others said, so can't read it blind (R5).
    #[error("you have seen what others said of this case")]
    NotBlind,
    /// The actor took part and can't settle it alone (R2).
    #[error("you read this case, so you can settle it only as one of a panel")]
    PanelNeeded,
    /// Nothing is to be read now.
    #[error("this case is not waiting for a read")]
    NothingToRead,
    /// The claim is for another kind of read.
    #[error("the case was opened for another kind of read")]
    WrongSlot,
    /// Within the guard time after loading (R13).
    #[error("that was within {seconds} seconds of opening the case; it was not recorded")]
    AccidentalClick {
        /// The guard, seconds.
        seconds: u32,
    },
    /// Images beyond the standard views were not looked at (R12).
    #[error("{count} of the images have not been opened yet")]
    ImagesNotOpened {
        /// How many.
        count: usize,
    },
    /// An image that the case does not have.
    #[error("that image is not part of this case")]
    UnknownImage,
    /// A mark beyond the edges of its image.
    #[error("a mark does not lie on its image")]
    MarkOutside,
    /// The finding says one side, its mark or the words another.
    #[error("the sides contradict each other: {problem}")]
    SidesContradict {
        /// Which of them.
        problem: String,
    },
    /// The opinion is for another pathway, or lacks what it needs.
    #[error("the opinion is not complete: {problem}")]
    OpinionIncomplete {
        /// What is wrong.
        problem: &'static str,
    },
    /// No such read of the actor.
    #[error("you have no such read on this case")]
    NoSuchRead,
    /// The own read has no such finding, or the outcome went against it.
    #[error("that is no finding of your read that stands")]
    NoSuchFinding,
    /// It was acted on (X7: once for each finding of a case).
    #[error("the referrer has been told of that already")]
    AlreadyTold,
    /// The id of a read is in use.
    #[error("a read with that id is there already")]
    ReadIdTaken,
    /// The read counts already (R4).
    #[error("the read is final; write an addendum, or ask a lead to reopen the case")]
    AlreadyFinal,
    /// The policy shows nothing before the conclusion (R6).
    #[error("under this policy nothing is shown before the case has concluded")]
    RevealOff,
    /// Already shown.
    #[error("it has been shown already")]
    AlreadyRevealed,
    /// Nothing was shown, so there is nothing to keep or change.
    #[error("nothing has been shown yet")]
    NotRevealed,
    /// The AI has given its result for this image set.
    #[error("the AI has given its result already")]
    AiAlreadyResulted,
    /// There is no outcome yet.
    #[error("the case has no outcome yet")]
    NotConcluded,
    /// There is an outcome.
    #[error("the case has concluded")]
    AlreadyConcluded,
    /// Released already.
    #[error("the outcome has been released already")]
    AlreadyReleased,
    /// No finalised read yet.
    #[error("no read of this case counts yet")]
    NoFinalRead,
    /// There is one arbitration per image set (R1).
    #[error("the case has been arbitrated; write an addendum")]
    ArbitrationExists,
    /// The authors don't fit the rules (R2).
    #[error("the authors of the arbitration do not fit: {problem}")]
    WrongAuthors {
        /// What is wrong.
        problem: &'static str,
    },
    /// No reason for overruling the AI is owed.
    #[error("no reason for overruling the AI is owed")]
    NoReasonOwed,
    /// A reason or text is missing.
    #[error("a reason is needed")]
    ReasonNeeded,
}

impl Refusal {
    /// Stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::WrongPolicy { .. } => "wrong_policy",
            Refusal::RoleNotAllowed { .. } => "role_not_allowed",
            Refusal::NotAPerson => "not_a_person",
            Refusal::NotForPeople => "not_for_people",
            Refusal::Superseded { .. } => "superseded",
            Refusal::OnHold => "on_hold",
            Refusal::NotOnHold => "not_on_hold",
            Refusal::ClaimedByAnother { .. } => "claimed_by_another",
            Refusal::ClaimedByYou { .. } => "claimed_by_you",
            Refusal::ClaimLost => "claim_lost",
            Refusal::AlreadyRead => "already_read",
            Refusal::NotBlind => "not_blind",
            Refusal::PanelNeeded => "panel_needed",
            Refusal::NothingToRead => "nothing_to_read",
            Refusal::WrongSlot => "wrong_slot",
            Refusal::AccidentalClick { .. } => "accidental_click",
            Refusal::ImagesNotOpened { .. } => "images_not_opened",
            Refusal::UnknownImage => "unknown_image",
            Refusal::MarkOutside => "mark_outside",
            Refusal::SidesContradict { .. } => "sides_contradict",
            Refusal::OpinionIncomplete { .. } => "opinion_incomplete",
            Refusal::NoSuchRead => "no_such_read",
            Refusal::NoSuchFinding => "no_such_finding",
            Refusal::AlreadyTold => "already_told",
            Refusal::ReadIdTaken => "read_id_taken",
            Refusal::AlreadyFinal => "already_final",
            Refusal::RevealOff => "reveal_off",
            Refusal::AlreadyRevealed => "already_revealed",
            Refusal::NotRevealed => "not_revealed",
            Refusal::AiAlreadyResulted => "ai_already_resulted",
            Refusal::NotConcluded => "not_concluded",
            Refusal::AlreadyConcluded => "already_concluded",
            Refusal::AlreadyReleased => "already_released",
            Refusal::NoFinalRead => "no_final_read",
            Refusal::ArbitrationExists => "arbitration_exists",
            Refusal::WrongAuthors { .. } => "wrong_authors",
            Refusal::NoReasonOwed => "no_reason_owed",
            Refusal::ReasonNeeded => "reason_needed",
        }
    }
}
