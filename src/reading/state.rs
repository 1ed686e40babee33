//! Where a case has got to: a fold over its events (PATHWAYS R18).
//!
//! In: events in their order. Out: a [`CaseState`]. Nothing here decides; see `decide` and `route`.

use std::collections::{BTreeMap, BTreeSet};

use crate::vocab::{
    AiResult, CaseId, FindingCode, Laterality, MammoView, Opinion, Pathway, ReadId, SopInstanceUid,
    Timestamp, UserId,
};

use super::event::{ClaimToken, DeferReason, Event, ImageSet, Rule, Slot};
use super::policy::{PolicyRef, RevealMode};
use super::read::{Read, ReadVersion};

/// Why events are not the history of one case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// There is no event.
    #[error("the case has no events")]
    Empty,
    /// The first event does not open the case.
    #[error("the first event does not open the case")]
    NotOpened,
    /// A later event opens it once more.
    #[error("the case is opened twice")]
    OpenedTwice,
    /// An event names a read that was not locked.
    #[error("an event names a read that is not there")]
    UnknownRead,
}

/// A reader holds the case (R7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub by: UserId,
    /// For which read.
    pub slot: Slot,
    /// Proof.
    pub token: ClaimToken,
    /// When it was opened.
    pub at: Timestamp,
    /// Until when, as far as the events tell; heartbeats move it (see [`CaseState::lay_lease`]).
    pub expires_at: Timestamp,
}

/// Why the case is in no queue though it still owes an outcome (R8).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "hold", rename_all = "snake_case")]
pub enum Hold {
    /// Until someone undoes it.
    Deferred {
        /// Coded reason.
        reason: DeferReason,
        /// In words.
        note: String,
        /// Since when.
        since: Timestamp,
    },
    /// Until they come or the wait ends.
    AwaitingPriors {
        /// Since when.
        since: Timestamp,
        /// When the wait ends by itself.
        until: Timestamp,
    },
}

/// The AI's result as the case has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AiRecord {
    /// What it said.
    pub result: AiResult,
    /// When it came.
    pub at: Timestamp,
    /// Whether it came after the case had gone on without it (R14).
    pub late: bool,
}

/// What the QA sampler said (R16).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct QaDraw {
    /// Which stratum.
    pub stratum: String,
    /// Its rate.
    pub probability: f64,
    /// Whether the case gets a second read.
    pub drawn: bool,
}

/// An outcome.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Conclusion {
    /// From 1.
    pub number: u32,
    /// What it is, with addenda.
    pub outcome: Opinion,
    /// The reads that it comes from, the one whose opinion it is first.
    pub sources: Vec<ReadId>,
    /// Why.
    pub rule: Rule,
    /// When.
    pub at: Timestamp,
}

/// Whether a reason for overruling the AI is owed (M9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrule {
    /// The AI was not overruled.
    #[default]
    None,
    /// It was, and nobody has said why.
    Owed,
    /// It was, and the reason is kept.
    Reasoned,
}

/// A change after a read counted (R4).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AddendumNote {
    /// Who.
    pub by: UserId,
    /// Why.
    pub reason: String,
    /// In words.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// The outcome from then on, if it changed.
    pub opinion: Option<Opinion>,
}

/// Everything that the events of a case come to.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseState {
    /// Which case.
    pub case_id: CaseId,
    /// The policy that it keeps (R19).
    pub policy: PolicyRef,
    /// Its images.
    pub set: ImageSet,
    /// The QA sampler's number.
    pub qa_number: f64,
    /// When it was opened as a case.
    pub opened_at: Timestamp,
    /// What the AI said.
    pub ai: Option<AiRecord>,
    /// When the case went on without the AI.
    pub ai_absent_at: Option<Timestamp>,
    /// Who has it open.
    pub claim: Option<Claim>,
    /// When each person first loaded it (R13).
    pub first_loads: BTreeMap<UserId, Timestamp>,
    /// Which images each person opened or acknowledged (R12).
    pub acknowledged: BTreeMap<UserId, BTreeSet<SopInstanceUid>>,
    /// Who left it for others (R8).
    pub skipped: BTreeSet<UserId>,
    /// Who has been shown others' opinions, and so can no longer read it blind.
    pub shown: BTreeSet<UserId>,
    /// Deferred or waiting.
    pub hold: Option<Hold>,
    /// All reads, the oldest first.
    pub reads: Vec<Read>,
    /// The QA sampler's verdict.
    pub qa: Option<QaDraw>,
    /// Whether a second person is to read, and why.
    pub second_due: Option<Rule>,
    /// Whether that is a possible miss, raised in priority (X3).
    pub raised: bool,
    /// Whether one more person is to read after two normal reads, and why.
    pub third_due: Option<Rule>,
    /// Whether an arbitration is to settle it, and why.
    pub arbitration_due: Option<Rule>,
    /// Findings, with their sides, that the referrer was told of, and the read in whose name (X7).
    pub urgent_acted: BTreeMap<(FindingCode, Option<Laterality>), ReadId>,
    /// The outcome that stands.
    pub conclusion: Option<Conclusion>,
    /// Outcomes so far, also those of before a reopening.
    pub conclusions: u32,
    /// Outcomes that left for the record.
    pub releases: u32,
    /// Whether the standing outcome, as it is now, has left.
    pub released: bool,
    /// Whether a reason for overruling the AI is owed.
    pub overrule: Overrule,
    /// Addenda, the oldest first.
    pub addenda: Vec<AddendumNote>,
    /// Whether it was reopened.
    pub reopened: bool,
    /// The case that took its place.
    pub superseded_by: Option<CaseId>,
}

