//! What follows from the facts of a case: the tables M1 to M10, X1 to X8 and the named alternatives.
//!
//! In: a state and its policy. Out: the one next [`Route`]. Only finalised reads and the blind
//! opinion route (R3, Discordance). A case without a finalised human read never reaches
//! [`Route::Conclude`] (X9, R17): every one of its values is made from such a read.

use crate::vocab::{AiOutcome, ChestOpinion, MammoOpinion, Opinion, Pathway, ReadId};

use super::discordance::compare_reads;
use super::event::{Rule, Slot};
use super::policy::{AiAbsent, AiRole, ArbitrationOn, Policy, SecondRead, TechnicalRecallRoute};
use super::read::Read;
use super::state::CaseState;

/// What comes next for a case that is neither held, concluded nor superseded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// A first read.
    FirstRead,
    /// That a locked read counts.
    Finalisation(ReadId),
    /// The AI, until its deadline.
    Ai,
    /// The QA sampler's draw.
    Draw,
    /// A second read.
    SecondRead { rule: Rule, raised: bool },
    /// One more read after two normal ones.
    ThirdRead { rule: Rule },
    /// An arbitration.
    Arbitration { rule: Rule },
    /// The outcome.
    Conclude { outcome: Opinion, sources: Vec<ReadId>, rule: Rule },
}

/// What the AI said, as far as it routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Pending,
    Normal,
    Abnormal,
    QualityFail,
    Absent,
}

impl Verdict {
    fn said(state: &CaseState) -> Option<Verdict> {
        state.ai.as_ref().map(|ai| match ai.result.outcome {
            AiOutcome::Normal => Verdict::Normal,
            AiOutcome::Abnormal => Verdict::Abnormal,
            AiOutcome::QualityFail { .. } => Verdict::QualityFail,
            AiOutcome::NotProcessed(_) => Verdict::Absent,
        })
    }

    /// Once the case has gone on without the AI, it stays absent (M7).
    fn of(state: &CaseState) -> Verdict {
        match (state.ai_absent_at, Verdict::said(state)) {
            (Some(_), _) => Verdict::Absent,
            (None, Some(said)) => said,
            (None, None) => Verdict::Pending,
        }
    }
}

/// What a table row says after the first read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Wait,
    Second { rule: Rule, raised: bool },
    Sample { rule: Rule, drawn: Rule },
    Conclude(Rule),
}

impl Step {
    fn second(rule: Rule) -> Step {
        Step::Second { rule, raised: false }
    }
}

/// The next step.
pub(super) fn route(state: &CaseState, policy: &Policy) -> Route {
    if let Some(read) = state.reads.iter().find(|read| read.finalised_at.is_none()) {
        return Route::Finalisation(read.id);
    }
    if let Some(arbitration) = state.read_in(Slot::Arbitration) {
        let rule = state.arbitration_due.unwrap_or(Rule::R4);
        return conclude(arbitration, &[], rule);
    }
    let Some(first) = state.read_in(Slot::First) else { return Route::FirstRead };
    if state.reopened {
        return Route::Arbitration { rule: Rule::R4 };
    }
    if let Some(rule) = state.arbitration_due {
        return Route::Arbitration { rule };
    }
    match (state.read_in(Slot::Second), state.read_in(Slot::Third)) {
        (None, _) => after_first(state, policy, first),
        (Some(second), None) => after_second(state, policy, first, second),
        (Some(second), Some(third)) => after_third(policy, first, second, third),
    }
}

fn conclude(read: &Read, agreeing: &[&Read], rule: Rule) -> Route {
    let sources = std::iter::once(read.id).chain(agreeing.iter().map(|read| read.id)).collect();
    Route::Conclude { outcome: read.current.clone(), sources, rule }
}

