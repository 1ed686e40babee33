//! Reads, AI results and what follows from them, for a reader's own list, replay and audit.
//!
//! In: who or what is asked for. Out: whole reads and results. Never: a choice of who may see
//! them; that is for the views of `reading`.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::any::AnyRow;

use super::row::{from_json, integer, optional_parsed, parsed};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::reading::{FollowUp, Read};
use crate::vocab::{AiResult, CaseId, FindingCode, Pathway, ReadId, Timestamp, UserId};

/// A read and its case.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRead {
    /// The case.
    pub case_id: CaseId,
    /// The read.
    pub read: Read,
}

/// An AI result and its case.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAiResult {
    /// The case.
    pub case_id: CaseId,
    /// When it came.
    pub resulted_at: Timestamp,
    /// Whether it came after the case had gone on without it.
    pub late: bool,
    /// What it said.
    pub result: AiResult,
}

/// A conclusion against the AI for which nobody has given a reason yet (PATHWAYS M9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwedOverrule {
    /// The case.
    pub case_id: CaseId,
    /// Number of its conclusion.
    pub conclusion: i64,
    /// Since when.
    pub owed_at: Timestamp,
}

/// What an urgent finding set off (PATHWAYS X7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FollowUpOrder {
    /// The case.
    pub case_id: CaseId,
    /// The finalised human read that it comes from.
    pub read_id: ReadId,
    /// What was ordered.
    pub follow_up: FollowUp,
    /// What was found.
    pub findings: Vec<FindingCode>,
    /// When.
    pub ordered_at: Timestamp,
}

impl Store {
    /// A reader's own reads, arbitrations included, latest first; `before` continues a page.
    pub async fn own_reads(
        &self,
        reader: UserId,
        before: Option<(Timestamp, ReadId)>,
        limit: u32,
    ) -> Result<Vec<StoredRead>, StoreError> {
        let mut statement = Statement::new(
            "SELECT reads.case_id, reads.body FROM read_authors \
             JOIN reads ON reads.read_id = read_authors.read_id WHERE read_authors.reader_id = ",
        );
        statement.bind(reader.to_string());
        if let Some((at, read)) = before {
            statement.push(" AND (read_authors.locked_at, read_authors.read_id) < (");
            statement.bind(at.to_string()).push(", ").bind(read.to_string()).push(")");
        }
        statement.push(" ORDER BY read_authors.locked_at DESC, read_authors.read_id DESC LIMIT ");
        statement.bind(i64::from(limit.min(self.settings.page_rows)));
        statement
            .build()?
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(|row| Ok(StoredRead { case_id: parsed(row, "case_id")?, read: from_json(row, "body")? }))
            .collect()
    }

    /// A reader's own reads that do not count yet, latest first.
    pub async fn own_reads_not_final(
        &self,
        reader: UserId,
        limit: u32,
    ) -> Result<Vec<StoredRead>, StoreError> {
        sqlx::query(
            "SELECT reads.case_id, reads.body FROM reads \
             JOIN read_authors ON read_authors.read_id = reads.read_id \
             WHERE reads.finalised_at IS NULL AND read_authors.reader_id = $1 \
             ORDER BY reads.locked_at DESC, reads.read_id DESC LIMIT $2",
        )
        .bind(reader.to_string())
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| Ok(StoredRead { case_id: parsed(row, "case_id")?, read: from_json(row, "body")? }))
        .collect()
    }

    /// Which of these cases a person has read, alone or with others.
    pub async fn cases_read_by(
        &self,
        reader: UserId,
        cases: &[CaseId],
    ) -> Result<BTreeSet<CaseId>, StoreError> {
        if cases.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut statement = Statement::new("SELECT DISTINCT case_id FROM read_authors WHERE reader_id = ");
        statement.bind(reader.to_string()).push(" AND case_id IN (");
        statement.bind_list(cases.iter().map(ToString::to_string)).push(")");
        statement.build()?.fetch_all(&self.reader).await?.iter().map(|row| parsed(row, "case_id")).collect()
    }

    /// How many reads a person has locked since an instant, by pathway.
    pub async fn own_read_counts(
        &self,
        reader: UserId,
        since: Timestamp,
    ) -> Result<BTreeMap<Pathway, i64>, StoreError> {
        sqlx::query(
            "SELECT cases.pathway, COUNT(*) AS reads FROM read_authors \
             JOIN cases ON cases.case_id = read_authors.case_id \
             WHERE read_authors.reader_id = $1 AND read_authors.locked_at >= $2 GROUP BY cases.pathway",
        )
        .bind(reader.to_string())
        .bind(since.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| Ok((parsed(row, "pathway")?, integer(row, "reads")?)))
        .collect()
    }

    /// The AI result of a case.
    pub async fn ai_result(&self, case_id: CaseId) -> Result<Option<StoredAiResult>, StoreError> {
        sqlx::query("SELECT case_id, resulted_at, late_at, result FROM ai_results WHERE case_id = $1")
            .bind(case_id.to_string())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(ai_result_of)
            .transpose()
    }

    /// AI results in order of their case, from the one after `after`: for replaying all of them.
    pub async fn ai_results_after(
        &self,
        after: Option<CaseId>,
        limit: u32,
    ) -> Result<Vec<StoredAiResult>, StoreError> {
        sqlx::query(
            "SELECT case_id, resulted_at, late_at, result FROM ai_results \
             WHERE case_id > $1 ORDER BY case_id LIMIT $2",
        )
        .bind(after.map_or_else(String::new, |case| case.to_string()))
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(ai_result_of)
        .collect()
    }

    /// Conclusions for which a reason for overruling the AI is owed, longest owed first.
    pub async fn owed_overrules(&self, limit: u32) -> Result<Vec<OwedOverrule>, StoreError> {
        sqlx::query(
            "SELECT case_id, conclusion, owed_at FROM overrules WHERE reasoned_at IS NULL \
             ORDER BY owed_at, case_id LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| {
            Ok(OwedOverrule {
                case_id: parsed(row, "case_id")?,
                conclusion: integer(row, "conclusion")?,
                owed_at: parsed(row, "owed_at")?,
            })
        })
        .collect()
    }

    /// What urgent findings of a case set off.
    pub async fn follow_up_orders(&self, case_id: CaseId) -> Result<Vec<FollowUpOrder>, StoreError> {
        sqlx::query("SELECT * FROM follow_up_orders WHERE case_id = $1 ORDER BY ordered_at, read_id")
            .bind(case_id.to_string())
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(|row| {
                Ok(FollowUpOrder {
                    case_id: parsed(row, "case_id")?,
                    read_id: parsed(row, "read_id")?,
                    follow_up: parsed(row, "follow_up")?,
                    findings: from_json(row, "findings")?,
                    ordered_at: parsed(row, "ordered_at")?,
                })
            })
            .collect()
    }
}

fn ai_result_of(row: &AnyRow) -> Result<StoredAiResult, StoreError> {
    let late_at: Option<Timestamp> = optional_parsed(row, "late_at")?;
    Ok(StoredAiResult {
        case_id: parsed(row, "case_id")?,
        resulted_at: parsed(row, "resulted_at")?,
        late: late_at.is_some(),
        result: from_json(row, "result")?,
    })
}