impl CaseState {
    /// The state that a history comes to.
    ///
    /// # Errors
    /// When the events are not the history of one case.
    pub fn fold<'a>(
        case_id: CaseId,
        events: impl IntoIterator<Item = (Timestamp, &'a Event)>,
    ) -> Result<CaseState, FoldError> {
        let mut events = events.into_iter();
        let (at, first) = events.next().ok_or(FoldError::Empty)?;
        let mut state = CaseState::open(case_id, at, first)?;
        for (at, event) in events {
            state.apply(at, event)?;
        }
        Ok(state)
    }

    /// The state after the first event.
    ///
    /// # Errors
    /// When that event does not open a case.
    pub fn open(case_id: CaseId, at: Timestamp, event: &Event) -> Result<CaseState, FoldError> {
        let Event::CaseOpened { set, policy, qa_number } = event else { return Err(FoldError::NotOpened) };
        Ok(CaseState {
            case_id,
            policy: policy.clone(),
            set: set.clone(),
            qa_number: *qa_number,
            opened_at: at,
            ai: None,
            ai_absent_at: None,
            claim: None,
            first_loads: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            skipped: BTreeSet::new(),
            shown: BTreeSet::new(),
            hold: None,
            reads: Vec::new(),
            qa: None,
            second_due: None,
            raised: false,
            third_due: None,
            arbitration_due: None,
            urgent_acted: BTreeMap::new(),
            conclusion: None,
            conclusions: 0,
            releases: 0,
            released: false,
            overrule: Overrule::None,
            addenda: Vec::new(),
            reopened: false,
            superseded_by: None,
        })
    }

    /// Lays the lease of the present claim, as heartbeats have moved it, over what the events tell.
    ///
    /// The store keeps the lease in a row of its own; a lease of another token is left aside.
    pub fn lay_lease(&mut self, token: ClaimToken, expires_at: Timestamp) {
        if let Some(claim) = self.claim.as_mut().filter(|claim| claim.token == token) {
            claim.expires_at = expires_at;
        }
    }

