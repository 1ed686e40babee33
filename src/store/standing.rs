//! How the work of all processes stands: what an operator watches.
//!
//! In: the present instant. Out: counts (up to the page limit of the settings, so that a scrape stays cheap) and ages.

use super::jobs::JobKind;
use super::row::parsed;
use super::{Store, StoreError};
use crate::vocab::Timestamp;

/// How one kind of work stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobQueue {
    /// The kind.
    pub kind: JobKind,
    /// Open jobs, counted up to the page limit of the settings.
    pub open: i64,
    /// Milliseconds for which the one that is due longest has been due; 0 where none is due.
    pub oldest_due_ms: i64,
}

/// How the outbox stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxQueue {
    /// Open messages, counted up to the page limit of the settings.
    pub open: i64,
    /// Dead letters, counted likewise.
    pub dead: i64,
    /// Milliseconds since the oldest open message was owed.
    pub oldest_ms: i64,
}

/// How all work stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Jobs, by kind.
    pub jobs: Vec<JobQueue>,
    /// Jobs that were given up.
    pub given_up_jobs: i64,
    /// Messages.
    pub outbox: OutboxQueue,
    /// Studies on hold.
    pub held_studies: i64,
    /// Refused objects that nobody has judged yet.
    pub open_conflicts: i64,
}

impl Store {
    /// How all work stands, for metrics.
    pub async fn standing(&self, now: Timestamp) -> Result<Standing, StoreError> {
        Ok(Standing {
            jobs: self.job_queues(now).await?,
            given_up_jobs: self
                .count_up_to_a_page("SELECT COUNT(*) FROM (SELECT 1 AS one FROM jobs WHERE failed_at IS NOT NULL LIMIT $1) AS c")
                .await?,
            outbox: self.outbox_queue(now).await?,
            held_studies: self
                .count_up_to_a_page("SELECT COUNT(*) FROM (SELECT 1 AS one FROM studies WHERE hold_reason IS NOT NULL LIMIT $1) AS c")
                .await?,
            open_conflicts: self
                .count_up_to_a_page("SELECT COUNT(*) FROM (SELECT 1 AS one FROM instance_conflicts WHERE judged_at IS NULL LIMIT $1) AS c")
                .await?,
        })
    }

    /// How each kind of work stands, for metrics.
    pub async fn job_queues(&self, now: Timestamp) -> Result<Vec<JobQueue>, StoreError> {
        let mut queues = Vec::with_capacity(JobKind::ALL.len());
        for kind in JobKind::ALL.iter().copied() {
            let open: i64 = sqlx::query_scalar(
                "SELECT COUNT(*) FROM (SELECT job_id FROM jobs \
                 WHERE kind = $1 AND claimable_at IS NOT NULL LIMIT $2) AS open_jobs",
            )
            .bind(kind.code())
            .bind(i64::from(self.settings.page_rows))
            .fetch_one(&self.reader)
            .await?;
            let oldest = self.next_job_at(&[kind]).await?;
            let oldest_due_ms = oldest.map_or(0, |at| now.ms_since(at).max(0));
            queues.push(JobQueue { kind, open, oldest_due_ms });
        }
        Ok(queues)
    }

    /// How the outbox stands.
    pub async fn outbox_queue(&self, now: Timestamp) -> Result<OutboxQueue, StoreError> {
        let open = self
            .count_up_to_a_page("SELECT COUNT(*) FROM (SELECT 1 AS one FROM outbox WHERE claimable_at IS NOT NULL LIMIT $1) AS c")
            .await?;
        let dead = self
            .count_up_to_a_page(
                "SELECT COUNT(*) FROM (SELECT 1 AS one FROM outbox WHERE dead_at IS NOT NULL LIMIT $1) AS c",
            )
            .await?;
        let oldest = sqlx::query(
            "SELECT created_at FROM outbox WHERE claimable_at IS NOT NULL ORDER BY created_at LIMIT 1",
        )
        .fetch_optional(&self.reader)
        .await?;
        let oldest: Option<Timestamp> = oldest.map(|row| parsed(&row, "created_at")).transpose()?;
        Ok(OutboxQueue { open, dead, oldest_ms: oldest.map_or(0, |at| now.ms_since(at).max(0)) })
    }

    async fn count_up_to_a_page(&self, query: &'static str) -> Result<i64, StoreError> {
        let count =
            sqlx::query_scalar(query).bind(i64::from(self.settings.page_rows)).fetch_one(&self.reader);
        Ok(count.await?)
    }
}
