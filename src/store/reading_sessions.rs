//! Sessions of reading: what a reader set out to read, and the cases that they took.
//!
//! In: a reader, a size, a filter; cases as they are taken. Out: how far the session is, from the reader's own reads.
//! Never: what anybody else, or the AI, said of a case.

use sqlx::any::AnyRow;

use super::row::{from_json, integer, optional_parsed, optional_text, parsed, text, to_json};
use super::{Store, StoreError};
use crate::reading::{Read, Slot};
use crate::vocab::{CaseId, Pathway, ReadingSessionId, SiteCode, Timestamp, UserId};

/// Which cases a session takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct SessionFilter {
    /// On this pathway; on either where none.
    pub pathway: Option<Pathway>,
    /// Open for this read; for any where none.
    pub slot: Option<Slot>,
    /// Of this site; of any that the reader may see where none.
    pub site: Option<SiteCode>,
    /// Only where something was said of the patient.
    pub with_history: bool,
}

/// A session of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingSession {
    /// Its identity.
    pub session_id: ReadingSessionId,
    /// Whose.
    pub reader: UserId,
    /// How many cases it is to have.
    pub size: u32,
    /// Which.
    pub filter: SessionFilter,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// A case of a session, and what its reader made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionCase {
    /// The case.
    pub case_id: CaseId,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The reader's own read.
    pub read: Option<Read>,
    /// Whether the reader left it for others.
    pub skipped: bool,
    /// Whether it is out of all queues.
    pub on_hold: bool,
}

impl Store {
    /// Begins a session; one that is still open ends.
    pub async fn begin_reading_session(
        &self,
        reader: UserId,
        size: u32,
        filter: SessionFilter,
        now: Timestamp,
    ) -> Result<ReadingSession, StoreError> {
        let session_id = ReadingSessionId::new();
        let mut transaction = self.begin_write().await?;
        sqlx::query("UPDATE reading_sessions SET ended_at = $1 WHERE reader_id = $2 AND ended_at IS NULL")
            .bind(now.to_string())
            .bind(reader.to_string())
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO reading_sessions (session_id, reader_id, size, filter, started_at) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(session_id.to_string())
        .bind(reader.to_string())
        .bind(i64::from(size))
        .bind(to_json(&filter, "filter")?)
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(ReadingSession { session_id, reader, size, filter, started_at: now, ended_at: None })
    }

    /// The session that a reader is in.
    pub async fn open_reading_session(&self, reader: UserId) -> Result<Option<ReadingSession>, StoreError> {
        sqlx::query("SELECT * FROM reading_sessions WHERE reader_id = $1 AND ended_at IS NULL")
            .bind(reader.to_string())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(session_of)
            .transpose()
    }

    /// A session by its identity.
    pub async fn reading_session(&self, id: ReadingSessionId) -> Result<Option<ReadingSession>, StoreError> {
        sqlx::query("SELECT * FROM reading_sessions WHERE session_id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(session_of)
            .transpose()
    }

    /// A reader's sessions, latest first.
    pub async fn reading_sessions(
        &self,
        reader: UserId,
        limit: u32,
    ) -> Result<Vec<ReadingSession>, StoreError> {
        sqlx::query(
            "SELECT * FROM reading_sessions WHERE reader_id = $1 ORDER BY started_at DESC, session_id LIMIT $2",
        )
        .bind(reader.to_string())
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(session_of)
        .collect()
    }

    /// Notes that a case was taken in a session; again is fine.
    pub async fn take_in_session(
        &self,
        session: ReadingSessionId,
        case_id: CaseId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO reading_session_cases (session_id, case_id, taken_at) VALUES ($1, $2, $3) \
             ON CONFLICT (session_id, case_id) DO NOTHING",
        )
        .bind(session.to_string())
        .bind(case_id.to_string())
        .bind(now.to_string())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Ends a session; one that has ended stays as it was.
    pub async fn end_reading_session(
        &self,
        session: ReadingSessionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE reading_sessions SET ended_at = $1 WHERE session_id = $2 AND ended_at IS NULL")
            .bind(now.to_string())
            .bind(session.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The cases of a session in the order in which they were taken.
    pub async fn cases_of_session(&self, session: ReadingSessionId) -> Result<Vec<SessionCase>, StoreError> {
        sqlx::query(
            "SELECT taken.case_id, taken.taken_at, reads.body, skips.reader_id AS skipped_by, cases.state \
             FROM reading_session_cases AS taken \
             JOIN reading_sessions ON reading_sessions.session_id = taken.session_id \
             JOIN cases ON cases.case_id = taken.case_id \
             LEFT JOIN reads ON reads.case_id = taken.case_id AND reads.reader_id = reading_sessions.reader_id \
             LEFT JOIN skips ON skips.case_id = taken.case_id AND skips.reader_id = reading_sessions.reader_id \
             WHERE taken.session_id = $1 ORDER BY taken.taken_at, taken.case_id",
        )
        .bind(session.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(session_case_of)
        .collect()
    }
}

fn session_of(row: &AnyRow) -> Result<ReadingSession, StoreError> {
    Ok(ReadingSession {
        session_id: parsed(row, "session_id")?,
        reader: parsed(row, "reader_id")?,
        size: u32::try_from(integer(row, "size")?).map_err(|_| StoreError::Corrupt { column: "size" })?,
        filter: from_json(row, "filter")?,
        started_at: parsed(row, "started_at")?,
        ended_at: optional_parsed(row, "ended_at")?,
    })
}

fn session_case_of(row: &AnyRow) -> Result<SessionCase, StoreError> {
    let read = optional_text(row, "body")?;
    Ok(SessionCase {
        case_id: parsed(row, "case_id")?,
        taken_at: parsed(row, "taken_at")?,
        read: read
            .map(|body| serde_json::from_str(&body).map_err(|_| StoreError::Corrupt { column: "body" }))
            .transpose()?,
        skipped: optional_text(row, "skipped_by")?.is_some(),
        on_hold: text(row, "state")? == "on_hold",
    })
}
