//! What happens to a case, as it is kept: append-only, each with actor, time and policy (PATHWAYS R18).
//!
//! Acts of people, the AI and time, and the decisions of the rules that follow from them. A case's
//! state is a fold over these. Heartbeats of a claim are no events: they decide nothing (see `claim`).

use std::collections::BTreeSet;

use crate::vocab::{
    AiResult, CaseId, FindingCode, InadequateReason, MammoView, Opinion, Pathway, ReadId, SiteCode,
    SopInstanceUid, StudyInstanceUid, Timestamp, UserId, ViewRecall, coded_enum,
};

use super::policy::{PolicyRef, RevealMode};

/// Token of a claim: only who holds it may act under the claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ClaimToken(uuid::Uuid);

impl ClaimToken {
    /// A fresh token.
    #[expect(clippy::new_without_default, reason = "each call makes another value")]
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4())
    }
    /// A token from a number, for tests and reproducible demonstrations.
    pub const fn from_number(n: u128) -> Self {
        Self(uuid::Uuid::from_u128(n))
    }
}
impl std::fmt::Display for ClaimToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
impl std::str::FromStr for ClaimToken {
    type Err = crate::vocab::InvalidValue;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text)
            .map(Self)
            .map_err(|_| crate::vocab::InvalidValue { what: "claim token", problem: "is not a UUID" })
    }
}

coded_enum!(
    /// Which read of a case.
    Slot, "slot" {
        First = "first",
        Second = "second",
        /// One more read after two normal ones (policy `mammo-safety-net`).
        Third = "third",
        Arbitration = "arbitration",
    }
);

coded_enum!(
    /// The row of PATHWAYS that a decision came from; `D` rows are those of `mammo-double`, `S` of `mammo-safety-net`.
    Rule, "rule" {
        M1 = "M1", M2 = "M2", M3 = "M3", M4 = "M4", M5 = "M5", M6 = "M6", M7 = "M7", M8 = "M8", M9 = "M9", M10 = "M10",
        X1 = "X1", X2 = "X2", X3 = "X3", X4 = "X4", X5 = "X5", X6 = "X6", X8 = "X8",
        /// Two people always read.
        D1 = "D1",
        /// The AI's look after two normal reads.
        S1 = "S1",
        /// Case reopened: a fresh person or a panel decides (R4).
        R4 = "R4",
    }
);

coded_enum!(
    /// Why an image set counted as complete.
    CompleteReason, "reason for completeness" {
        /// Every expected view is in.
        ExpectedViews = "expected_views",
        /// Nothing came for the quiet time.
        QuietTime = "quiet_time",
        /// A person or the sender said so.
        Declared = "declared",
    }
);

coded_enum!(
    /// Why a case was taken out of all queues (PATHWAYS R8).
    DeferReason, "reason for deferral" {
        ClinicalQuestion = "clinical_question",
        IdentityConflict = "identity_conflict",
        ImagesMissing = "images_missing",
        Technical = "technical",
        ConflictOfInterest = "conflict_of_interest",
        Other = "other",
    }
);

coded_enum!(
    /// Why the AI was overruled (PATHWAYS M9).
    OverruleReason, "reason for overruling" {
        BenignFeature = "benign_feature",
        NormalAnatomy = "normal_anatomy",
        Unchanged = "unchanged_from_priors",
        Artefact = "artefact",
        MissedFinding = "missed_finding",
        ClinicalHistory = "clinical_history",
        NotSeen = "not_seen",
        Other = "other",
    }
);

coded_enum!(
    /// What an urgent finding sets off at once (PATHWAYS X7).
    FollowUp, "follow-up" {
        CtSameDay = "ct_same_day",
        /// The CT that an earlier finding of the case set off shows this one too.
        AlreadyOrdered = "already_ordered",
    }
);

/// An order and a message that the author of a read asks for once it counts (PATHWAYS X7).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// Who.
    pub by: UserId,
    /// Why, in words; it goes along with both.
    pub reason: String,
    /// Images that show it.
    #[serde(default)]
    pub key_images: Vec<SopInstanceUid>,
}