fn after_first(state: &CaseState, policy: &Policy, first: &Read) -> Route {
    // What was decided stays decided: a later fact may add a second read, never take one away.
    if let Some(rule) = state.second_due {
        return Route::SecondRead { rule, raised: state.raised };
    }
    let mut step = first_step(policy, &first.blind, Verdict::of(state));
    // A result that came late can add a second read to a case that has not concluded (R14).
    if let (Some(_), Some(said)) = (state.ai_absent_at, Verdict::said(state))
        && let second @ Step::Second { .. } = first_step(policy, &first.blind, said)
    {
        step = match step {
            decided @ Step::Second { .. } => decided,
            Step::Wait | Step::Sample { .. } | Step::Conclude(_) => second,
        };
    }
    // The row was found by the blind opinion. Who then changed to a discordant one no longer
    // stands on a row that lets one person conclude: a second person reads.
    let changed = compare_reads(&first.blind, &first.current).discordant;
    match (step, &state.qa) {
        (Step::Wait, _) => Route::Ai,
        (Step::Second { rule, raised }, _) => Route::SecondRead { rule, raised },
        (Step::Conclude(rule) | Step::Sample { rule, .. }, _) if changed => {
            Route::SecondRead { rule, raised: false }
        }
        (Step::Conclude(rule), _) => conclude(first, &[], rule),
        (Step::Sample { .. }, None) => Route::Draw,
        (Step::Sample { drawn, .. }, Some(qa)) if qa.drawn => {
            Route::SecondRead { rule: drawn, raised: false }
        }
        (Step::Sample { rule, .. }, Some(_)) => conclude(first, &[], rule),
    }
}

fn first_step(policy: &Policy, opinion: &Opinion, verdict: Verdict) -> Step {
    match opinion {
        Opinion::Chest(opinion) => chest_step(policy, opinion, verdict),
        Opinion::Mammo(opinion) => mammo_step(policy, opinion, verdict),
    }
}

fn chest_step(policy: &Policy, opinion: &ChestOpinion, verdict: Verdict) -> Step {
    match (opinion, verdict) {
        // Whatever the AI says, so nothing waits for it: the patient may still be there.
        (ChestOpinion::Inadequate { .. }, _) => Step::Conclude(Rule::X6),
        _ if policy.second_read == SecondRead::Always => Step::second(Rule::D1),
        (ChestOpinion::Normal | ChestOpinion::Abnormal { .. }, Verdict::Pending) => Step::Wait,
        (ChestOpinion::Normal, Verdict::Normal) => Step::Sample { rule: Rule::X1, drawn: Rule::X1 },
        (ChestOpinion::Abnormal { .. }, Verdict::Normal) => Step::second(Rule::X2),
        (ChestOpinion::Normal, Verdict::Abnormal) => Step::Second { rule: Rule::X3, raised: true },
        (ChestOpinion::Abnormal { .. }, Verdict::Abnormal) => {
            if policy.second_on_abnormal {
                Step::second(Rule::X4)
            } else {
                Step::Conclude(Rule::X4)
            }
        }
        (ChestOpinion::Normal, Verdict::QualityFail | Verdict::Absent) => match policy.ai_absent {
            AiAbsent::Single | AiAbsent::Double => Step::Conclude(Rule::X5),
            AiAbsent::Always => Step::second(Rule::X5),
        },
        (ChestOpinion::Abnormal { .. }, Verdict::QualityFail | Verdict::Absent) => match policy.ai_absent {
            AiAbsent::Single => Step::Conclude(Rule::X5),
            AiAbsent::Double | AiAbsent::Always => Step::second(Rule::X5),
        },
    }
}

