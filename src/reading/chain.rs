//! The chain that makes the events tamper-evident (PATHWAYS R18).
//!
//! In: an event with its place, and the hash before it. Out: the sealed text and its hash, or
//! the first fault of a chain. The hash is taken over the text as it is stored, so that no
//! number has to survive a second formatting.

use sha2::{Digest, Sha256};

use crate::vocab::{CaseId, Timestamp};

use super::actor::Actor;
use super::event::Event;
use super::policy::PolicyRef;

/// `prev_hash` of the first event of a chain.
pub const GENESIS_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An event in its place in the one chain of a data directory.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedEvent {
    /// What was sealed.
    pub entry: Entry,
    /// Canonical JSON of `entry`: what is stored and what the hash is of.
    pub text: String,
    /// Hash of the event before, over all cases.
    pub prev_hash: String,
    /// SHA-256 (hexadecimal) of `prev_hash`, a line feed, and `text`.
    pub hash: String,
}

/// The fields that are sealed.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Place in the chain over all cases, from 1, without gaps.
    pub position: u64,
    /// Which case.
    pub case_id: CaseId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Under which policy.
    pub policy: PolicyRef,
    /// What.
    pub event: Event,
}

/// The end of a chain: what a later verification is held against.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ChainHead {
    /// Place of the last event; 0 for an empty chain.
    pub position: u64,
    /// Its hash.
    pub hash: String,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self { position: 0, hash: GENESIS_HASH.to_owned() }
    }
}

/// A stored link: the columns beside the text are held against it too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainLink {
    /// Column `position`.
    pub position: u64,
    /// Column `case_id`.
    pub case_id: CaseId,
    /// The sealed text.
    pub text: String,
    /// Column `prev_hash`.
    pub prev_hash: String,
    /// Column `hash`.
    pub hash: String,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// The text, or a column beside it, is not what was sealed.
    #[error("event {position} was edited")]
    Edited {
        /// Where.
        position: u64,
    },
    /// Events are missing.
    #[error("event {expected} is missing; {found} comes next")]
    Gap {
        /// What should be here.
        expected: u64,
        /// What is here.
        found: u64,
    },
    /// An event that comes too late, or twice.
    #[error("event {found} stands where {expected} should be")]
    Reordered {
        /// What should be here.
        expected: u64,
        /// What is here.
        found: u64,
    },
    /// The hash before is not that of the event before.
    #[error("event {position} does not follow from the one before it")]
    Broken {
        /// Where.
        position: u64,
    },
    /// The chain ends before the head that was noted.
    #[error("the chain ends at {found}; it reached {expected} before")]
    Truncated {
        /// The noted head.
        expected: u64,
        /// The end.
        found: u64,
    },
    /// At the noted head stands another event: everything was sealed anew.
    #[error("the chain was rewritten at or before event {position}")]
    Rewritten {
        /// The noted head.
        position: u64,
    },
}

/// JSON with the keys of every object in order of their bytes, without white space.
pub fn canonical_json<T: serde::Serialize>(value: &T) -> String {
    fn sort(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, sort(v))).collect();
                pairs.sort_by(|a, b| a.0.cmp(&b.0));
                serde_json::Value::Object(pairs.into_iter().collect())
            }
            serde_json::Value::Array(items) => {
                serde_json::Value::Array(items.into_iter().map(sort).collect())
            }
            plain => plain,
        }
    }
    let value = serde_json::to_value(value).expect("our own types have text keys and no failing parts");
    sort(value).to_string()
}

/// SHA-256 (hexadecimal) of the hash before, a line feed, and the sealed text.
pub fn event_hash(prev_hash: &str, text: &str) -> String {
    let mut hasher = Sha256::new();
    hasher.update(prev_hash.as_bytes());
    hasher.update(b"\n");
    hasher.update(text.as_bytes());
    hex::encode(hasher.finalize())
}

