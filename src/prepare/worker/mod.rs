//! Preparation in supervised child processes, so that a file that crashes, hangs or fills the memory takes down
//! nothing but its own answer.
//!
//! In: requests from any task of the service. Out: what `prepare_file`, `render_file` and `raw_frame` answer; a child
//! that dies, runs over its time or its memory answers `undecodable`, and the pool goes on with a fresh one.
//! Must never decode in the calling process, or leave a child behind when the pool is dropped.

mod child;
mod pool;
mod wire;

pub use child::worker_main;
pub use pool::Pool;

use super::limits::Limits;

/// The word after the program's name that turns it into a child.
pub const ARGUMENT: &str = "decode-worker";

/// Settings of preparation (`[prepare]`).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Child processes; each prepares one image at a time.
    pub children: u32,
    /// Address space of a child, in bytes (RLIMIT_AS).
    pub memory_limit_bytes: u64,
    /// Wall time of one request, in milliseconds; a child that runs over it is killed.
    pub request_timeout_ms: u64,
    /// Requests that wait for a child, urgent and routine apart; further callers wait for a place.
    pub queue_length: u32,
    /// Requests after which a child is replaced, so that nothing it leaks can grow.
    pub requests_per_child: u32,
    /// Bytes of an answer (a raw frame at its original depth is the largest).
    pub max_answer_bytes: u64,
    /// What is decoded at most.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            children: 2,
            memory_limit_bytes: 3 << 30,
            request_timeout_ms: 60_000,
            queue_length: 256,
            requests_per_child: 1_000,
            max_answer_bytes: 512 << 20,
            limits: Limits::default(),
        }
    }
}

/// Who is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person waits: an urgent case, or a page of the viewer.
    Urgent,
    /// Everything else.
    Routine,
}
