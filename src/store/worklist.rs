//! Lists of cases for pages and workers, each in the order of an index.
//!
//! In: filters and the place where the page before ended. Out: rows of cases. Never: a sort
//! without an index, a count of everything, or what the AI or a reader said.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::row::{integer, optional_parsed, optional_text, parsed, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::reading::{PolicyRef, Slot};
use crate::vocab::{
    AccessionNumber, CaseId, InvalidValue, NotProcessedReason, Pathway, PatientId, Sex, SiteCode,
    StudyInstanceUid, Timestamp, UserId,
};

/// Place in the queue; pages continue after one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueKey {
    rank: i64,
    due_at: Timestamp,
    last_image_at: Timestamp,
    case_id: CaseId,
}

impl std::fmt::Display for QueueKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}~{}~{}~{}", self.rank, self.due_at, self.last_image_at, self.case_id)
    }
}

impl std::str::FromStr for QueueKey {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        const WRONG: InvalidValue = InvalidValue { what: "place in a list", problem: "is not one of ours" };
        let parts: Vec<&str> = text.split('~').collect();
        let [rank, due_at, last_image_at, case_id] = parts[..] else { return Err(WRONG) };
        Ok(Self {
            rank: rank.parse().map_err(|_| WRONG)?,
            due_at: due_at.parse()?,
            last_image_at: last_image_at.parse()?,
            case_id: case_id.parse()?,
        })
    }
}

/// A case as lists show it, with the patient of its study.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseRow {
    /// The case.
    pub case_id: CaseId,
    /// Its study.
    pub study_instance_uid: StudyInstanceUid,
    /// How it is read.
    pub pathway: Pathway,
    /// Where it was made.
    pub site: SiteCode,
    /// Number of the image set within its study, from 1.
    pub image_set: i64,
    /// The policy that it keeps.
    pub policy: PolicyRef,
    /// When it became a case.
    pub opened_at: Timestamp,
    /// When its last image came.
    pub last_image_at: Timestamp,
    /// What it waits for: word of `reading::NextStep`. Not for eyes that are still blind to the case.
    pub state: String,
    /// The read that is open to be claimed.
    pub open_slot: Option<Slot>,
    /// Whether the order says urgent.
    pub urgent: bool,
    /// By when it is to have an outcome.
    pub due_at: Timestamp,
    /// `pending`, `resulted`, `quality_fail`, `not_processed` or `absent`: a badge for radiographers.
    pub ai_state: String,
    /// Why it was not scored, or what is wrong with the images.
    pub ai_reason: Option<NotProcessedReason>,
    /// When it concluded.
    pub concluded_at: Option<Timestamp>,
    /// Word of the outcome.
    pub outcome: Option<String>,
    /// The case that took its place.
    pub superseded_by: Option<CaseId>,
    /// Patient ID.
    pub patient_id: Option<PatientId>,
    /// Patient's Name.
    pub patient_name: Option<String>,
    /// Patient's Birth Date, `YYYYMMDD`.
    pub birth_date: Option<String>,
    /// Patient's Sex.
    pub sex: Option<Sex>,
    /// Accession Number.
    pub accession_number: Option<AccessionNumber>,
    /// Study Description.
    pub study_description: Option<String>,
    key: QueueKey,
}

impl CaseRow {
    /// Its place in the queue, for the page after.
    pub fn key(&self) -> &QueueKey {
        &self.key
    }
}

/// Which cases are wanted.
#[derive(Debug, Clone, Default)]
pub struct WorklistQuery {
    /// On these pathways; all where empty.
    pub pathways: BTreeSet<Pathway>,
    /// Of these sites; all where empty.
    pub sites: BTreeSet<SiteCode>,
    /// Open for these reads; any where empty.
    pub slots: BTreeSet<Slot>,
    /// For this reader: without cases that they read or skipped, or that another has open.
    pub reader: Option<UserId>,
    /// After this place.
    pub after: Option<QueueKey>,
}

pub(super) const SELECT: &str = "SELECT cases.*, studies.patient_id, studies.patient_name, studies.birth_date, studies.sex, \
     studies.accession_number, studies.study_description FROM cases \
     LEFT JOIN studies ON studies.study_instance_uid = cases.study_instance_uid WHERE ";

