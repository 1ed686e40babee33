//! Work for the pipeline: enqueued once, leased, ended once.
//!
//! In: a kind and a subject. Out: a [`Job`] that holds a lease until it is completed,
//! postponed, failed or given up. Never: two holders of one lease, or a job that is stuck
//! when its worker dies.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::lease::Guard;
use super::row::{groups, integer, optional_text, parsed, text};
use super::settings::backoff_ms;
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{JobId, Timestamp, coded_enum};

coded_enum!(
    /// What there is to do.
    JobKind, "job kind" {
        /// Study: is an image set complete, and which case does it make.
        Assemble = "assemble",
        /// Case: prepare and infer.
        Score = "score",
        /// Case: find by occlusion where its model looked.
        Places = "places",
        /// Case and model (`<case id>/<folder>`): prepare and infer by a model in the shadow.
        Shadow = "shadow",
    }
);

/// A request for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// What to do.
    pub kind: JobKind,
    /// About what: a Study Instance UID or a case id.
    pub subject: String,
    /// Lower goes first; 0 is usual, negative is urgent.
    pub priority: i64,
    /// Not before.
    pub run_at: Timestamp,
}

/// A job whose lease the caller holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identity.
    pub job_id: JobId,
    /// What to do.
    pub kind: JobKind,
    /// About what.
    pub subject: String,
    /// Lower goes first.
    pub priority: i64,
    /// How often it was taken, this time included.
    pub attempts: i64,
    /// When it was first asked for.
    pub created_at: Timestamp,
    /// When the lease ends unless it is renewed.
    pub lease_expires_at: Timestamp,
    lease_token: String,
}

/// What became of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFate {
    /// It is tried again then.
    RetryAt(Timestamp),
    /// It was tried often enough; a person sees it.
    GivenUp,
}

/// A job that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJob {
    /// Its identity.
    pub job_id: JobId,
    /// What was to be done.
    pub kind: JobKind,
    /// About what.
    pub subject: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// Why.
    pub reason: String,
}

/// How often a claim looks again after it lost a race, before it leaves the queue to the winners.
const CLAIM_ATTEMPTS: u32 = 16;

/// Asks for work; a job of the same kind and subject that is open already is pulled forward, and one
/// that is in progress runs once more.
pub(super) async fn upsert_jobs(
    connection: &mut AnyConnection,
    jobs: &[NewJob],
    now: Timestamp,
) -> Result<(), StoreError> {
    for group in groups(jobs) {
        let mut query = Statement::new(
            "INSERT INTO jobs (job_id, kind, subject, priority, claimable_at, attempts, created_at) ",
        );
        query.values(group, |row, job| {
            row.bind(JobId::new().to_string())
                .bind(job.kind.code())
                .bind(job.subject.clone())
                .bind(job.priority)
                .bind(job.run_at.to_string())
                .bind(0_i64)
                .bind(now.to_string());
        });
        query.push(
            " ON CONFLICT (kind, subject) WHERE claimable_at IS NOT NULL DO UPDATE SET \
             priority = CASE WHEN excluded.priority < jobs.priority \
               THEN excluded.priority ELSE jobs.priority END, \
             claimable_at = CASE WHEN jobs.lease_token IS NULL AND excluded.claimable_at < jobs.claimable_at \
               THEN excluded.claimable_at ELSE jobs.claimable_at END, \
             again_at = CASE WHEN jobs.lease_token IS NULL THEN NULL \
               WHEN jobs.again_at IS NULL OR excluded.claimable_at < jobs.again_at \
               THEN excluded.claimable_at ELSE jobs.again_at END",
        );
        query.build()?.execute(&mut *connection).await?;
    }
    Ok(())
}

