//! What has changed among arrivals, and studies that are pushed for a test of the link.
//!
//! In: an instant to look back to. Out: a mark that is another one as soon as anything that a list of arrivals shows has
//! changed. Never: a walk over more than the arrivals since then.

use super::row::{integer, optional_text};
use super::{Store, StoreError};
use crate::vocab::{StudyInstanceUid, Timestamp};

/// How arrivals stand; two that are equal mean that nothing has changed between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivalsMark {
    events: i64,
    /// Acts on orders: one that comes after its images changes what is said of them.
    order_acts: i64,
    studies: i64,
    instances: i64,
    last_arrival: Option<String>,
    last_complete: Option<String>,
    held: i64,
    refused: i64,
    conflicts: i64,
}

impl Store {
    /// How arrivals since `since` stand.
    pub async fn arrivals_mark(&self, since: Timestamp) -> Result<ArrivalsMark, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT position FROM event_head WHERE name = 'chain') AS events, \
             (SELECT position FROM order_head WHERE name = 'orders') AS order_acts, \
             (SELECT COUNT(*) FROM quarantine WHERE judged_at IS NULL) AS refused, \
             (SELECT COUNT(*) FROM instance_conflicts WHERE judged_at IS NULL) AS conflicts, \
             COUNT(*) AS studies, CAST(COALESCE(SUM(instance_count), 0) AS BIGINT) AS instances, \
             MAX(last_arrival_at) AS last_arrival, MAX(complete_at) AS last_complete, COUNT(hold_reason) AS held \
             FROM studies WHERE last_arrival_at >= $1",
        )
        .bind(since.to_string())
        .fetch_one(&self.reader)
        .await?;
        Ok(ArrivalsMark {
            events: integer(&row, "events")?,
            order_acts: integer(&row, "order_acts")?,
            studies: integer(&row, "studies")?,
            instances: integer(&row, "instances")?,
            last_arrival: optional_text(&row, "last_arrival")?,
            last_complete: optional_text(&row, "last_complete")?,
            held: integer(&row, "held")?,
            refused: integer(&row, "refused")?,
            conflicts: integer(&row, "conflicts")?,
        })
    }

    /// Notes that a study is about to be pushed for a test of the link: it will make no case.
    pub async fn expect_link_test(&self, study: &StudyInstanceUid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO link_tests (study_instance_uid, asked_at) VALUES ($1, $2)")
            .bind(study.as_str())
            .bind(now.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Whether a study was pushed for a test of the link.
    pub async fn is_link_test(&self, study: &StudyInstanceUid) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT study_instance_uid FROM link_tests WHERE study_instance_uid = $1")
            .bind(study.as_str())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }
}