fn mammo_step(policy: &Policy, opinion: &MammoOpinion, verdict: Verdict) -> Step {
    match (opinion, verdict) {
        _ if policy.second_read == SecondRead::Always => Step::second(Rule::D1),
        (_, Verdict::Pending) => Step::Wait,
        (_, Verdict::Absent) => Step::second(Rule::M7),
        (MammoOpinion::TechnicalRecall { .. }, Verdict::Abnormal) => match policy.technical_recall {
            TechnicalRecallRoute::Direct => Step::Conclude(Rule::M5),
            TechnicalRecallRoute::ByAi | TechnicalRecallRoute::Second => Step::second(Rule::M5),
        },
        (MammoOpinion::TechnicalRecall { .. }, Verdict::Normal | Verdict::QualityFail) => {
            match policy.technical_recall {
                TechnicalRecallRoute::Direct | TechnicalRecallRoute::ByAi => Step::Conclude(Rule::M5),
                TechnicalRecallRoute::Second => Step::second(Rule::M5),
            }
        }
        (MammoOpinion::Normal | MammoOpinion::Recall { .. }, Verdict::QualityFail) => Step::second(Rule::M6),
        (MammoOpinion::Normal, Verdict::Normal) => Step::Sample { rule: Rule::M1, drawn: Rule::M8 },
        (MammoOpinion::Recall { .. }, Verdict::Normal) => Step::second(Rule::M2),
        (MammoOpinion::Normal, Verdict::Abnormal) => Step::second(Rule::M3),
        (MammoOpinion::Recall { .. }, Verdict::Abnormal) => Step::second(Rule::M4),
    }
}

/// Concordant only where both the blind opinions and what the readers say now agree.
fn discordant(one: &Read, other: &Read) -> bool {
    compare_reads(&one.blind, &other.blind).discordant
        || compare_reads(&one.current, &other.current).discordant
}

fn discordance_rule(policy: &Policy) -> Rule {
    match policy.pathway {
        Pathway::Chest => Rule::X8,
        Pathway::Mammo => Rule::M10,
    }
}

fn after_second(state: &CaseState, policy: &Policy, first: &Read, second: &Read) -> Route {
    if discordant(first, second) {
        let rule = discordance_rule(policy);
        return if policy.second_reader_decides {
            conclude(second, &[], rule)
        } else {
            Route::Arbitration { rule }
        };
    }
    let opinions = [&first.blind, &first.current, &second.blind, &second.current];
    let any = |test: fn(&Opinion) -> bool| opinions.iter().any(|opinion| test(opinion));
    let arbitrate = match policy.arbitration {
        ArbitrationOn::DiscordantOnly => false,
        ArbitrationOn::AllRecalls => any(is_recall),
        ArbitrationOn::AllNonNormal => any(|opinion| !is_normal(opinion)),
    };
    if arbitrate {
        return Route::Arbitration { rule: Rule::D1 };
    }
    if policy.ai_role == AiRole::SafetyNet && opinions.into_iter().all(is_normal) {
        if let Some(rule) = state.third_due {
            return Route::ThirdRead { rule };
        }
        match (Verdict::of(state), Verdict::said(state)) {
            (Verdict::Abnormal, _) | (_, Some(Verdict::Abnormal)) => {
                return Route::ThirdRead { rule: Rule::S1 };
            }
            (Verdict::Pending, _) => return Route::Ai,
            (Verdict::Normal | Verdict::QualityFail | Verdict::Absent, _) => {}
        }
    }
    let rule = match policy.pathway {
        Pathway::Mammo => Rule::M9,
        Pathway::Chest => state.second_due.unwrap_or(Rule::D1),
    };
    conclude(first, &[second], rule)
}

fn after_third(policy: &Policy, first: &Read, second: &Read, third: &Read) -> Route {
    if !discordant(first, third) && !discordant(second, third) {
        return conclude(first, &[second, third], Rule::S1);
    }
    if policy.second_reader_decides {
        return conclude(third, &[], Rule::S1);
    }
    Route::Arbitration { rule: Rule::S1 }
}

fn is_normal(opinion: &Opinion) -> bool {
    matches!(opinion, Opinion::Chest(ChestOpinion::Normal) | Opinion::Mammo(MammoOpinion::Normal))
}

fn is_recall(opinion: &Opinion) -> bool {
    matches!(
        opinion,
        Opinion::Chest(ChestOpinion::Abnormal { .. }) | Opinion::Mammo(MammoOpinion::Recall { .. })
    )
}
