//! Mammograms whose picture looks like another view or side than their tags say.
//!
//! In: what the recogniser saw. Out: notices, of a study or all that still matter. Never: part of an AI result.

use sqlx::any::AnyRow;

use super::row::{from_json, optional_text, parsed, to_json};
use super::{Store, StoreError};
use crate::vocab::{SiteCode, StudyInstanceUid, Timestamp, ViewDisagreement};

/// A notice that is to be acted upon, with the study that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenViewDisagreement {
    /// The study.
    pub study_instance_uid: StudyInstanceUid,
    /// Where it was made.
    pub site: SiteCode,
    /// Patient's Name, as sent.
    pub patient_name: Option<String>,
    /// When it was found.
    pub found_at: Timestamp,
    /// What disagrees.
    pub disagreement: ViewDisagreement,
}

impl Store {
    /// Keeps what was found in the images of a study; found again by another worker, the first stays.
    pub async fn keep_view_disagreements(
        &self,
        study: &StudyInstanceUid,
        found: &[ViewDisagreement],
        recogniser_sha256: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for disagreement in found {
            sqlx::query(
                "INSERT INTO view_disagreements (sop_instance_uid, study_instance_uid, disagreement, \
                 recogniser_sha256, found_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (sop_instance_uid) DO NOTHING",
            )
            .bind(disagreement.sop_instance_uid.as_str())
            .bind(study.as_str())
            .bind(to_json(disagreement, "disagreement")?)
            .bind(recogniser_sha256)
            .bind(now.to_string())
            .execute(&self.writer)
            .await?;
        }
        Ok(())
    }

    /// What was found in the images of a study.
    pub async fn view_disagreements_of_study(
        &self,
        study: &StudyInstanceUid,
    ) -> Result<Vec<ViewDisagreement>, StoreError> {
        sqlx::query(
            "SELECT disagreement FROM view_disagreements WHERE study_instance_uid = $1 ORDER BY sop_instance_uid",
        )
        .bind(study.as_str())
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(|row| from_json(row, "disagreement"))
        .collect()
    }

    /// What was found in studies of which no case has concluded yet, oldest first: afterwards nobody can act on it.
    pub async fn open_view_disagreements(&self, limit: u32) -> Result<Vec<OpenViewDisagreement>, StoreError> {
        sqlx::query(
            "SELECT d.study_instance_uid, d.disagreement, d.found_at, s.site, s.patient_name \
             FROM view_disagreements d JOIN studies s ON s.study_instance_uid = d.study_instance_uid \
             WHERE NOT EXISTS (SELECT 1 FROM cases c WHERE c.study_instance_uid = d.study_instance_uid \
             AND c.concluded_at IS NOT NULL) ORDER BY d.found_at, d.sop_instance_uid LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(open_of)
        .collect()
    }
}

fn open_of(row: &AnyRow) -> Result<OpenViewDisagreement, StoreError> {
    Ok(OpenViewDisagreement {
        study_instance_uid: parsed(row, "study_instance_uid")?,
        site: parsed(row, "site")?,
        patient_name: optional_text(row, "patient_name")?,
        found_at: parsed(row, "found_at")?,
        disagreement: from_json(row, "disagreement")?,
    })
}