const QUEUE_ORDER: &str =
    " ORDER BY cases.queue_rank, cases.due_at, cases.last_image_at, cases.case_id LIMIT ";

impl Store {
    /// Cases that are open to be read, in the order of the queue (PATHWAYS R15).
    ///
    /// Each combination of pathway, slot and site is one walk along an index; the walks are merged here.
    pub async fn worklist(
        &self,
        query: &WorklistQuery,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        let pathways: Vec<Pathway> = some_or(&query.pathways, Pathway::ALL);
        let slots: Vec<Slot> = some_or(&query.slots, Slot::ALL);
        let sites: Vec<Option<&SiteCode>> =
            if query.sites.is_empty() { vec![None] } else { query.sites.iter().map(Some).collect() };
        let limit = limit.min(self.settings.page_rows);
        let mut rows = Vec::new();
        for pathway in &pathways {
            for slot in &slots {
                for site in &sites {
                    rows.extend(self.walk_queue(query, *pathway, *slot, *site, now, limit).await?);
                }
            }
        }
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(rows)
    }

    async fn walk_queue(
        &self,
        query: &WorklistQuery,
        pathway: Pathway,
        slot: Slot,
        site: Option<&SiteCode>,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push("cases.pathway = ").bind(pathway.code());
        statement.push(" AND cases.open_slot = ").bind(slot.code());
        if let Some(site) = site {
            statement.push(" AND cases.site = ").bind(site.to_string());
        }
        push_after(&mut statement, query.after.as_ref());
        if let Some(reader) = query.reader {
            let reader = reader.to_string();
            statement
                .push(
                    " AND NOT EXISTS (SELECT 1 FROM read_authors WHERE read_authors.case_id = cases.case_id",
                )
                .push(" AND read_authors.reader_id = ")
                .bind(reader.clone())
                .push(") AND NOT EXISTS (SELECT 1 FROM skips WHERE skips.case_id = cases.case_id")
                .push(" AND skips.reader_id = ")
                .bind(reader.clone())
                .push(") AND NOT EXISTS (SELECT 1 FROM claims WHERE claims.case_id = cases.case_id")
                .push(" AND claims.expires_at > ")
                .bind(now.to_string())
                .push(" AND claims.reader_id <> ")
                .bind(reader)
                .push(")");
        }
        statement.push(QUEUE_ORDER).bind(i64::from(limit));
        statement.build()?.fetch_all(&self.reader).await?.iter().map(case_row_of).collect()
    }

    /// Cases of a pathway in one state (word of `reading::NextStep`), in the order of the queue.
    pub async fn cases_in_state(
        &self,
        pathway: Pathway,
        state: &str,
        sites: &BTreeSet<SiteCode>,
        after: Option<&QueueKey>,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push("cases.pathway = ").bind(pathway.code());
        statement.push(" AND cases.state = ").bind(state);
        push_sites(&mut statement, sites);
        push_after(&mut statement, after);
        statement.push(QUEUE_ORDER).bind(i64::from(limit.min(self.settings.page_rows)));
        statement.build()?.fetch_all(&self.reader).await?.iter().map(case_row_of).collect()
    }

