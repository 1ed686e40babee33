//! What the rules and the clock do by themselves: finalisation, deadlines, routing, conclusion, release.
//!
//! In: a state, its policy, the time. Out: the events that follow, applied to the state as they
//! are made. All of them are the service's own acts; what people ask for is in `decide`.

use crate::vocab::{ChestOpinion, MammoOpinion, Opinion, ReadId, Timestamp};

use super::actor::Actor;
use super::discordance::compare_ai;
use super::event::{Event, Slot};
use super::policy::{AiRole, Finalisation, Policy, ReleaseMode};
use super::read::Read;
use super::route::{Route, route};
use super::sampler;
use super::state::{CaseState, Conclusion, Hold};

/// An event that was decided on, not recorded yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// Whose act it is.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

/// A state under change, with the events that changed it.
pub(super) struct Draft<'a> {
    pub(super) state: CaseState,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    pub(super) decided: Vec<Decided>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(state: CaseState, policy: &'a Policy, now: Timestamp) -> Self {
        Self { state, policy, now, decided: Vec::new() }
    }

    /// Takes an event down and applies it.
    pub(super) fn record(&mut self, actor: &Actor, event: Event) {
        self.state.apply(self.now, &event).expect("an event made from this state belongs to this case");
        self.decided.push(Decided { actor: actor.clone(), event });
    }

    fn follows(&mut self, event: Event) {
        self.record(&Actor::System, event);
    }

    /// Does everything that is due by the clock and by the rules.
    pub(super) fn settle(&mut self) {
        if self.state.superseded_by.is_some() {
            return;
        }
        self.run_timers();
        self.act_on_urgent_findings();
        if self.state.hold.is_some() {
            return;
        }
        while self.state.conclusion.is_none() && self.take_step() {}
        let at_once = self.policy.release == ReleaseMode::AtConclusion;
        if at_once && !self.state.released {
            self.release(&Actor::System);
        }
    }

    fn run_timers(&mut self) {
        if let Some(claim) = self.state.claim.as_ref().filter(|claim| claim.expires_at <= self.now) {
            let by = claim.by;
            self.follows(Event::ClaimExpired { by });
        }
        if let Some(Hold::AwaitingPriors { until, .. }) = self.state.hold
            && until <= self.now
        {
            self.follows(Event::PriorsExpired);
        }
        if ai_deadline(&self.state, self.policy).is_some_and(|at| at <= self.now) {
            self.follows(Event::AiDeadlinePassed);
        }
        let passed: Vec<ReadId> = self
            .state
            .reads
            .iter()
            .filter(|read| finalises_at(&self.state, self.policy, read).is_some_and(|at| at <= self.now))
            .map(|read| read.id)
            .collect();
        for read in passed {
            self.follows(Event::ReadFinalised { read, by_window: true });
        }
    }

    /// One step of the route; whether the state changed.
    fn take_step(&mut self) -> bool {
        let state = &self.state;
        let event = match route(state, self.policy) {
            Route::FirstRead | Route::Finalisation(_) | Route::Ai => return false,
            Route::Draw => {
                let (stratum, probability) = sampler::stratum(state, self.policy);
                Event::QaDrawn { stratum, probability, drawn: state.qa_number < probability }
            }
            Route::SecondRead { .. } if state.second_due.is_some() => return false,
            Route::SecondRead { rule, raised } => Event::SecondReadDue { rule, raised },
            Route::ThirdRead { .. } if state.third_due.is_some() => return false,
            Route::ThirdRead { rule } => Event::ThirdReadDue { rule },
            Route::Arbitration { .. } if state.arbitration_due.is_some() => return false,
            Route::Arbitration { rule } => Event::ArbitrationDue { rule },
            Route::Conclude { outcome, sources, rule } => {
                let ai_overruled = self.overrules_ai(&outcome);
                let number = state.conclusions.saturating_add(1);
                let ask = sources.first().and_then(|source| order_again(*source, &outcome));
                let said_why = sources.first().and_then(|source| state.read(*source)).and_then(|read| {
                    let reason = read.overrule.filter(|_| ai_overruled)?;
                    Some(Event::OverruleReasoned { reason, note: read.note.clone() })
                });
                self.follows(Event::Concluded { number, outcome, sources, rule, ai_overruled });
                if let Some(said_why) = said_why {
                    self.follows(said_why);
                }
                if let Some(ask) = ask {
                    self.follows(ask);
                }
                return true;
            }
        };
        self.follows(event);
        true
    }

    /// More than one person stands behind an outcome that differs from what the AI said in time (M9).
    fn overrules_ai(&self, outcome: &Opinion) -> bool {
        let several = self.state.reads.len() > 1;
        several
            && self.policy.ai_role != AiRole::None
            && self
                .state
                .ai
                .as_ref()
                .filter(|ai| !ai.late)
                .and_then(|ai| compare_ai(&ai.result, outcome, &self.state.set.images))
                .is_some_and(|comparison| comparison.discordant)
    }

    /// What an amended outcome sets off: new images, and action on findings that are newly urgent (X7).
    pub(super) fn follow_addendum(&mut self, opinion: &Opinion, standing: &Conclusion) {
        let Some(read) = standing.sources.first().copied() else { return };
        if let Some(ask) = order_again(read, opinion) {
            self.follows(ask);
        }
        self.tell_of_urgent_findings(read, opinion);
    }

    /// Lets the standing outcome leave; nothing without a conclusion from a finalised read (R17).
    pub(super) fn release(&mut self, actor: &Actor) {
        let Some(conclusion) = &self.state.conclusion else { return };
        let Some(source) = conclusion.sources.first().copied() else { return };
        let outcome = conclusion.outcome.clone();
        let number = self.state.releases.saturating_add(1);
        self.record(actor, Event::Released { number, outcome, source });
    }
}