    /// The state after one more event.
    ///
    /// # Errors
    /// When the event can't belong to this case.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), FoldError> {
        match event {
            Event::CaseOpened { .. } => return Err(FoldError::OpenedTwice),
            Event::AiResulted { result, late } => {
                self.ai = Some(AiRecord { result: (**result).clone(), at, late: *late });
            }
            Event::AiDeadlinePassed => self.ai_absent_at = Some(at),
            Event::Claimed { by, slot, token, expires_at } => {
                self.first_loads.entry(*by).or_insert(at);
                if *slot == Slot::Arbitration {
                    self.shown.insert(*by);
                }
                self.claim = Some(Claim { by: *by, slot: *slot, token: *token, at, expires_at: *expires_at });
            }
            Event::ClaimReleased { .. } | Event::ClaimExpired { .. } => self.claim = None,
            Event::Skipped { by } => {
                self.claim = None;
                self.skipped.insert(*by);
            }
            Event::Deferred { reason, note } => {
                self.claim = None;
                self.hold = Some(Hold::Deferred { reason: *reason, note: note.clone(), since: at });
            }
            Event::PriorsAwaited { until } => {
                self.claim = None;
                self.hold = Some(Hold::AwaitingPriors { since: at, until: *until });
            }
            Event::DeferralUndone | Event::PriorsArrived | Event::PriorsExpired => self.hold = None,
            Event::ImagesAcknowledged { by, images } => {
                self.acknowledged.entry(*by).or_default().extend(images.iter().cloned());
            }
            Event::ReadLocked { read, by, slot, opinion, mode, reading_ms, comment } => {
                self.claim = None;
                let read = Read::locked(*read, [*by].into(), *slot, *mode, opinion, at, *reading_ms);
                self.reads.push(read.with_comment(comment));
            }
            Event::ArbitrationLocked { read, authors, dissent, opinion, note, reading_ms, overrule } => {
                self.claim = None;
                // Arbitration is done with everything in view; its mode says so.
                let mode = RevealMode::With;
                let mut arbitration =
                    Read::locked(*read, authors.clone(), Slot::Arbitration, mode, opinion, at, *reading_ms);
                arbitration.dissent = dissent.clone();
                arbitration.note = note.clone();
                arbitration.overrule = *overrule;
                self.reads.push(arbitration);
            }
            Event::Revealed { read, by, .. } => {
                self.read_mut(*read)?.revealed_at = Some(at);
                self.shown.insert(*by);
            }
            Event::ReadChanged { read, opinion, after_reveal, comment, .. } => {
                let read = self.read_mut(*read)?;
                read.versions.push(ReadVersion {
                    opinion: opinion.clone(),
                    at,
                    after_reveal: *after_reveal,
                    comment: comment.clone(),
                });
                comment.clone_into(&mut read.comment);
                read.current = opinion.clone();
                if !after_reveal {
                    read.blind = opinion.clone();
                }
            }
            Event::ReadKept { read } => self.read_mut(*read)?.kept_at = Some(at),
            Event::ReadFinalised { read, .. } => self.read_mut(*read)?.finalised_at = Some(at),
            Event::QaDrawn { stratum, probability, drawn } => {
                self.qa = Some(QaDraw { stratum: stratum.clone(), probability: *probability, drawn: *drawn });
            }
            Event::SecondReadDue { rule, raised } => {
                self.second_due = Some(*rule);
                self.raised = *raised;
            }
            Event::ThirdReadDue { rule } => self.third_due = Some(*rule),
            Event::ArbitrationDue { rule } => self.arbitration_due = Some(*rule),
            Event::UrgentActed { read, findings, asked, .. } => {
                self.note_urgent_act(*read, findings, asked.is_some());
            }
            Event::Concluded { number, outcome, sources, rule, ai_overruled } => {
                self.claim = None;
                self.arbitration_due = None;
                self.conclusions = *number;
                self.conclusion = Some(Conclusion {
                    number: *number,
                    outcome: outcome.clone(),
                    sources: sources.clone(),
                    rule: *rule,
                    at,
                });
                self.released = false;
                self.overrule = if *ai_overruled { Overrule::Owed } else { Overrule::None };
            }
            Event::OverruleReasoned { .. } => self.overrule = Overrule::Reasoned,
            Event::OrderReopened { .. } => {}
            Event::Released { number, .. } => {
                self.releases = *number;
                self.released = true;
            }
            Event::Addendum { by, reason, text, opinion } => {
                if let (Some(opinion), Some(conclusion)) = (opinion, self.conclusion.as_mut()) {
                    conclusion.outcome = opinion.clone();
                }
                // What is in the record is to be amended, by the words alone too.
                self.released = false;
                self.addenda.push(AddendumNote {
                    by: *by,
                    reason: reason.clone(),
                    text: text.clone(),
                    at,
                    opinion: opinion.clone(),
                });
            }
            Event::Reopened { .. } => {
                self.claim = None;
                self.conclusion = None;
                self.overrule = Overrule::None;
                self.reopened = true;
            }
            Event::Superseded { by_case, .. } => {
                self.claim = None;
                self.superseded_by = Some(*by_case);
            }
        }
        Ok(())
    }

    /// A read by its id.
    pub fn read(&self, id: ReadId) -> Option<&Read> {
        self.reads.iter().find(|read| read.id == id)
    }

    /// The read in a slot, whether it counts yet or not.
    pub fn read_in(&self, slot: Slot) -> Option<&Read> {
        self.reads.iter().find(|read| read.slot == slot)
    }

    /// The first, second or third read that this person gave (R1: at most one).
    pub fn own_read(&self, user: UserId) -> Option<&Read> {
        self.reads.iter().find(|read| read.slot != Slot::Arbitration && read.is_by(user))
    }

    /// The images that this person must still open or acknowledge (R12): all of them where the set has
    /// more than the standard views, none otherwise.
    pub fn images_to_open(&self, user: UserId) -> Vec<SopInstanceUid> {
        let images = &self.set.images;
        let standard = match self.set.pathway {
            Pathway::Chest => 1,
            Pathway::Mammo => {
                let has = |view| images.iter().any(|image| image.view == Some(view));
                MammoView::STANDARD.into_iter().filter(|view| has(*view)).count()
            }
        };
        if images.len() <= standard {
            return Vec::new();
        }
        let opened = self.acknowledged.get(&user);
        let is_open = |uid: &SopInstanceUid| opened.is_some_and(|opened| opened.contains(uid));
        images.iter().map(|image| &image.sop_instance_uid).filter(|uid| !is_open(uid)).cloned().collect()
    }

    fn read_mut(&mut self, id: ReadId) -> Result<&mut Read, FoldError> {
        self.reads.iter_mut().find(|read| read.id == id).ok_or(FoldError::UnknownRead)
    }
}
