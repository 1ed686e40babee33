//! The order of the queue and the clocks of a case (PATHWAYS R14, R15).
//!
//! In: a state, its policy, the time. Out: a rank that sorts, and what the clocks say. The AI shows
//! in the order only under a policy that says so.

use crate::vocab::{AiOutcome, Timestamp, coded_enum};

use super::draft::{ai_deadline, next_step, next_timer, open_slot};
use super::event::Slot;
use super::policy::{AiRole, Policy, VerifyBy};
use super::state::CaseState;

const MINUTES_A_DAY: i64 = 24 * 60;

/// Place in the queue: what sorts first is read first.
///
/// As SQL: `ORDER BY urgent DESC, band DESC, due_at, last_image_at, case_id`. Slack is counted to
/// the last clock (`due_at`): all cases lose it at the same pace, so that the order does not
/// change as time passes, and no case falls back when it passes an earlier clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueRank {
    /// The order says urgent.
    pub urgent: bool,
    /// 2 for a possible miss (X3), 1 for an abnormal AI result, else 0; always 0 without `ai_orders_queue`.
    pub band: u8,
    /// By when it is to have an outcome.
    pub due_at: Timestamp,
    /// When its last image came.
    pub last_image_at: Timestamp,
}

impl Ord for QueueRank {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other
            .urgent
            .cmp(&self.urgent)
            .then(other.band.cmp(&self.band))
            .then(self.due_at.cmp(&other.due_at))
            .then(self.last_image_at.cmp(&other.last_image_at))
    }
}
impl PartialOrd for QueueRank {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The place of a case in the queue (R15).
pub fn queue_rank(state: &CaseState, policy: &Policy) -> QueueRank {
    let abnormal = state.ai.as_ref().is_some_and(|ai| matches!(ai.result.outcome, AiOutcome::Abnormal));
    let band = match (policy.ai_orders_queue && policy.ai_role == AiRole::Routes, state.raised, abnormal) {
        (false, _, _) | (true, false, false) => 0,
        (true, false, true) => 1,
        (true, true, _) => 2,
    };
    QueueRank {
        urgent: state.set.urgent,
        band,
        due_at: due_at(policy, state.set.last_image_at),
        last_image_at: state.set.last_image_at,
    }
}

/// By when a case is to have an outcome.
pub fn due_at(policy: &Policy, last_image_at: Timestamp) -> Timestamp {
    let clocks = &policy.clocks;
    match clocks.verify_by {
        VerifyBy::Days => days_after(last_image_at, clocks.breached_days),
        VerifyBy::SameDay => end_of_day(&clocks.time_zone, last_image_at),
    }
}

fn days_after(at: Timestamp, days: u32) -> Timestamp {
    at.plus_minutes(i64::from(days).saturating_mul(MINUTES_A_DAY))
}

/// Midnight at the end of the local day; of the day in UTC where the time zone is not known here.
fn end_of_day(time_zone: &str, at: Timestamp) -> Timestamp {
    let zone = jiff::tz::TimeZone::get(time_zone).unwrap_or(jiff::tz::TimeZone::UTC);
    at.to_jiff().to_zoned(zone).tomorrow().and_then(|tomorrow| tomorrow.start_of_day()).map_or_else(
        |_| at.plus_minutes(MINUTES_A_DAY),
        |end| Timestamp::from_millis(end.timestamp().as_millisecond()),
    )
}

coded_enum!(
    /// How a case stands by its clocks.
    ClockLevel, "clock level" {
        OnTime = "on_time",
        DueSoon = "due_soon",
        Urgent = "urgent",
        Breached = "breached",
    }
);

/// How a case that still owes an outcome stands at `now` (R14).
pub fn clock_level(policy: &Policy, last_image_at: Timestamp, now: Timestamp) -> ClockLevel {
    let clocks = &policy.clocks;
    let passed = |at: Timestamp| at <= now;
    if passed(due_at(policy, last_image_at)) {
        return ClockLevel::Breached;
    }
    match clocks.verify_by {
        VerifyBy::SameDay => ClockLevel::OnTime,
        VerifyBy::Days if passed(days_after(last_image_at, clocks.urgent_days)) => ClockLevel::Urgent,
        VerifyBy::Days if passed(days_after(last_image_at, clocks.due_soon_days)) => ClockLevel::DueSoon,
        VerifyBy::Days => ClockLevel::OnTime,
    }
}

/// The highest warning percentage that the wait for the AI has passed (R14); nothing while there is
/// none, or no longer a wait.
pub fn ai_warning(state: &CaseState, policy: &Policy, now: Timestamp) -> Option<u32> {
    let deadline = ai_deadline(state, policy)?;
    let start = state.set.last_image_at;
    let whole = deadline.ms_since(start).max(1);
    let waited = now.ms_since(start).saturating_mul(100);
    policy
        .clocks
        .ai_warn_percent
        .iter()
        .copied()
        .filter(|percent| waited >= whole.saturating_mul(i64::from(*percent)))
        .max()
}

/// The columns by which a store finds and orders cases; made anew with every event.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseSummary {
    /// What it waits for ([`super::NextStep::word`]).
    pub state: &'static str,
    /// The read that is open to be claimed.
    pub open_slot: Option<Slot>,
    /// Place in the queue.
    pub rank: QueueRank,
    /// When [`super::Command::Tick`] is due.
    pub tick_at: Option<Timestamp>,
    /// Top-level word of the outcome.
    pub outcome: Option<&'static str>,
    /// When the outcome was reached.
    pub concluded_at: Option<Timestamp>,
}

/// The columns of a case.
pub fn summary(state: &CaseState, policy: &Policy) -> CaseSummary {
    CaseSummary {
        state: next_step(state, policy).word(),
        open_slot: open_slot(state),
        rank: queue_rank(state, policy),
        tick_at: next_timer(state, policy),
        outcome: state.conclusion.as_ref().map(|conclusion| conclusion.outcome.word()),
        concluded_at: state.conclusion.as_ref().map(|conclusion| conclusion.at),
    }
}