/// New images are asked for where the outcome says so (X6, M5).
fn order_again(read: ReadId, outcome: &Opinion) -> Option<Event> {
    match outcome {
        Opinion::Chest(ChestOpinion::Inadequate { reason }) => {
            Some(Event::OrderReopened { read, inadequate: Some(*reason), views: Vec::new() })
        }
        Opinion::Mammo(MammoOpinion::TechnicalRecall { views }) => {
            Some(Event::OrderReopened { read, inadequate: None, views: views.clone() })
        }
        Opinion::Chest(ChestOpinion::Normal | ChestOpinion::Abnormal { .. })
        | Opinion::Mammo(MammoOpinion::Normal | MammoOpinion::Recall { .. }) => None,
    }
}

/// When a locked read will count by itself (R3); nothing where it counts already, or only by hand.
///
/// Urgent cases, and reads with an urgent finding, do not wait.
pub(super) fn finalises_at(state: &CaseState, policy: &Policy, read: &Read) -> Option<Timestamp> {
    if read.finalised_at.is_some() {
        return None;
    }
    if state.set.urgent || read.current.urgent_findings().next().is_some() {
        return Some(read.locked_at);
    }
    match policy.finalisation {
        Finalisation::Minutes(minutes) => Some(read.locked_at.plus_minutes(i64::from(minutes))),
        Finalisation::Never(_) => None,
    }
}

/// When the case will go on without the AI; nothing where it has its result, or has gone on, or needs none.
pub(super) fn ai_deadline(state: &CaseState, policy: &Policy) -> Option<Timestamp> {
    let waits = policy.ai_role != AiRole::None
        && state.ai.is_none()
        && state.ai_absent_at.is_none()
        && state.conclusion.is_none();
    waits.then(|| policy.ai_deadline(state.set.last_image_at))
}

/// When the case must be looked at again by [`Command::Tick`](super::Command::Tick); nothing where only people can move it.
pub fn next_timer(state: &CaseState, policy: &Policy) -> Option<Timestamp> {
    if state.superseded_by.is_some() {
        return None;
    }
    let claim = state.claim.as_ref().map(|claim| claim.expires_at);
    let priors = match state.hold {
        Some(Hold::AwaitingPriors { until, .. }) => Some(until),
        Some(Hold::Deferred { .. }) | None => None,
    };
    let windows = state.reads.iter().filter_map(|read| finalises_at(state, policy, read)).min();
    [claim, priors, windows, ai_deadline(state, policy)].into_iter().flatten().min()
}

/// What the case waits for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
pub enum NextStep {
    /// A first read.
    FirstRead,
    /// That a locked read counts; by itself at that time, or only by hand.
    Finalisation {
        /// When.
        at: Option<Timestamp>,
    },
    /// The AI.
    Ai {
        /// Its deadline.
        until: Timestamp,
    },
    /// A second read.
    SecondRead,
    /// One more read.
    ThirdRead,
    /// An arbitration.
    Arbitration,
    /// The end of a hold (R8).
    Hold(Hold),
    /// Nothing: it has an outcome.
    Nothing,
    /// Nothing: a newer image set took its place.
    Superseded {
        /// The new case.
        by_case: crate::vocab::CaseId,
    },
}

impl NextStep {
    /// Stable word, as `GET /api/cases?state=` takes it.
    pub const fn word(&self) -> &'static str {
        match self {
            NextStep::FirstRead => "first_read",
            NextStep::Finalisation { .. } => "finalisation",
            NextStep::Ai { .. } => "ai",
            NextStep::SecondRead => "second_read",
            NextStep::ThirdRead => "third_read",
            NextStep::Arbitration => "arbitration",
            NextStep::Hold(_) => "on_hold",
            NextStep::Nothing => "concluded",
            NextStep::Superseded { .. } => "superseded",
        }
    }
}

/// What the case waits for. Not for eyes that are still blind to it: it tells of other reads.
pub fn next_step(state: &CaseState, policy: &Policy) -> NextStep {
    if let Some(by_case) = state.superseded_by {
        return NextStep::Superseded { by_case };
    }
    if let Some(hold) = &state.hold {
        return NextStep::Hold(hold.clone());
    }
    if state.conclusion.is_some() {
        return NextStep::Nothing;
    }
    match route(state, policy) {
        Route::FirstRead => NextStep::FirstRead,
        Route::Finalisation(id) => {
            NextStep::Finalisation { at: state.read(id).and_then(|read| finalises_at(state, policy, read)) }
        }
        Route::Ai => NextStep::Ai { until: policy.ai_deadline(state.set.last_image_at) },
        Route::SecondRead { .. } => NextStep::SecondRead,
        Route::ThirdRead { .. } => NextStep::ThirdRead,
        Route::Arbitration { .. } => NextStep::Arbitration,
        // What the rules do by themselves is done with the next command or tick.
        Route::Draw | Route::Conclude { .. } => NextStep::Nothing,
    }
}

/// The read that is open to be claimed, if any.
pub fn open_slot(state: &CaseState) -> Option<Slot> {
    let closed = state.superseded_by.is_some() || state.hold.is_some() || state.conclusion.is_some();
    let due = |due: bool, slot: Slot| (due && state.read_in(slot).is_none()).then_some(slot);
    if closed || state.reads.iter().any(|read| read.finalised_at.is_none()) {
        return None;
    }
    if state.arbitration_due.is_some() {
        return due(true, Slot::Arbitration);
    }
    due(true, Slot::First)
        .or(due(state.second_due.is_some(), Slot::Second))
        .or(due(state.third_due.is_some(), Slot::Third))
}
