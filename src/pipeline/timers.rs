//! Time passes: finalisation windows, AI deadlines, claims and waits that run out.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Pipeline, StageError};
use crate::reading::{Actor, Command};

/// How often old rows are forgotten, in milliseconds.
const TIDY_EVERY_MS: i64 = 3_600_000;

impl Pipeline {
    /// Gives each case whose timer is due its tick, until the stop.
    pub(super) async fn keep_time(self: Arc<Self>, stop: CancellationToken) {
        let mut tidied_at = self.clock.now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(self.settings.timer_poll_ms)) => {}
            }
            if let Err(error) = self.serve_timers().await {
                tracing::warn!(%error, "timers of cases can't be served; trying again");
            }
            let now = self.clock.now();
            if now.ms_since(tidied_at) >= TIDY_EVERY_MS {
                tidied_at = now;
                if let Err(error) = self.tidy().await {
                    tracing::warn!(%error, "old jobs and sign-ins can't be forgotten; trying again");
                }
            }
        }
    }

    async fn serve_timers(&self) -> Result<(), StageError> {
        let due = self.store.cases_with_timer_due(self.clock.now(), self.settings.timers_at_once).await?;
        for case_id in due {
            if let Err(error) = self.act(case_id, Command::Tick, &Actor::System).await {
                tracing::warn!(case.id = %case_id, %error, "the timer of a case can't be served; trying again");
            }
        }
        Ok(())
    }

    /// Forgets jobs that are done and sign-ins that no longer count.
    async fn tidy(&self) -> Result<(), StageError> {
        let before = self.clock.now().plus_minutes(-i64::from(self.settings.keep_done_jobs_hours) * 60);
        self.store.forget_done_jobs(before).await?;
        self.store.forget_old_sign_ins(self.clock.now(), before).await?;
        Ok(())
    }
}
