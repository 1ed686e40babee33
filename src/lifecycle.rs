//! Ordered start and stop of the process.
//!
//! In: SIGTERM, SIGINT, or a task that gives up. Out: first nothing new is accepted, then
//! leases and objects in flight finish, then the rest stops; all within a bound.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait for what is in flight once a stop was asked for.
pub const STOP_WITHIN: Duration = Duration::from_secs(9);

/// One per process: hands out the stop signal and waits for every task that it was given.
#[derive(Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
    last_steps: Arc<Mutex<Vec<LastStep>>>,
}

/// What is done once no task runs any more; may block.
type LastStep = Box<dyn FnOnce() + Send>;

impl Lifecycle {
    /// A lifecycle that SIGTERM and SIGINT stop, from this moment on: made before anything is opened or
    /// bound, so that a stop during the start is a stop like any other. Needs a tokio runtime.
    pub fn begin() -> std::io::Result<Self> {
        let lifecycle = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = lifecycle.stop_signal();
        // Not among the tasks that a stop waits for: it is what begins the stop.
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: no new work, finishing what is in flight"),
                _ = interrupt.recv() => tracing::info!("interrupt: no new work, finishing what is in flight"),
                () = stop.cancelled() => {}
            }
            stop.cancel();
        });
        Ok(lifecycle)
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

    /// Returns once a stop was asked for.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// What `work` comes to, or `None` where a stop came first: `work` is then given up where it stands.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.stop.run_until_cancelled(work).await
    }

    /// Does this at the end, once every task has ended: for what tasks use until then, such as threads of a C
    /// library, which must not be at work when the process exits. May block.
    pub fn at_end(&self, step: impl FnOnce() + Send + 'static) {
        self.last_steps.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(step));
    }

    /// Waits for every task and the last steps; `false` if some were still running at the bound.
    pub async fn finish(&self) -> bool {
        self.stop.cancel();
        self.tasks.close();
        let ending = async {
            self.tasks.wait().await;
            let steps = std::mem::take(&mut *self.last_steps.lock().unwrap_or_else(PoisonError::into_inner));
            let all = tokio::task::spawn_blocking(|| steps.into_iter().for_each(|step| step()));
            all.await.is_ok()
        };
        tokio::time::timeout(STOP_WITHIN, ending).await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_waits_for_what_is_in_flight() {
        let lifecycle = Lifecycle::default();
        let stop = lifecycle.stop_signal();
        let task = lifecycle.spawn(async move {
            stop.cancelled().await;
            tokio::task::yield_now().await;
            7
        });
        let ended = Arc::new(Mutex::new(false));
        let (seen, worked) = (Arc::clone(&ended), lifecycle.tasks.clone());
        lifecycle.at_end(move || *seen.lock().unwrap() = worked.is_empty());
        assert!(lifecycle.finish().await);
        assert!(*ended.lock().unwrap(), "the last step comes after every task");
        assert_eq!(task.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_stop_gives_up_a_start_that_takes_long() {
        let lifecycle = Lifecycle::begin().unwrap();
        lifecycle.stop();
        assert_eq!(lifecycle.unless_stopped(std::future::pending::<()>()).await, None);
        assert!(lifecycle.finish().await);
    }
}
