//! Ordered start and stop of the process.
//!
//! In: SIGTERM, SIGINT, or a task that gives up. Out: first nothing new is accepted, then
//! leases and objects in flight finish, then the rest stops; all within a bound.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for what is in flight once a stop was asked for.
pub const STOP_WITHIN: Duration = Duration::from_secs(9);

/// One per process: hands out the stop signal and waits for every task that it was given.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// A lifecycle that nothing has stopped yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The signal that tasks watch.
    pub fn stop_signal(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that the stop waits for.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Asks every task to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Returns once SIGTERM or SIGINT has come or a stop was asked for.
    pub async fn stopped(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: no new work, finishing what is in flight"),
            _ = interrupt.recv() => tracing::info!("interrupt: no new work, finishing what is in flight"),
            () = self.stop.cancelled() => {}
        }
        self.stop.cancel();
        Ok(())
    }

    /// Waits for every task; `false` if some were still running at the bound.
    pub async fn finish(&self) -> bool {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(STOP_WITHIN, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_what_is_in_flight() {
        let lifecycle = Lifecycle::new();
        let stop = lifecycle.stop_signal();
        let task = lifecycle.spawn(async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            7
        });
        assert!(lifecycle.finish().await);
        assert_eq!(task.await.unwrap(), 7);
    }
}