    /// Concluded cases of a pathway, latest first; `before` continues a page after its last row.
    pub async fn concluded_cases(
        &self,
        pathway: Pathway,
        sites: &BTreeSet<SiteCode>,
        before: Option<(Timestamp, CaseId)>,
        limit: u32,
    ) -> Result<Vec<CaseRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push("cases.pathway = ").bind(pathway.code());
        statement.push(" AND cases.concluded_at IS NOT NULL");
        push_sites(&mut statement, sites);
        if let Some((at, case_id)) = before {
            statement.push(" AND (cases.concluded_at, cases.case_id) < (");
            statement.bind(at.to_string()).push(", ").bind(case_id.to_string()).push(")");
        }
        statement.push(" ORDER BY cases.concluded_at DESC, cases.case_id DESC LIMIT ");
        statement.bind(i64::from(limit.min(self.settings.page_rows)));
        statement.build()?.fetch_all(&self.reader).await?.iter().map(case_row_of).collect()
    }

    /// The cases of a study, the first image set first.
    pub async fn cases_of_study(&self, study: &StudyInstanceUid) -> Result<Vec<CaseRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push("cases.study_instance_uid = ").bind(study.to_string());
        statement.push(" ORDER BY cases.pathway, cases.image_set");
        statement.build()?.fetch_all(&self.reader).await?.iter().map(case_row_of).collect()
    }

    /// One case, as lists show it.
    pub async fn case_row(&self, case_id: CaseId) -> Result<Option<CaseRow>, StoreError> {
        let mut statement = Statement::new(SELECT);
        statement.push("cases.case_id = ").bind(case_id.to_string());
        statement.build()?.fetch_optional(&self.reader).await?.as_ref().map(case_row_of).transpose()
    }

    /// Sites that have sent studies.
    pub async fn sites(&self) -> Result<Vec<SiteCode>, StoreError> {
        sqlx::query("SELECT DISTINCT site FROM studies ORDER BY site")
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(|row| parsed(row, "site"))
            .collect()
    }

    /// The cases that a reader has open now, the earliest opened first.
    pub async fn claimed_by(&self, reader: UserId, now: Timestamp) -> Result<Vec<CaseId>, StoreError> {
        sqlx::query(
            "SELECT case_id FROM claims WHERE reader_id = $1 AND expires_at > $2 ORDER BY opened_at, case_id",
        )
        .bind(reader.to_string())
        .bind(now.to_string())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| parsed(row, "case_id"))
        .collect()
    }
}

fn some_or<T: Copy + Ord>(some: &BTreeSet<T>, all: &[T]) -> Vec<T> {
    if some.is_empty() { all.to_vec() } else { some.iter().copied().collect() }
}

pub(super) fn push_sites(statement: &mut Statement, sites: &BTreeSet<SiteCode>) {
    if !sites.is_empty() {
        statement.push(" AND cases.site IN (");
        statement.bind_list(sites.iter().map(ToString::to_string)).push(")");
    }
}

fn push_after(statement: &mut Statement, after: Option<&QueueKey>) {
    if let Some(key) = after {
        statement.push(" AND (cases.queue_rank, cases.due_at, cases.last_image_at, cases.case_id) > (");
        statement.bind(key.rank).push(", ").bind(key.due_at.to_string()).push(", ");
        statement.bind(key.last_image_at.to_string()).push(", ").bind(key.case_id.to_string()).push(")");
    }
}

pub(super) fn case_row_of(row: &AnyRow) -> Result<CaseRow, StoreError> {
    let key = QueueKey {
        rank: integer(row, "queue_rank")?,
        due_at: parsed(row, "due_at")?,
        last_image_at: parsed(row, "last_image_at")?,
        case_id: parsed(row, "case_id")?,
    };
    Ok(CaseRow {
        case_id: key.case_id,
        study_instance_uid: parsed(row, "study_instance_uid")?,
        pathway: parsed(row, "pathway")?,
        site: parsed(row, "site")?,
        image_set: integer(row, "image_set")?,
        policy: PolicyRef {
            id: text(row, "policy_id")?,
            version: u32::try_from(integer(row, "policy_version")?)
                .map_err(|_| StoreError::Corrupt { column: "policy_version" })?,
        },
        opened_at: parsed(row, "opened_at")?,
        last_image_at: key.last_image_at,
        state: text(row, "state")?,
        open_slot: optional_parsed(row, "open_slot")?,
        urgent: super::projections::is_urgent(key.rank),
        due_at: key.due_at,
        ai_state: text(row, "ai_state")?,
        ai_reason: optional_parsed(row, "ai_reason")?,
        concluded_at: optional_parsed(row, "concluded_at")?,
        outcome: optional_text(row, "outcome")?,
        superseded_by: optional_parsed(row, "superseded_by")?,
        patient_id: optional_parsed(row, "patient_id")?,
        patient_name: optional_text(row, "patient_name")?,
        birth_date: optional_text(row, "birth_date")?,
        sex: optional_parsed(row, "sex")?,
        accession_number: optional_parsed(row, "accession_number")?,
        study_description: optional_text(row, "study_description")?,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_queue_reads_back_as_written() {
        let at = Timestamp::from_millis(1_767_323_045_678);
        let key =
            QueueKey { rank: 4, due_at: at, last_image_at: at.plus_ms(1), case_id: CaseId::from_number(7) };
        assert_eq!(key.to_string().parse::<QueueKey>().unwrap(), key);
        assert!("4~yesterday~now~7".parse::<QueueKey>().is_err());
    }
}
