//! What is asked of a case. In: the wish of a person, the AI or the clock. The answer is in `decide`.

use std::collections::BTreeSet;

use crate::vocab::{AiResult, CaseId, FindingCode, Opinion, ReadId, SopInstanceUid, UserId};

use super::event::{ClaimToken, DeferReason, OverruleReason};

/// A wish; `decide` grants or refuses it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Do what time has made due (see `next_timer`). By the service.
    Tick,
    /// Keep the AI's result. By the AI.
    RecordAi {
        /// What it said.
        result: Box<AiResult>,
    },
    /// Open the case for the read that is due (R7).
    Claim {
        /// Made by the caller, fresh.
        token: ClaimToken,
    },
    /// Close it without an opinion.
    ReleaseClaim {
        /// Proof.
        token: ClaimToken,
    },
    /// Close it and leave it for others (R8).
    Skip {
        /// Proof.
        token: ClaimToken,
    },
    /// Take it out of all queues (R8). By its claimant, a lead, or the service.
    Defer {
        /// Coded reason.
        reason: DeferReason,
        /// In words.
        note: String,
    },
    /// Put it back.
    UndoDeferral,
    /// Wait for earlier images (R8).
    AwaitPriors,
    /// They came.
    RecordPriors,
    /// These images were opened or acknowledged (R12).
    AcknowledgeImages {
        /// Proof.
        token: ClaimToken,
        /// Which.
        images: BTreeSet<SopInstanceUid>,
    },
    /// Lock an opinion.
    LockRead {
        /// Proof.
        token: ClaimToken,
        /// Made by the caller, fresh.
        read: ReadId,
        /// What the reader says.
        opinion: Opinion,
        /// In words, if they wish; it counts nowhere.
        comment: String,
    },
    /// See the AI result and earlier reads (R6).
    Reveal {
        /// The own locked read.
        read: ReadId,
    },
    /// Change the own read before it counts (R4).
    ChangeRead {
        /// Which.
        read: ReadId,
        /// What the reader says now.
        opinion: Opinion,
        /// In words, if they wish.
        comment: String,
    },
    /// Keep the own opinion after a reveal (R6).
    KeepRead {
        /// Which.
        read: ReadId,
    },
    /// Let the own read count now (R3).
    Finalise {
        /// Which.
        read: ReadId,
    },
    /// Lock the opinion of an arbitration.
    LockArbitration {
        /// Proof.
        token: ClaimToken,
        /// Made by the caller, fresh.
        read: ReadId,
        /// What they say.
        opinion: Opinion,
        /// One person, or a panel; the claimant is one of them.
        authors: BTreeSet<UserId>,
        /// Those of them who do not agree.
        dissent: BTreeSet<UserId>,
        /// In words.
        note: String,
        /// Why, if it goes against the AI; then no reason is owed afterwards.
        overrule: Option<OverruleReason>,
    },
    /// Order the second investigation and tell the referrer, of findings of the own read that counts already (X7).
    ActNow {
        /// Which.
        read: ReadId,
        /// Findings of it.
        findings: BTreeSet<FindingCode>,
        /// Why, in words.
        reason: String,
        /// Images that show it.
        key_images: Vec<SopInstanceUid>,
    },
    /// Say why the AI was overruled (M9).
    ReasonOverrule {
        /// Coded reason.
        reason: OverruleReason,
        /// In words.
        note: String,
    },
    /// Let a concluded outcome leave (policy `release = by_hand`).
    Release,
    /// Change or add after the read counted (R4).
    Addendum {
        /// Why.
        reason: String,
        /// In words.
        text: String,
        /// The outcome from now on, if it changes.
        opinion: Option<Opinion>,
    },
    /// Have the case decided again (R4). By a lead.
    Reopen {
        /// Why.
        reason: String,
    },
    /// A newer image set takes its place (R11). By the service.
    Supersede {
        /// The new case.
        by_case: CaseId,
    },
}
