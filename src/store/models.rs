//! Decisions about model versions, and results of models in the shadow.
//!
//! In: who decided what from when on; what a shadow model said. Out: the roles in force, counts
//! for audit. Never: a change of a decision, or a shadow result beside a case.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::row::{from_json, optional_parsed, optional_text, parsed, size, text, to_json};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{AiResult, CaseId, Pathway, Places, SiteCode, Timestamp, UserId};

/// A decision to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDecision {
    /// Name of the model's folder.
    pub folder: String,
    /// SHA-256 of its graph, hexadecimal.
    pub sha256: String,
    /// `active`, `shadow` or `retired`.
    pub role: String,
    /// From when on it holds.
    pub effective_at: Timestamp,
    /// When it was taken.
    pub decided_at: Timestamp,
    /// Who took it.
    pub decided_by: UserId,
    /// Who confirmed it; needed for `active` (PATHWAYS R20).
    pub confirmed_by: Option<UserId>,
    /// Why.
    pub reason: String,
}

/// How many cases had one triple of words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowCount {
    /// The pathway.
    pub pathway: Pathway,
    /// Folder of the shadow model.
    pub folder: String,
    /// Its word.
    pub shadow_word: String,
    /// The word of the model in force, where it spoke.
    pub ai_word: Option<String>,
    /// The word of the first human's blind opinion, where there is one.
    pub human_word: Option<String>,
    /// Cases.
    pub case_count: u64,
}

impl Store {
    /// Keeps a decision.
    pub async fn decide_model(&self, decision: ModelDecision) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO model_decisions (decision_id, folder, sha256, role, effective_at, decided_at, \
             decided_by, confirmed_by, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(uuid::Uuid::now_v7().to_string())
        .bind(decision.folder)
        .bind(decision.sha256)
        .bind(decision.role)
        .bind(decision.effective_at.to_string())
        .bind(decision.decided_at.to_string())
        .bind(decision.decided_by.to_string())
        .bind(decision.confirmed_by.map(|user| user.to_string()))
        .bind(decision.reason)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Every decision, oldest first; few, since each is a person's.
    pub async fn model_decisions(&self) -> Result<Vec<ModelDecision>, StoreError> {
        sqlx::query("SELECT * FROM model_decisions ORDER BY effective_at, decided_at, decision_id")
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(decision_of)
            .collect()
    }

    /// Keeps what a shadow model said; said again by another worker, the first stays.
    pub async fn keep_shadow_result(
        &self,
        case_id: CaseId,
        folder: &str,
        result: &AiResult,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO shadow_results (case_id, folder, sha256, word, score, resulted_at, result) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (case_id, folder) DO NOTHING",
        )
        .bind(case_id.to_string())
        .bind(folder)
        .bind(result.model.as_ref().map_or("", |stamp| stamp.sha256.as_str()))
        .bind(result.outcome.word())
        .bind(result.score)
        .bind(result.at.to_string())
        .bind(to_json(result, "result")?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Whether a shadow model has spoken on a case.
    pub async fn has_shadow_result(&self, case_id: CaseId, folder: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT word FROM shadow_results WHERE case_id = $1 AND folder = $2")
            .bind(case_id.to_string())
            .bind(folder)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }

    /// Keeps where a model was moved by the images of a case; found again by another worker, the first stays.
    pub async fn keep_places(
        &self,
        case_id: CaseId,
        model_sha256: &str,
        places: &Places,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO case_places (case_id, model_sha256, found_at, places) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (case_id) DO NOTHING",
        )
        .bind(case_id.to_string())
        .bind(model_sha256)
        .bind(now.to_string())
        .bind(to_json(places, "places")?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Where a model was moved by the images of a case, once that was found.
    pub async fn places(&self, case_id: CaseId) -> Result<Option<Places>, StoreError> {
        sqlx::query("SELECT places FROM case_places WHERE case_id = $1")
            .bind(case_id.to_string())
            .fetch_optional(&self.reader)
            .await?
            .map(|row| from_json(&row, "places"))
            .transpose()
    }

    /// Words of shadow models beside those of the model in force and of the first readers, at these sites (all where
    /// empty).
    pub async fn shadow_counts(
        &self,
        from: Timestamp,
        to: Timestamp,
        sites: &BTreeSet<SiteCode>,
    ) -> Result<Vec<ShadowCount>, StoreError> {
        let mut statement = Statement::new(
            "SELECT cases.pathway, shadow_results.folder, shadow_results.word AS shadow_word, \
             ai_results.word AS ai_word, reads.blind_word AS human_word, COUNT(*) AS case_count \
             FROM shadow_results JOIN cases ON cases.case_id = shadow_results.case_id \
             LEFT JOIN ai_results ON ai_results.case_id = shadow_results.case_id \
             LEFT JOIN reads ON reads.case_id = shadow_results.case_id AND reads.slot = 'first' \
             WHERE shadow_results.resulted_at >= ",
        );
        statement.bind(from.to_string()).push(" AND shadow_results.resulted_at <= ").bind(to.to_string());
        if !sites.is_empty() {
            statement.push(" AND cases.site IN (");
            statement.bind_list(sites.iter().map(ToString::to_string)).push(")");
        }
        statement.push(
            " GROUP BY cases.pathway, shadow_results.folder, shadow_results.word, ai_results.word, \
             reads.blind_word",
        );
        let mut counts: Vec<ShadowCount> = statement
            .build()?
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(count_of)
            .collect::<Result<_, StoreError>>()?;
        // Sorted here: the order of texts differs between databases.
        counts.sort_by(|a, b| {
            let key = |c: &ShadowCount| {
                (c.pathway, c.folder.clone(), c.shadow_word.clone(), c.ai_word.clone(), c.human_word.clone())
            };
            key(a).cmp(&key(b))
        });
        Ok(counts)
    }
}

fn decision_of(row: &AnyRow) -> Result<ModelDecision, StoreError> {
    Ok(ModelDecision {
        folder: text(row, "folder")?,
        sha256: text(row, "sha256")?,
        role: text(row, "role")?,
        effective_at: parsed(row, "effective_at")?,
        decided_at: parsed(row, "decided_at")?,
        decided_by: parsed(row, "decided_by")?,
        confirmed_by: optional_parsed(row, "confirmed_by")?,
        reason: text(row, "reason")?,
    })
}

fn count_of(row: &AnyRow) -> Result<ShadowCount, StoreError> {
    Ok(ShadowCount {
        pathway: parsed(row, "pathway")?,
        folder: text(row, "folder")?,
        shadow_word: text(row, "shadow_word")?,
        ai_word: optional_text(row, "ai_word")?,
        human_word: optional_text(row, "human_word")?,
        case_count: size(row, "case_count")?,
    })
}
