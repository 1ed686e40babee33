//! Counts for the statistics of `audit`: AI word against the first human's blind word.
//!
//! In: a period. Out: counts that were kept as the cases concluded, so that the answer costs
//! the days of the period and not the cases of history. Never: a statistic.

use std::collections::BTreeSet;

use sqlx::any::AnyRow;

use super::row::{parsed, size, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::reading::RevealMode;
use crate::vocab::{Pathway, SiteCode, Timestamp};

/// Which cases are counted.
#[derive(Debug, Clone)]
pub struct ConcordanceFilter {
    /// From the UTC day of this instant.
    pub from: Timestamp,
    /// To the UTC day of this instant, which is counted as well.
    pub to: Timestamp,
    /// On one pathway, or on all.
    pub pathway: Option<Pathway>,
    /// Of these sites; all where empty.
    pub sites: BTreeSet<SiteCode>,
}

/// How many cases had one pair of words, under one model version, operating point and reveal mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConcordanceCount {
    /// The pathway.
    pub pathway: Pathway,
    /// Name of the model.
    pub model_name: String,
    /// Its version.
    pub model_version: String,
    /// Its operating point.
    pub operating_point: String,
    /// What the first reader was shown and when.
    pub reveal_mode: RevealMode,
    /// Top-level word of the AI, which spoke in time.
    pub ai_word: String,
    /// Top-level word of the first human's blind opinion.
    pub human_word: String,
    /// Cases that concluded for the first time in the period.
    pub case_count: u64,
}

impl Store {
    /// The counts of a period.
    pub async fn concordance(&self, filter: &ConcordanceFilter) -> Result<Vec<ConcordanceCount>, StoreError> {
        let day = |at: Timestamp| at.to_string().get(..10).unwrap_or_default().to_owned();
        let mut statement = Statement::new(
            "SELECT pathway, model_name, model_version, operating_point, reveal_mode, ai_word, human_word, \
             CAST(SUM(case_count) AS BIGINT) AS case_count FROM concordance_days WHERE day >= ",
        );
        statement.bind(day(filter.from)).push(" AND day <= ").bind(day(filter.to));
        if let Some(pathway) = filter.pathway {
            statement.push(" AND pathway = ").bind(pathway.code());
        }
        if !filter.sites.is_empty() {
            statement.push(" AND site IN (");
            statement.bind_list(filter.sites.iter().map(ToString::to_string)).push(")");
        }
        statement.push(
            " GROUP BY pathway, model_name, model_version, operating_point, reveal_mode, ai_word, human_word",
        );
        let mut counts: Vec<ConcordanceCount> = statement
            .build()?
            .fetch_all(&self.reader)
            .await?
            .iter()
            .map(count_of)
            .collect::<Result<_, StoreError>>()?;
        // Sorted here: the order of texts differs between databases.
        counts.sort_by(|a, b| {
            let key = |c: &ConcordanceCount| {
                (c.pathway, c.model_name.clone(), c.model_version.clone(), c.operating_point.clone())
            };
            let words = |c: &ConcordanceCount| (c.reveal_mode, c.ai_word.clone(), c.human_word.clone());
            key(a).cmp(&key(b)).then_with(|| words(a).cmp(&words(b)))
        });
        Ok(counts)
    }
}

fn count_of(row: &AnyRow) -> Result<ConcordanceCount, StoreError> {
    Ok(ConcordanceCount {
        pathway: parsed(row, "pathway")?,
        model_name: text(row, "model_name")?,
        model_version: text(row, "model_version")?,
        operating_point: text(row, "operating_point")?,
        reveal_mode: parsed(row, "reveal_mode")?,
        ai_word: text(row, "ai_word")?,
        human_word: text(row, "human_word")?,
        case_count: size(row, "case_count")?,
    })
}
