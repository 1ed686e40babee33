//! Earlier studies of the same patient.
//!
//! In: a study and the sites that somebody may see. Out: studies before it, latest first. Never: a study of somebody who
//! may be another person: the identifier has to be the same of the same issuer, and nothing else may contradict it.

use std::collections::BTreeSet;

use super::statement::Statement;
use super::studies::{Study, study_of};
use super::{Store, StoreError};
use crate::vocab::SiteCode;

impl Store {
    /// Studies of the patient of `study` that are earlier than it, latest first, at most `limit`.
    ///
    /// The Patient ID and its issuer are the same; an identifier that names no issuer is known within its site only.
    /// A birth date or sex that both have and that differs, or a hold, takes a study out. A study without a date can't be
    /// said to be earlier. `sites` are those that may be seen; empty means every site.
    pub async fn earlier_studies(
        &self,
        study: &Study,
        sites: &BTreeSet<SiteCode>,
        limit: u32,
    ) -> Result<Vec<Study>, StoreError> {
        let Some(patient_id) = &study.patient_id else { return Ok(Vec::new()) };
        let arrived = study.first_arrival_at.to_string();
        // YYYY-MM-DD... as DA writes it.
        let arrival_day: String = arrived.chars().filter(char::is_ascii_digit).take(8).collect();
        let date = study.study_date.clone().unwrap_or(arrival_day);
        let mut query = Statement::new("SELECT * FROM studies WHERE patient_id = ");
        query.bind(patient_id.to_string());
        match &study.issuer_of_patient_id {
            Some(issuer) => query.push(" AND issuer_of_patient_id = ").bind(issuer.clone()),
            None => query.push(" AND issuer_of_patient_id IS NULL AND site = ").bind(study.site.to_string()),
        };
        query.push(" AND study_date <= ").bind(date.clone());
        query.push(" AND (study_date < ").bind(date);
        query.push(" OR first_arrival_at < ").bind(arrived);
        query.push(") AND study_instance_uid <> ").bind(study.study_instance_uid.to_string());
        query.push(" AND hold_reason IS NULL");
        if let Some(born) = &study.birth_date {
            query.push(" AND (birth_date IS NULL OR birth_date = ").bind(born.clone()).push(")");
        }
        if let Some(sex) = study.sex {
            query.push(" AND (sex IS NULL OR sex = ").bind(sex.code()).push(")");
        }
        if !sites.is_empty() {
            query.push(" AND site IN (").bind_list(sites.iter().map(ToString::to_string)).push(")");
        }
        query.push(" ORDER BY study_date DESC, study_instance_uid DESC LIMIT ");
        query.bind(i64::from(limit.min(self.settings.page_rows)));
        query.build()?.fetch_all(&self.reader).await?.iter().map(study_of).collect()
    }
}