/// One image of a case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CaseImage {
    /// The instance.
    pub sop_instance_uid: SopInstanceUid,
    /// Its view, on the mammogram pathway, where it has one of the known views.
    #[serde(default)]
    pub view: Option<MammoView>,
}

/// An image set that is to be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageSet {
    /// The study.
    pub study_instance_uid: StudyInstanceUid,
    /// How it is read.
    pub pathway: Pathway,
    /// Where it was made.
    pub site: SiteCode,
    /// From 1; a later set of the same study supersedes the earlier (R11).
    pub number: u32,
    /// The case of the earlier set, if there was one.
    #[serde(default)]
    pub supersedes: Option<CaseId>,
    /// The images, in hanging order.
    pub images: Vec<CaseImage>,
    /// Why it counted as complete.
    pub complete_reason: CompleteReason,
    /// When the last image came; the clocks run from here (R14).
    pub last_image_at: Timestamp,
    /// Whether the order says urgent.
    pub urgent: bool,
}

/// Something that happened to a case.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// An image set became a case.
    CaseOpened {
        /// The images.
        set: ImageSet,
        /// The policy that the case keeps (R19).
        policy: PolicyRef,
        /// The number that the QA sampler drew for the case, 0 to below 1 (R16).
        qa_number: f64,
    },
    /// The AI's result came.
    AiResulted {
        /// What it said.
        result: Box<AiResult>,
        /// Whether it came after the case had gone on without it (R14).
        late: bool,
    },
    /// The AI's deadline passed without a result (M7, X5).
    AiDeadlinePassed,
    /// A reader opened the case and holds it for a while (R7).
    Claimed {
        /// Who.
        by: UserId,
        /// For which read.
        slot: Slot,
        /// Proof.
        token: ClaimToken,
        /// Until when, unless renewed.
        expires_at: Timestamp,
    },
    /// The reader closed the case without an opinion.
    ClaimReleased {
        /// Who.
        by: UserId,
    },
    /// The claim ran out.
    ClaimExpired {
        /// Whose.
        by: UserId,
    },
    /// The reader left the case for others (R8).
    Skipped {
        /// Who.
        by: UserId,
    },
    /// Taken out of all queues until undone (R8); the claim, if any, ends.
    Deferred {
        /// Coded reason.
        reason: DeferReason,
        /// In words.
        note: String,
    },
    /// Back in the queues.
    DeferralUndone,
    /// Waiting for earlier images (R8); the claim, if any, ends.
    PriorsAwaited {
        /// When the wait ends by itself.
        until: Timestamp,
    },
    /// The earlier images came.
    PriorsArrived,
    /// The wait ran out.
    PriorsExpired,
    /// The reader opened or acknowledged these images (R12).
    ImagesAcknowledged {
        /// Who.
        by: UserId,
        /// Which.
        images: BTreeSet<SopInstanceUid>,
    },
    /// A first, second or third opinion was locked; the claim ends.
    ReadLocked {
        /// The read.
        read: ReadId,
        /// Whose.
        by: UserId,
        /// Which.
        slot: Slot,
        /// What they said.
        opinion: Opinion,
        /// What they were shown and when (R6).
        mode: RevealMode,
        /// Milliseconds from opening to opinion.
        reading_ms: i64,
        /// In words, where they wrote some; it counts nowhere.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        comment: String,
    },
    /// The reader saw the AI result and earlier reads (R6).
    Revealed {
        /// After which own read.
        read: ReadId,
        /// Who.
        by: UserId,
        /// Whether an AI result was among it.
        ai_shown: bool,
        /// How many earlier reads were among it.
        reads_shown: u32,
    },
    /// The reader changed the read before it counted (R4); earlier versions are kept.
    ReadChanged {
        /// The read.
        read: ReadId,
        /// The new version, from 2.
        version: u32,
        /// What they say now.
        opinion: Opinion,
        /// Whether others' opinions had been revealed by then.
        after_reveal: bool,
        /// In words, where they wrote some.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        comment: String,
    },
    /// After a reveal the reader kept the opinion (R6).
    ReadKept {
        /// The read.
        read: ReadId,
    },
    /// The read counts from now on (R3).
    ReadFinalised {
        /// The read.
        read: ReadId,
        /// Whether the window passed, rather than the reader said so.
        by_window: bool,
    },
    /// The QA sampler's verdict on a concordant normal case (R16).
    QaDrawn {
        /// Which stratum.
        stratum: String,
        /// Its rate.
        probability: f64,
        /// Whether the case gets a second read.
        drawn: bool,
    },
    /// A second person is to read.
    SecondReadDue {
        /// Why.
        rule: Rule,
        /// Whether it is a possible miss, raised in priority (X3).
        raised: bool,
    },
    /// One more person is to read (policy `mammo-safety-net`).
    ThirdReadDue {
        /// Why.
        rule: Rule,
    },
    /// A third person or a panel is to settle it.
    ArbitrationDue {
        /// Why.
        rule: Rule,
    },
    /// The arbitration's opinion was locked; the claim ends.
    ArbitrationLocked {
        /// The read that it is kept as.
        read: ReadId,
        /// One person, or a panel.
        authors: BTreeSet<UserId>,
        /// Authors who did not agree.
        dissent: BTreeSet<UserId>,
        /// What they said.
        opinion: Opinion,
        /// In words.
        note: String,
        /// Milliseconds from opening to opinion.
        reading_ms: i64,
        /// Why, if it goes against the AI.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        overrule: Option<OverruleReason>,
    },
    /// The follow-up and the urgent message left at a finalised human read (X7).
    UrgentActed {
        /// The read that it comes from.
        read: ReadId,
        /// What was found.
        findings: Vec<FindingCode>,
        /// What was ordered.
        follow_up: FollowUp,
        /// What its author asked for after it counted; absent where the urgent marks of the read did it by themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked: Option<Asked>,
    },
    /// The case has an outcome (R17: from finalised human reads, always).
    Concluded {
        /// From 1; a reopened case concludes again.
        number: u32,
        /// The outcome.
        outcome: Opinion,
        /// The read whose opinion it is first, then those that agree with it.
        sources: Vec<ReadId>,
        /// Why.
        rule: Rule,
        /// Whether the people overruled the AI, so that a reason is owed (M9).
        ai_overruled: bool,
    },
    /// Why the AI was overruled (M9).
    OverruleReasoned {
        /// Coded reason.
        reason: OverruleReason,
        /// In words.
        note: String,
    },
    /// New images are asked for; the order is open again (X6, technical recall).
    OrderReopened {
        /// The read that asks.
        read: ReadId,
        /// Chest: why.
        #[serde(default)]
        inadequate: Option<InadequateReason>,
        /// Mammo: which views and why.
        #[serde(default)]
        views: Vec<ViewRecall>,
    },
    /// The outcome leaves for the record; an amended one has a higher number.
    Released {
        /// From 1.
        number: u32,
        /// What leaves.
        outcome: Opinion,
        /// The finalised human read that it comes from (R17).
        source: ReadId,
    },
    /// A change after the read counted (R4); the old outcome stays in the chain.
    Addendum {
        /// Who.
        by: UserId,
        /// Why.
        reason: String,
        /// In words.
        text: String,
        /// The outcome from now on, if it changes.
        #[serde(default)]
        opinion: Option<Opinion>,
    },
    /// The case is to be decided again by a fresh person or a panel (R4).
    Reopened {
        /// Who.
        by: UserId,
        /// Why.
        reason: String,
    },
    /// A newer image set took its place (R11); reads are kept, the claim ends.
    Superseded {
        /// The new case.
        by_case: CaseId,
        /// Whose claim ended, and who is to be told.
        claim_ended: Option<UserId>,
    },
}