impl RecordedEvent {
    /// Seals the next event of the chain that ends in `head`; `entry.position` is set here.
    pub fn seal(head: &ChainHead, mut entry: Entry) -> RecordedEvent {
        entry.position = head.position.saturating_add(1);
        let text = canonical_json(&entry);
        let hash = event_hash(&head.hash, &text);
        RecordedEvent { entry, text, prev_hash: head.hash.clone(), hash }
    }

    /// Reads a stored link back.
    ///
    /// # Errors
    /// When the text is not an entry, which `verify_chain` reports as an edit.
    pub fn read(link: ChainLink) -> Result<RecordedEvent, serde_json::Error> {
        let entry = serde_json::from_str(&link.text)?;
        Ok(RecordedEvent { entry, text: link.text, prev_hash: link.prev_hash, hash: link.hash })
    }

    /// What is stored.
    pub fn link(&self) -> ChainLink {
        ChainLink {
            position: self.entry.position,
            case_id: self.entry.case_id,
            text: self.text.clone(),
            prev_hash: self.prev_hash.clone(),
            hash: self.hash.clone(),
        }
    }

    /// The head of a chain that ends in this event.
    pub fn head(&self) -> ChainHead {
        ChainHead { position: self.entry.position, hash: self.hash.clone() }
    }
}

/// A walk along a chain in the order of its positions, from the first: one link after another, holding none.
#[derive(Debug, Default)]
pub struct ChainWalk {
    head: ChainHead,
    noted: Vec<ChainHead>,
}

impl ChainWalk {
    /// A walk held against heads that were written down earlier, outside the chain; without one a cut-off end, or a
    /// chain sealed anew as a whole, cannot be seen.
    pub fn against(noted: impl IntoIterator<Item = ChainHead>) -> Self {
        Self { head: ChainHead::default(), noted: noted.into_iter().collect() }
    }

    /// Takes the next link.
    ///
    /// # Errors
    /// What is wrong with it; the walk is over.
    pub fn step(&mut self, link: ChainLink) -> Result<(), ChainFault> {
        let expected = self.head.position.saturating_add(1);
        let position = link.position;
        if position > expected {
            return Err(ChainFault::Gap { expected, found: position });
        }
        if position < expected {
            return Err(ChainFault::Reordered { expected, found: position });
        }
        if link.hash != event_hash(&link.prev_hash, &link.text) {
            return Err(ChainFault::Edited { position });
        }
        if link.prev_hash != self.head.hash {
            return Err(ChainFault::Broken { position });
        }
        match serde_json::from_str::<Entry>(&link.text) {
            Ok(entry) if entry.position == position && entry.case_id == link.case_id => {}
            Ok(_) | Err(_) => return Err(ChainFault::Edited { position }),
        }
        self.head = ChainHead { position, hash: link.hash };
        if self.noted.iter().any(|noted| noted.position == position && noted.hash != self.head.hash) {
            return Err(ChainFault::Rewritten { position });
        }
        Ok(())
    }

    /// Where the walk has got to.
    pub fn head(&self) -> &ChainHead {
        &self.head
    }

    /// The end of the chain.
    ///
    /// # Errors
    /// A noted head lies beyond it.
    pub fn end(self) -> Result<ChainHead, ChainFault> {
        match self.noted.iter().find(|noted| noted.position > self.head.position) {
            Some(noted) => Err(ChainFault::Truncated { expected: noted.position, found: self.head.position }),
            None => Ok(self.head),
        }
    }
}

/// Walks a whole chain that is at hand; see [`ChainWalk`].
///
/// # Errors
/// The first fault.
pub fn verify_chain(
    links: impl IntoIterator<Item = ChainLink>,
    noted: Option<&ChainHead>,
) -> Result<ChainHead, ChainFault> {
    let mut walk = ChainWalk::against(noted.cloned());
    links.into_iter().try_for_each(|link| walk.step(link))?;
    walk.end()
}
