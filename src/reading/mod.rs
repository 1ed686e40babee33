//! The pure reading core: who may read what, where a case has got to, what comes next, what the
//! outcome is (PATHWAYS.md).
//!
//! In: the events of a case, its policy, a command, an actor and the time. Out: more events or a
//! refusal, views that cannot hold what their reader must not see, and the place in the queue.
//! It must never see SQL, HTTP, DICOM, a clock or a random source: all of that is passed in.

mod actor;
mod chain;
mod command;
mod event;
mod policy;
mod refusal;
mod state;

pub use actor::{Actor, Role};
pub use chain::{
    ChainFault, ChainHead, ChainLink, Entry, GENESIS_HASH, RecordedEvent, canonical_json, event_hash,
    verify_chain,
};
pub use command::Command;
pub use event::{
    CaseImage, ClaimToken, CompleteReason, DeferReason, Event, FollowUp, ImageSet, OverruleReason, Rule, Slot,
};
pub use policy::{
    AiAbsent, AiRole, ArbitrationOn, ClockSettings, Finalisation, Never, Policy, PolicyError, PolicyRef,
    QaSettings, QaStratum, ReleaseMode, RevealMode, SHIPPED_IDS, SecondRead, TechnicalRecallRoute, VerifyBy,
};
pub use refusal::Refusal;
pub use state::{
    AddendumNote, AiRecord, CaseState, Claim, Conclusion, FoldError, Hold, Overrule, QaDraw, Read,
    ReadVersion,
};
