//! One read of a case, with every version of what was said (PATHWAYS R4, R6).

use std::collections::BTreeSet;

use crate::vocab::{Opinion, ReadId, Timestamp, UserId};

use super::event::{OverruleReason, Slot};
use super::policy::RevealMode;

/// One version of a read (R4).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReadVersion {
    /// What they said.
    pub opinion: Opinion,
    /// When.
    pub at: Timestamp,
    /// Whether others' opinions had been revealed by then.
    pub after_reveal: bool,
    /// In words, where they wrote some.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// One read of the case; an arbitration is kept as one too.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Read {
    /// Its id.
    pub id: ReadId,
    /// Who; of an arbitration, all authors.
    pub authors: BTreeSet<UserId>,
    /// Authors of an arbitration who did not agree.
    pub dissent: BTreeSet<UserId>,
    /// Which.
    pub slot: Slot,
    /// What they were shown and when.
    pub mode: RevealMode,
    /// What the reader said before anything of another read was revealed; routing and statistics use it.
    pub blind: Opinion,
    /// What the reader says now.
    pub current: Opinion,
    /// Every version, the first one first.
    pub versions: Vec<ReadVersion>,
    /// When the first version was locked.
    pub locked_at: Timestamp,
    /// Milliseconds from opening to opinion.
    pub reading_ms: i64,
    /// When the AI and earlier reads were shown to them.
    pub revealed_at: Option<Timestamp>,
    /// When they chose to keep the opinion after that.
    pub kept_at: Option<Timestamp>,
    /// Since when it counts.
    pub finalised_at: Option<Timestamp>,
    /// Words of an arbitration.
    pub note: String,
    /// Words of the reader, as they stand now.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Why an arbitration goes against the AI, where its authors said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrule: Option<OverruleReason>,
}

impl Read {
    /// Whether this person gave it, alone or with others.
    pub fn is_by(&self, user: UserId) -> bool {
        self.authors.contains(&user)
    }

    /// A read as it is locked.
    pub(super) fn locked(
        id: ReadId,
        authors: BTreeSet<UserId>,
        slot: Slot,
        mode: RevealMode,
        opinion: &Opinion,
        at: Timestamp,
        reading_ms: i64,
    ) -> Read {
        Read {
            id,
            authors,
            dissent: BTreeSet::new(),
            slot,
            mode,
            blind: opinion.clone(),
            current: opinion.clone(),
            versions: vec![ReadVersion {
                opinion: opinion.clone(),
                at,
                after_reveal: false,
                comment: String::new(),
            }],
            locked_at: at,
            reading_ms,
            revealed_at: None,
            kept_at: None,
            finalised_at: None,
            note: String::new(),
            comment: String::new(),
            overrule: None,
        }
    }

    /// The same with the words that came with the first version.
    pub(super) fn with_comment(mut self, comment: &str) -> Read {
        comment.clone_into(&mut self.comment);
        if let Some(first) = self.versions.first_mut() {
            comment.clone_into(&mut first.comment);
        }
        self
    }
}
