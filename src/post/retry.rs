//! When to try again, and when a person must look: pure, with the randomness passed in.

use super::DeliveryError;

/// What happens after a failed delivery.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Wait after the first failure, milliseconds.
    pub first_wait_ms: u64,
    /// Each wait is this many times the one before.
    pub factor: f64,
    /// Longest wait, milliseconds.
    pub longest_wait_ms: u64,
    /// Share of the wait that chance may take off, 0 to 1, so that senders spread out after an outage.
    pub jitter: f64,
    /// Attempts after which the message waits for a person.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        // About two days of attempts: a weekend without the record loses nothing.
        Self { first_wait_ms: 1_000, factor: 2.0, longest_wait_ms: 3_600_000, jitter: 0.3, attempts: 60 }
    }
}

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Try again after this many milliseconds.
    RetryInMs(u64),
    /// A dead letter: a person must look.
    GiveUp,
}

/// The wait after `attempt` failures (from 1), with `chance` uniform in 0 to 1.
///
/// ```
/// use doubleread::post::{Retry, backoff_ms};
/// let retry = Retry { first_wait_ms: 100, factor: 2.0, longest_wait_ms: 1_000, jitter: 0.5, attempts: 9 };
/// assert_eq!([1, 2, 3, 4, 5].map(|n| backoff_ms(&retry, n, 0.0)), [100, 200, 400, 800, 1_000]);
/// assert_eq!(backoff_ms(&retry, 1, 1.0), 50);
/// ```
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between zero and the longest wait"
)]
pub fn backoff_ms(retry: &Retry, attempt: u32, chance: f64) -> u64 {
    let growth = retry.factor.max(1.0).powf(f64::from(attempt.saturating_sub(1)));
    let wait = (retry.first_wait_ms as f64 * growth).min(retry.longest_wait_ms as f64);
    (wait * (1.0 - retry.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0))).round() as u64
}

/// What comes after failure number `attempt` (from 1). A wait that the server asked for is kept.
pub fn next_step(retry: &Retry, attempt: u32, error: &DeliveryError, chance: f64) -> NextStep {
    if !error.is_retryable() || attempt >= retry.attempts {
        return NextStep::GiveUp;
    }
    let asked_ms = error.retry_after_ms().unwrap_or(0).min(retry.longest_wait_ms);
    NextStep::RetryInMs(backoff_ms(retry, attempt, chance).max(asked_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permanent_refusal_is_not_tried_again() {
        let refused = DeliveryError::Refused { status: 400, issues: Vec::new() };
        assert_eq!(next_step(&Retry::default(), 1, &refused, 0.0), NextStep::GiveUp);
    }

    #[test]
    fn after_the_last_attempt_the_message_waits_for_a_person() {
        let busy = DeliveryError::Busy { status: 503, retry_after_ms: None };
        let retry = Retry { attempts: 3, ..Retry::default() };
        assert!(matches!(next_step(&retry, 2, &busy, 0.5), NextStep::RetryInMs(_)));
        assert_eq!(next_step(&retry, 3, &busy, 0.5), NextStep::GiveUp);
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_kept_up_to_the_limit() {
        let retry = Retry::default();
        let busy = |ms| DeliveryError::Busy { status: 429, retry_after_ms: Some(ms) };
        assert_eq!(next_step(&retry, 1, &busy(20_000), 0.0), NextStep::RetryInMs(20_000));
        assert_eq!(next_step(&retry, 1, &busy(u64::MAX), 0.0), NextStep::RetryInMs(3_600_000));
    }

    proptest::proptest! {
        #[test]
        fn waits_grow_and_stay_within_the_limit(attempt in 1_u32..1_000, chance in 0.0_f64..=1.0) {
            let retry = Retry::default();
            let wait = backoff_ms(&retry, attempt, chance);
            proptest::prop_assert!(wait <= retry.longest_wait_ms && wait >= 700);
            proptest::prop_assert!(backoff_ms(&retry, attempt + 1, chance) >= wait);
        }
    }
}
