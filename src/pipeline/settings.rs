//! The `[pipeline]` section.

use serde::{Deserialize, Serialize};

/// Limits and waiting times of the job loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Jobs that this process works on at the same time; 0: one per core, and one more. Where it is 1, a job that nobody
    /// waits for (places by occlusion, shadow models) runs beside it.
    pub workers: usize,
    /// Length of a job's lease; a worker that is killed leaves its job to others after this time.
    pub lease_ms: i64,
    /// Priority of scoring an urgent case; routine work has 0, lower goes first.
    pub urgent_priority: i64,
    /// How often work that other processes left is looked for; work of this process is seen at once.
    pub poll_ms: u64,
    /// How often timers of cases are looked at.
    pub timer_poll_ms: u64,
    /// How often new decisions about models, and new folders of models, are looked for.
    pub model_poll_ms: u64,
    /// Messages that are under way to the record at the same time.
    pub deliveries: usize,
    /// Hours for which jobs that are done, and sign-in attempts, are kept.
    pub keep_done_jobs_hours: u32,
    /// Most cases whose timers are served in one look.
    pub timers_at_once: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 0,
            lease_ms: 120_000,
            urgent_priority: -10,
            poll_ms: 1_000,
            timer_poll_ms: 1_000,
            model_poll_ms: 10_000,
            deliveries: 4,
            keep_done_jobs_hours: 7 * 24,
            timers_at_once: 200,
        }
    }
}

impl Settings {
    /// The number of job workers in force.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1),
            workers => workers,
        }
    }
}
