//! The pure reading core: who may read what, where a case has got to, what comes next, what the
//! outcome is (PATHWAYS.md).
//!
//! In: the events of a case, its policy, a command, an actor and the time. Out: more events or a
//! refusal, views that cannot hold what their reader must not see, and the place in the queue.
//! It must never see SQL, HTTP, DICOM, a clock or a random source: all of that is passed in.

mod actor;
mod chain;
mod command;
mod decide;
mod discordance;
mod draft;
mod event;
mod opinion_check;
mod order;
mod policy;
mod queue;
mod read;
mod refusal;
mod replay;
mod route;
mod sampler;
mod sides;
mod state;
mod urgent;
mod view;

pub use actor::{Actor, Role};
pub use chain::{
    ChainFault, ChainHead, ChainLink, ChainWalk, Entry, GENESIS_HASH, RecordedEvent, canonical_json,
    event_hash, verify_chain,
};
pub use command::Command;
pub use decide::{decide, is_offered, may_claim, open_case, renew_claim};
pub use discordance::{Comparison, compare_ai, compare_reads};
pub use draft::{Decided, NextStep, next_step, next_timer, open_slot};
pub use event::{
    Asked, CaseImage, ClaimToken, CompleteReason, DeferReason, Event, FollowUp, ImageSet, OverruleReason,
    Rule, Slot,
};
pub use order::{Imaged, OrderMatch, OrderedCase, OrderedStudy, match_order, order_state, same_patient};
pub use policy::{
    AiAbsent, AiRole, ArbitrationOn, ClockSettings, Finalisation, Never, Policy, PolicyError, PolicyRef,
    QaSettings, QaStratum, ReleaseMode, RevealMode, SHIPPED_IDS, SecondRead, TechnicalRecallRoute, VerifyBy,
};
pub use queue::{CaseSummary, ClockLevel, QueueRank, ai_warning, clock_level, due_at, queue_rank, summary};
pub use read::{Read, ReadVersion};
pub use refusal::Refusal;
pub use replay::{Replayed, replay};
pub use sampler::{OTHER_STRATUM, qa_number};
pub use sides::{ShownImage, check_sides};
pub use state::{AddendumNote, AiRecord, CaseState, Claim, Conclusion, FoldError, Hold, Overrule, QaDraw};
pub use urgent::ActOffer;
pub use view::{
    AiShown, AiStatus, AssistedView, BlindView, CaseView, LockedView, OwnClaim, OwnRead, RevealedView,
    StudyStatusView, may_see_events, sees_everything, study_status, view_for,
};

#[cfg(test)]
mod tests;
