//! Cases by patient, for people who look for one.
//!
//! In: what was typed, and filters. Out: rows of cases, latest first. Never: a pattern that the person did not mean
//! (signs of LIKE are taken out), or more studies looked at than a bound.

use std::collections::BTreeSet;

use super::statement::Statement;
use super::worklist::{SELECT, case_row_of, push_sites};
use super::{CaseRow, Store, StoreError};
use crate::vocab::{Pathway, SiteCode};

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct CaseSearch {
    /// Part of a name, a whole patient ID or a whole accession number.
    pub text: String,
    /// On this pathway; on either where none.
    pub pathway: Option<Pathway>,
    /// Of these sites; of all where empty.
    pub sites: BTreeSet<SiteCode>,
    /// Rows that were shown on the pages before.
    pub skip: u32,
}

/// Cases that fit a search.
#[derive(Debug)]
pub struct FoundCases {
    /// The latest images first.
    pub rows: Vec<CaseRow>,
    /// How many studies were searched, where the name fits more than are looked at.
    pub only_latest: Option<u32>,
}

impl Store {
    /// Cases whose patient or order fits, the latest images first. A whole patient ID or accession number is looked up
    /// first; a name is looked for where there is none.
    pub async fn search_cases(&self, search: &CaseSearch, limit: u32) -> Result<FoundCases, StoreError> {
        let text = search.text.trim();
        let mut only_latest = None;
        let mut studies = self.studies_by_number(text).await?;
        if studies.is_empty()
            && let Some(pattern) = name_pattern(text)
        {
            studies = self.studies_by_name(&pattern).await?;
            if studies.len() > self.most_studies() {
                only_latest = Some(self.settings.search_studies);
                studies = self.latest_studies_by_name(&pattern, &search.sites).await?;
            }
        }
        if studies.is_empty() {
            return Ok(FoundCases { rows: Vec::new(), only_latest });
        }
        let mut statement = Statement::new(SELECT);
        statement.push("cases.superseded_by IS NULL AND cases.study_instance_uid IN (");
        statement.bind_list(studies).push(")");
        if let Some(pathway) = search.pathway {
            statement.push(" AND cases.pathway = ").bind(pathway.code());
        }
        push_sites(&mut statement, &search.sites);
        statement
            .push(" ORDER BY cases.last_image_at DESC, cases.case_id DESC LIMIT ")
            .bind(i64::from(limit.min(self.settings.page_rows)))
            .push(" OFFSET ")
            .bind(i64::from(search.skip));
        // As many texts as there are numbers of studies: none of them is worth keeping prepared.
        let query = statement.build()?.persistent(false);
        let rows = query.fetch_all(&self.reader).await?.iter().map(case_row_of).collect::<Result<_, _>>()?;
        Ok(FoundCases { rows, only_latest })
    }

    fn most_studies(&self) -> usize {
        usize::try_from(self.settings.search_studies).unwrap_or(usize::MAX)
    }

    async fn studies_by_number(&self, number: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = Statement::new("SELECT study_instance_uid FROM studies WHERE patient_id = ");
        statement.bind(number.to_owned());
        statement.push(" UNION SELECT study_instance_uid FROM studies WHERE accession_number = ");
        statement.bind(number.to_owned());
        self.uids(statement, self.settings.search_studies).await
    }

    /// Out of the index of names alone, and one more than are looked at where there are more.
    async fn studies_by_name(&self, pattern: &str) -> Result<Vec<String>, StoreError> {
        let mut statement =
            Statement::new("SELECT study_instance_uid FROM studies WHERE LOWER(patient_name) LIKE ");
        statement.bind(pattern.to_owned()).push(" ORDER BY patient_name, study_instance_uid");
        self.uids(statement, self.settings.search_studies.saturating_add(1)).await
    }

    /// Of a name that many have, the studies of the sites that were asked for, the latest first.
    async fn latest_studies_by_name(
        &self,
        pattern: &str,
        sites: &BTreeSet<SiteCode>,
    ) -> Result<Vec<String>, StoreError> {
        let mut statement =
            Statement::new("SELECT study_instance_uid FROM studies WHERE LOWER(patient_name) LIKE ");
        statement.bind(pattern.to_owned());
        if !sites.is_empty() {
            statement.push(" AND site IN (");
            statement.bind_list(sites.iter().map(ToString::to_string)).push(")");
        }
        statement.push(" ORDER BY last_arrival_at DESC, study_instance_uid DESC");
        self.uids(statement, self.settings.search_studies).await
    }

    async fn uids(&self, mut statement: Statement, most: u32) -> Result<Vec<String>, StoreError> {
        statement.push(" LIMIT ").bind(i64::from(most));
        let rows = statement.build()?.fetch_all(&self.reader).await?;
        rows.iter().map(|row| super::row::text(row, "study_instance_uid")).collect()
    }
}

/// Words of a name in their order, wherever they stand in it; nothing where there is no letter to look for.
fn name_pattern(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '-' && c != '\'')
        .filter(|w| !w.is_empty())
        .collect();
    (!words.is_empty()).then(|| format!("%{}%", words.join("%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_for_word_by_word_without_signs_of_a_pattern() {
        assert_eq!(name_pattern("SMITH, Anna").as_deref(), Some("%smith%anna%"));
        assert_eq!(name_pattern("O'Neil").as_deref(), Some("%o'neil%"));
        assert_eq!(name_pattern("100%_x").as_deref(), Some("%100%x%"));
        assert_eq!(name_pattern(" %% "), None);
    }
}
