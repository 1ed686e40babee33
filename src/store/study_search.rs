//! Studies that match the keys of a search (PS3.4 section C.2.2.2).
//!
//! In: keys, sites, a place in the answer. Out: studies, the latest arrival first. Never: a study of a site that was not
//! named, where sites are.

use std::collections::BTreeSet;

use super::statement::Statement;
use super::studies::{NO_LINK_TEST, Study, study_of};
use super::{Store, StoreError};
use crate::vocab::{SiteCode, StudyInstanceUid};

/// Keys of a search; what is absent or empty matches everything.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StudyQuery {
    /// Any of these studies.
    pub study_instance_uids: Vec<StudyInstanceUid>,
    /// Patient ID, as it is.
    pub patient_id: Option<String>,
    /// Patient's Name, with `*` and `?`, whatever the case.
    pub patient_name: Option<String>,
    /// Accession Number, as it is.
    pub accession_number: Option<String>,
    /// First Study Date, `YYYYMMDD`.
    pub date_from: Option<String>,
    /// Last Study Date.
    pub date_to: Option<String>,
    /// With an instance of one of these modalities.
    pub modalities: Vec<String>,
    /// Of these sites; all where empty.
    pub sites: BTreeSet<SiteCode>,
    /// Rows at most.
    pub limit: u32,
    /// Rows that are passed over.
    pub offset: u32,
}

impl Store {
    /// The studies that match, the latest arrival first.
    pub async fn find_studies(&self, wanted: &StudyQuery) -> Result<Vec<Study>, StoreError> {
        let mut query = Statement::new("SELECT * FROM studies WHERE 1 = 1");
        if !wanted.study_instance_uids.is_empty() {
            let uids = wanted.study_instance_uids.iter().map(ToString::to_string);
            query.push(" AND study_instance_uid IN (").bind_list(uids).push(")");
        }
        if let Some(id) = &wanted.patient_id {
            query.push(" AND patient_id = ").bind(id.clone());
        }
        if let Some(name) = &wanted.patient_name {
            query.push(" AND LOWER(patient_name) LIKE ").bind(pattern(name)).push(" ESCAPE '!'");
        }
        if let Some(number) = &wanted.accession_number {
            query.push(" AND accession_number = ").bind(number.clone());
        }
        if let Some(from) = &wanted.date_from {
            query.push(" AND study_date >= ").bind(from.clone());
        }
        if let Some(to) = &wanted.date_to {
            query.push(" AND study_date <= ").bind(to.clone());
        }
        if !wanted.modalities.is_empty() {
            query
                .push(" AND EXISTS (SELECT 1 FROM instances WHERE instances.study_instance_uid = ")
                .push("studies.study_instance_uid AND instances.modality IN (")
                .bind_list(wanted.modalities.iter().cloned())
                .push("))");
        }
        if !wanted.sites.is_empty() {
            query.push(" AND site IN (").bind_list(wanted.sites.iter().map(ToString::to_string)).push(")");
        }
        query.push(NO_LINK_TEST);
        query.push(" ORDER BY last_arrival_at DESC, study_instance_uid DESC LIMIT ");
        query.bind(i64::from(wanted.limit.min(self.settings.page_rows)));
        query.push(" OFFSET ").bind(i64::from(wanted.offset));
        query.build()?.fetch_all(&self.reader).await?.iter().map(study_of).collect()
    }
}

/// A key with wildcards as a pattern of SQL; its own wildcards are plain letters here.
fn pattern(key: &str) -> String {
    let mut pattern = String::with_capacity(key.len() + 8);
    for letter in key.to_lowercase().chars() {
        match letter {
            '*' => pattern.push('%'),
            '?' => pattern.push('_'),
            '%' | '_' | '!' => pattern.extend(['!', letter]),
            other => pattern.push(other),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_sql_are_plain_letters_in_a_key() {
        assert_eq!(pattern("Smi?h^*"), "smi_h^%");
        assert_eq!(pattern("100%_!"), "100!%!_!!");
    }
}
