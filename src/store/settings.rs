//! Limits and waiting times of the store, by name.

/// Settings of the store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Connections that read, on SQLite (one more writes).
    pub sqlite_readers: u32,
    /// Connections in all, on PostgreSQL.
    pub postgres_connections: u32,
    /// Longest wait for another process's write to end, on SQLite, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Longest wait for a free connection, in milliseconds; also how long a lost PostgreSQL is sought.
    pub acquire_timeout_ms: u64,
    /// Longest wait of the health check, in milliseconds.
    pub health_timeout_ms: u64,
    /// How long a registration is tried again while the database is away, in milliseconds.
    pub register_retry_ms: u64,
    /// From the arrival of an instance to the assembly of its case, in milliseconds.
    pub assemble_delay_ms: i64,
    /// How often a job is tried before it is given up.
    pub job_attempts: i64,
    /// Wait before the second attempt of a job, in milliseconds; doubles with each further one.
    pub job_backoff_ms: i64,
    /// Longest wait between attempts of a job, in milliseconds.
    pub job_backoff_most_ms: i64,
    /// How often a command on a case is decided anew because others acted on the case meanwhile.
    pub act_attempts: u32,
    /// Wait before the second attempt at a delivery, in milliseconds; doubles with each further one.
    pub delivery_backoff_ms: i64,
    /// Longest wait between attempts at a delivery, in milliseconds.
    pub delivery_backoff_most_ms: i64,
    /// How often a delivery is tried before it becomes a dead letter that a person sees.
    pub delivery_attempts: i64,
    /// Most rows that one page of any list holds.
    pub page_rows: u32,
    /// Most studies that a search by name looks at: the latest.
    pub search_studies: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sqlite_readers: 4,
            postgres_connections: 16,
            busy_timeout_ms: 5_000,
            acquire_timeout_ms: 5_000,
            health_timeout_ms: 2_000,
            register_retry_ms: 5_000,
            assemble_delay_ms: 0,
            job_attempts: 8,
            job_backoff_ms: 500,
            job_backoff_most_ms: 300_000,
            act_attempts: 8,
            delivery_backoff_ms: 1_000,
            delivery_backoff_most_ms: 3_600_000,
            // About two days: a weekend without the record loses nothing.
            delivery_attempts: 60,
            page_rows: 200,
            search_studies: 500,
        }
    }
}

/// The wait before the next attempt: `first`, doubled for each attempt after the first, at most `most`.
pub(super) fn backoff_ms(first: i64, most: i64, attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
    first.saturating_mul(1_i64 << doublings).clamp(0, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_limit() {
        let waits: Vec<i64> =
            [1, 2, 3, 4, 100, i64::MAX].iter().map(|n| backoff_ms(500, 3_000, *n)).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 3_000, 3_000, 3_000]);
    }
}