impl Store {
    /// Asks for work; see [`NewJob`]. A job that is open already is pulled forward, one in progress runs again.
    pub async fn enqueue(&self, job: NewJob, now: Timestamp) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        upsert_jobs(&mut connection, &[job], now).await?;
        drop(connection);
        self.ring();
        Ok(())
    }

    /// Takes the next due job of one of the kinds, under a lease of `lease_ms`.
    ///
    /// `None`: nothing is due, or others took all that this call saw. A job that no worker
    /// has survived in the allowed number of attempts is given up here.
    pub async fn claim_job(
        &self,
        kinds: &[JobKind],
        now: Timestamp,
        lease_ms: i64,
    ) -> Result<Option<Job>, StoreError> {
        for _ in 0..CLAIM_ATTEMPTS {
            let Some(next) = self.next_due(kinds, now).await? else { return Ok(None) };
            let Some(job) = self.take(next, now, now.plus_ms(lease_ms)).await? else { continue };
            if job.attempts > self.settings.job_attempts {
                self.give_up_job(&job, "its worker stopped each time it was tried", now).await?;
                continue;
            }
            return Ok(Some(job));
        }
        Ok(None)
    }

    /// The due job that goes first; one step along the index of each kind.
    async fn next_due(&self, kinds: &[JobKind], now: Timestamp) -> Result<Option<JobId>, StoreError> {
        if kinds.is_empty() {
            return Ok(None);
        }
        let mut query = Statement::default();
        for (place, kind) in kinds.iter().enumerate() {
            query
                .push(if place > 0 { " UNION ALL " } else { "" })
                .push("SELECT * FROM (SELECT priority, claimable_at, job_id FROM jobs WHERE kind = ")
                .bind(kind.code())
                .push(" AND claimable_at <= ")
                .bind(now.to_string())
                .push(" ORDER BY priority, claimable_at, job_id LIMIT 1) AS due");
        }
        let mut first: Option<(i64, Timestamp, JobId)> = None;
        for row in query.build()?.fetch_all(&self.reader).await? {
            let found = (integer(&row, "priority")?, parsed(&row, "claimable_at")?, parsed(&row, "job_id")?);
            first = Some(first.map_or(found, |other| other.min(found)));
        }
        Ok(first.map(|(_, _, job_id)| job_id))
    }

    /// Takes the job if it is still due: of all who saw it due, the guard lets one through.
    async fn take(
        &self,
        job_id: JobId,
        now: Timestamp,
        lease_expires_at: Timestamp,
    ) -> Result<Option<Job>, StoreError> {
        let lease_token = uuid::Uuid::new_v4().to_string();
        let row = sqlx::query(
            "UPDATE jobs SET lease_token = $1, claimable_at = $2, attempts = attempts + 1 \
             WHERE job_id = $3 AND claimable_at <= $4 \
             RETURNING kind, subject, priority, attempts, created_at",
        )
        .bind(lease_token.as_str())
        .bind(lease_expires_at.to_string())
        .bind(job_id.to_string())
        .bind(now.to_string())
        .fetch_optional(&self.writer)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Job {
            job_id,
            kind: parsed(&row, "kind")?,
            subject: text(&row, "subject")?,
            priority: integer(&row, "priority")?,
            attempts: integer(&row, "attempts")?,
            created_at: parsed(&row, "created_at")?,
            lease_expires_at,
            lease_token,
        }))
    }

    /// Holds the job for `lease_ms` from now; [`StoreError::LeaseLost`] means stop working on it.
    pub async fn renew_job(&self, job: &mut Job, now: Timestamp, lease_ms: i64) -> Result<(), StoreError> {
        let expires_at = now.plus_ms(lease_ms);
        let mut update = Statement::new("UPDATE jobs SET claimable_at = ");
        update.bind(expires_at.to_string());
        self.settle_job(job, update).await?;
        job.lease_expires_at = expires_at;
        Ok(())
    }

    /// The job is done; if it was asked for again meanwhile, it stands open once more.
    pub async fn complete_job(&self, job: &Job, now: Timestamp) -> Result<(), StoreError> {
        let mut update = Statement::new(
            "UPDATE jobs SET lease_token = NULL, claimable_at = again_at, again_at = NULL, \
             attempts = CASE WHEN again_at IS NULL THEN attempts ELSE 0 END, \
             done_at = CASE WHEN again_at IS NULL THEN ",
        );
        update.bind(now.to_string()).push(" ELSE NULL END");
        self.settle_job(job, update).await?;
        self.ring();
        Ok(())
    }

    /// Not yet: the job runs again at `run_at`, or earlier if it was asked for; no failed attempt.
    pub async fn postpone_job(&self, job: &Job, run_at: Timestamp) -> Result<(), StoreError> {
        let mut update = Statement::new(
            "UPDATE jobs SET lease_token = NULL, attempts = 0, again_at = NULL, \
             claimable_at = CASE WHEN again_at IS NOT NULL AND again_at < ",
        );
        update.bind(run_at.to_string()).push(" THEN again_at ELSE ").bind(run_at.to_string()).push(" END");
        self.settle_job(job, update).await?;
        self.ring();
        Ok(())
    }

    /// The attempt failed: again after a wait that doubles, or given up after the allowed attempts.
    ///
    /// `reason` is seen by people and must identify nobody.
    pub async fn fail_job(&self, job: &Job, reason: &str, now: Timestamp) -> Result<JobFate, StoreError> {
        let settings = &self.settings;
        if job.attempts >= settings.job_attempts {
            self.give_up_job(job, reason, now).await?;
            return Ok(JobFate::GivenUp);
        }
        let wait = backoff_ms(settings.job_backoff_ms, settings.job_backoff_most_ms, job.attempts);
        let run_at = now.plus_ms(wait);
        let mut update =
            Statement::new("UPDATE jobs SET lease_token = NULL, again_at = NULL, claimable_at = ");
        update.bind(run_at.to_string()).push(", failed_reason = ").bind(reason.to_owned());
        self.settle_job(job, update).await?;
        Ok(JobFate::RetryAt(run_at))
    }

    /// The job will not be tried again, for a reason that a person sees.
    pub async fn give_up_job(&self, job: &Job, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut update = Statement::new(
            "UPDATE jobs SET lease_token = NULL, claimable_at = NULL, again_at = NULL, failed_at = ",
        );
        update.bind(now.to_string()).push(", failed_reason = ").bind(reason.to_owned());
        self.settle_job(job, update).await
    }

    /// Runs an update of a job under the lease that the caller holds.
    async fn settle_job(&self, job: &Job, update: Statement) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        let guard = Guard::Job(job.job_id);
        guard.update(&mut connection, update, &job.lease_token).await
    }

    /// When the next job of these kinds can be claimed, as far as is known now.
    pub async fn next_job_at(&self, kinds: &[JobKind]) -> Result<Option<Timestamp>, StoreError> {
        let mut next: Option<Timestamp> = None;
        for kind in kinds {
            let row = sqlx::query(
                "SELECT claimable_at FROM jobs WHERE kind = $1 AND claimable_at IS NOT NULL \
                 ORDER BY claimable_at LIMIT 1",
            )
            .bind(kind.code())
            .fetch_optional(&self.reader)
            .await?;
            if let Some(row) = row {
                let at: Timestamp = parsed(&row, "claimable_at")?;
                next = Some(next.map_or(at, |other| other.min(at)));
            }
        }
        Ok(next)
    }

    /// Jobs that were given up, latest first.
    pub async fn failed_jobs(&self, limit: u32) -> Result<Vec<FailedJob>, StoreError> {
        sqlx::query(
            "SELECT job_id, kind, subject, attempts, failed_at, failed_reason FROM jobs \
             WHERE failed_at IS NOT NULL ORDER BY failed_at DESC, job_id DESC LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(failed_job_of)
        .collect()
    }

    /// Forgets jobs that were done before `before`, at most a page of them; how many that were.
    pub async fn forget_done_jobs(&self, before: Timestamp) -> Result<u64, StoreError> {
        Ok(sqlx::query(
            "DELETE FROM jobs WHERE job_id IN \
             (SELECT job_id FROM jobs WHERE done_at IS NOT NULL AND done_at < $1 ORDER BY done_at LIMIT $2)",
        )
        .bind(before.to_string())
        .bind(i64::from(self.settings.page_rows))
        .execute(&self.writer)
        .await?
        .rows_affected())
    }
}

fn failed_job_of(row: &AnyRow) -> Result<FailedJob, StoreError> {
    Ok(FailedJob {
        job_id: parsed(row, "job_id")?,
        kind: parsed(row, "kind")?,
        subject: text(row, "subject")?,
        attempts: integer(row, "attempts")?,
        failed_at: parsed(row, "failed_at")?,
        reason: optional_text(row, "failed_reason")?.unwrap_or_default(),
    })
}
