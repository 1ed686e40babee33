//! A test of the link: an image that is plainly nobody's, pushed through the real port, kept, prepared and scored.
//!
//! In: a person who presses the button. Out: each phase with its result in words and the time that it took. One test runs
//! at a time, and none sooner than `link_test_seconds` after the one before. What it pushes makes no case and stands in no
//! list, no figure and no record. The composition root supplies the way, for `http` knows neither port nor models.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use utoipa::ToSchema;

use super::error::HttpError;
use super::state::AppState;
use crate::vocab::Timestamp;

/// One phase of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinkPhase {
    /// Its name.
    pub name: &'static str,
    /// Whether it went well; none where it was not tried, because one before it failed.
    pub passed: Option<bool>,
    /// What came of it.
    pub words: String,
    /// Time that it took, in milliseconds.
    pub milliseconds: u64,
}

/// The way of a test image through a service.
pub trait LinkTest: Send + Sync {
    /// Goes all the way; every phase is named, tried or not.
    fn run(&self) -> Pin<Box<dyn Future<Output = Vec<LinkPhase>> + Send + '_>>;
}

/// What came of a test.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct LinkReport {
    /// Whether every phase went well.
    pub passed: bool,
    /// The phases in their order.
    pub phases: Vec<LinkPhase>,
}

/// Keeps tests apart.
#[derive(Default)]
pub(super) struct Turnstile(Mutex<Turn>);

#[derive(Default)]
struct Turn {
    running: bool,
    last: Option<Timestamp>,
}

/// A turn that was taken; given back when it is dropped, also by a caller who left.
struct Taken<'a>(&'a Turnstile);

impl Turnstile {
    fn take(&self, now: Timestamp, pause_seconds: i64) -> Result<Taken<'_>, HttpError> {
        let mut turn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turn.running {
            let message = "a test of the link is running already: look again in a moment".to_owned();
            return Err(HttpError::Conflict { code: "link_test_running", message });
        }
        let left_ms = turn.last.map_or(0, |last| last.plus_seconds(pause_seconds).ms_since(now));
        if left_ms > 0 {
            return Err(HttpError::TooMany { retry_after_seconds: left_ms / 1_000 + 1 });
        }
        turn.running = true;
        turn.last = Some(now);
        Ok(Taken(self))
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).running = false;
    }
}

/// Runs a test.
pub(super) async fn run(state: &AppState) -> Result<LinkReport, HttpError> {
    let link = state.link.as_ref().ok_or(HttpError::Unavailable(
        "this process has no DICOM port of its own: run the test where the images arrive",
    ))?;
    let _turn = state.link_turns.take(state.clock.now(), state.settings.link_test_seconds)?;
    let phases = link.run().await;
    let passed = phases.iter().all(|phase| phase.passed == Some(true));
    if !passed {
        let failed = phases.iter().find(|phase| phase.passed == Some(false)).map_or("", |phase| phase.name);
        tracing::warn!(phase = failed, "a test of the link failed");
    }
    Ok(LinkReport { passed, phases })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_test_runs_at_a_time_and_none_too_soon() {
        let turnstile = Turnstile::default();
        let now = Timestamp::from_millis(0);
        let first = turnstile.take(now, 20).unwrap();
        assert!(matches!(turnstile.take(now.plus_seconds(60), 20), Err(HttpError::Conflict { .. })));
        drop(first);
        let soon = turnstile.take(now.plus_seconds(5), 20);
        assert!(matches!(soon, Err(HttpError::TooMany { retry_after_seconds: 16 })));
        assert!(turnstile.take(now.plus_seconds(20), 20).is_ok());
    }
}
