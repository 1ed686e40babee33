//! A case's history under another policy or threshold (PATHWAYS R19, the policy lab).
//!
//! In: the recorded events, a policy, perhaps a threshold. Out: the routing that the case would
//! have had. It works on copies: the live case is never touched.
//!
//! Acts (opinions, the AI's result, holds) are taken as they happened; decisions of the rules and
//! of the clock are made anew. A second read that the other policy would not have asked for is left
//! out; one that it would have asked for, but nobody gave, is what the case then waits for.

use crate::vocab::{AiOutcome, AiResult, CaseId, ReadId, Timestamp};

use super::draft::{Draft, NextStep, next_step, next_timer, open_slot};
use super::event::{Event, Slot};
use super::policy::Policy;
use super::state::{CaseState, FoldError};

/// What a history comes to under another policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The state at the conclusion, or at the end of the history and of every timer.
    pub state: CaseState,
    /// The decisions of rules and clock, in their order.
    pub decisions: Vec<Event>,
    /// What the case then waits for.
    pub next: NextStep,
}

/// Replays a history under `policy`; `threshold` (0 to 1) takes the place of the AI's own.
///
/// # Errors
/// When the events are not the history of one case.
pub fn replay<'a>(
    case_id: CaseId,
    events: impl IntoIterator<Item = (Timestamp, &'a Event)>,
    policy: &Policy,
    threshold: Option<f64>,
) -> Result<Replayed, FoldError> {
    let mut events = events.into_iter();
    let (at, first) = events.next().ok_or(FoldError::Empty)?;
    let mut state = CaseState::open(case_id, at, first)?;
    state.policy = policy.reference();
    let mut lab = Lab { draft: Draft::new(state, policy, at), withheld: Vec::new() };
    for (at, event) in events {
        lab.run_timers_until(Some(at))?;
        if lab.is_over() {
            break;
        }
        lab.draft.now = at;
        lab.take(event, threshold)?;
        lab.settle()?;
    }
    lab.run_timers_until(None)?;
    let next = next_step(&lab.draft.state, policy);
    let decisions = lab.draft.decided.into_iter().map(|decided| decided.event).collect();
    Ok(Replayed { state: lab.draft.state, decisions, next })
}

struct Lab<'a> {
    draft: Draft<'a>,
    /// Reads that were given, but that the other policy has not asked for yet, with what followed them.
    withheld: Vec<(ReadId, Slot, Vec<Event>)>,
}

impl Lab<'_> {
    fn is_over(&self) -> bool {
        self.draft.state.conclusion.is_some() || self.draft.state.superseded_by.is_some()
    }

    /// Lets time pass: each timer fires once, for each takes away its own cause.
    fn run_timers_until(&mut self, end: Option<Timestamp>) -> Result<(), FoldError> {
        while !self.is_over()
            && let Some(due) = next_timer(&self.draft.state, self.draft.policy)
            && end.is_none_or(|end| due <= end)
        {
            self.draft.now = due.max(self.draft.now);
            self.settle()?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), FoldError> {
        self.draft.settle();
        while !self.is_over()
            && let Some(slot) = open_slot(&self.draft.state)
            && let Some(place) = self.withheld.iter().position(|(_, withheld, _)| *withheld == slot)
        {
            let (_, _, acts) = self.withheld.remove(place);
            for act in &acts {
                self.draft.state.apply(self.draft.now, act)?;
            }
            self.draft.settle();
        }
        Ok(())
    }

    fn take(&mut self, event: &Event, threshold: Option<f64>) -> Result<(), FoldError> {
        match event {
            Event::AiResulted { result, .. } => {
                let result = Box::new(at_threshold(result, threshold));
                let late = self.draft.state.ai_absent_at.is_some();
                self.apply(&Event::AiResulted { result, late })
            }
            Event::ReadLocked { read, slot, .. } => self.take_read(*read, *slot, event),
            Event::ArbitrationLocked { read, .. } => self.take_read(*read, Slot::Arbitration, event),
            Event::Revealed { read, .. }
            | Event::ReadChanged { read, .. }
            | Event::ReadKept { read }
            | Event::ReadFinalised { read, by_window: false } => self.take_sequel(*read, event),
            Event::Deferred { .. }
            | Event::DeferralUndone
            | Event::PriorsAwaited { .. }
            | Event::PriorsArrived
            | Event::Reopened { .. }
            | Event::Superseded { .. } => self.apply(event),
            Event::CaseOpened { .. } => Err(FoldError::OpenedTwice),
            // Claims and acts on findings route nothing; the rest was decided by rules or clock, which decide anew.
            Event::Claimed { .. }
            | Event::ClaimReleased { .. }
            | Event::ClaimExpired { .. }
            | Event::Skipped { .. }
            | Event::ImagesAcknowledged { .. }
            | Event::AiDeadlinePassed
            | Event::PriorsExpired
            | Event::ReadFinalised { by_window: true, .. }
            | Event::QaDrawn { .. }
            | Event::SecondReadDue { .. }
            | Event::ThirdReadDue { .. }
            | Event::ArbitrationDue { .. }
            | Event::UrgentActed { .. }
            | Event::Concluded { .. }
            | Event::OverruleReasoned { .. }
            | Event::OrderReopened { .. }
            | Event::Released { .. }
            | Event::Addendum { .. } => Ok(()),
        }
    }

    fn apply(&mut self, event: &Event) -> Result<(), FoldError> {
        self.draft.state.apply(self.draft.now, event)
    }

    fn take_read(&mut self, read: ReadId, slot: Slot, event: &Event) -> Result<(), FoldError> {
        if slot == Slot::First || open_slot(&self.draft.state) == Some(slot) {
            return self.apply(event);
        }
        self.withheld.push((read, slot, vec![event.clone()]));
        Ok(())
    }

    /// What followed a read: with the read if that is withheld, left out if the read counts already.
    fn take_sequel(&mut self, read: ReadId, event: &Event) -> Result<(), FoldError> {
        if let Some((_, _, acts)) = self.withheld.iter_mut().find(|(withheld, _, _)| *withheld == read) {
            acts.push(event.clone());
            return Ok(());
        }
        match self.draft.state.read(read).map(|read| read.finalised_at) {
            Some(None) => self.apply(event),
            Some(Some(_)) | None => Ok(()),
        }
    }
}

/// The result as it would be at another threshold; one that was not scored stays what it is.
fn at_threshold(result: &AiResult, threshold: Option<f64>) -> AiResult {
    let mut result = result.clone();
    let (Some(threshold), Some(score)) = (threshold, result.score) else { return result };
    match result.outcome {
        AiOutcome::QualityFail { .. } | AiOutcome::NotProcessed(_) => return result,
        AiOutcome::Normal | AiOutcome::Abnormal => {}
    }
    result.outcome = if score >= threshold { AiOutcome::Abnormal } else { AiOutcome::Normal };
    result.threshold = Some(threshold);
    for breast in &mut result.breasts {
        breast.flagged = breast.score >= threshold;
    }
    result
}
