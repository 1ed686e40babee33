//! Studies: what has arrived of each, whose it is, and whether it is held.
//!
//! In: newly stored instances, the pipeline's judgement of completeness. Out: one row per
//! study. Never: a silent merge of two patients; a study whose instances disagree is held.

use std::collections::BTreeMap;

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::jobs::{NewJob, upsert_jobs};
use super::order_matching::match_to_orders;
use super::row::{groups, integer, optional_parsed, optional_text, parsed, text};
use super::statement::Statement;
use super::{Store, StoreError};
use crate::vocab::{
    AccessionNumber, AeTitle, Instance, InstanceTags, Pathway, PatientId, Sex, SiteCode, StudyInstanceUid,
    Timestamp, UserId, coded_enum,
};

coded_enum!(
    /// Why nothing of a study is scored or posted until a person has looked.
    HoldReason, "hold reason" {
        /// Its instances disagree about the patient.
        IdentityConflict = "identity_conflict",
        /// The order with their accession number is for somebody else.
        OrderOfAnotherPatient = "order_of_another_patient",
        /// A person put it on hold.
        ByHand = "by_hand",
    }
);

coded_enum!(
    /// By which rule an image set was judged complete.
    CompletenessRule, "completeness rule" { ExpectedViews = "expected_views", QuietTime = "quiet_time" }
);

/// Leaves out studies that were pushed only to test the link.
pub(super) const NO_LINK_TEST: &str = " AND NOT EXISTS (SELECT 1 FROM link_tests \
     WHERE link_tests.study_instance_uid = studies.study_instance_uid)";

/// One study, as far as it has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Study Instance UID.
    pub study_instance_uid: StudyInstanceUid,
    /// Patient ID of the first instance that carried one; likewise below.
    pub patient_id: Option<PatientId>,
    /// Issuer of Patient ID.
    pub issuer_of_patient_id: Option<String>,
    /// Patient's Name.
    pub patient_name: Option<String>,
    /// Patient's Birth Date, `YYYYMMDD`.
    pub birth_date: Option<String>,
    /// Patient's Sex.
    pub sex: Option<Sex>,
    /// Accession Number.
    pub accession_number: Option<AccessionNumber>,
    /// Study Date, `YYYYMMDD`.
    pub study_date: Option<String>,
    /// Study Description.
    pub study_description: Option<String>,
    /// Site of the first instance.
    pub site: SiteCode,
    /// Who sent the first instance.
    pub calling_ae: AeTitle,
    /// Pathway that the source profile fixes.
    pub pathway: Option<Pathway>,
    /// Modality of the first instance.
    pub modality: String,
    /// Instances stored.
    pub instance_count: i64,
    /// Arrival of the first instance.
    pub first_arrival_at: Timestamp,
    /// Arrival of the last instance.
    pub last_arrival_at: Timestamp,
    /// Why and since when it is held.
    pub hold: Option<(HoldReason, Timestamp)>,
    /// When and by which rule it was complete.
    pub complete: Option<(Timestamp, CompletenessRule)>,
    /// When a person settled that it may be read though the order with its accession number is for somebody else.
    pub order_conflict_settled_at: Option<Timestamp>,
}

/// Whether two sets of attributes can be of one patient: no attribute that both carry differs.
fn same_patient(a: &Identity, b: &Identity) -> bool {
    fn agree<T: PartialEq>(a: &Option<T>, b: &Option<T>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
    agree(&a.patient_id, &b.patient_id)
        && agree(&a.issuer, &b.issuer)
        && agree(&a.birth_date, &b.birth_date)
        && agree(&a.sex, &b.sex)
        && agree(&a.folded_name(), &b.folded_name())
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Identity {
    patient_id: Option<String>,
    issuer: Option<String>,
    name: Option<String>,
    birth_date: Option<String>,
    sex: Option<String>,
}

impl Identity {
    fn of_tags(tags: &InstanceTags) -> Self {
        Self {
            patient_id: tags.patient_id.as_ref().map(ToString::to_string),
            issuer: filled(&tags.issuer_of_patient_id),
            name: filled(&tags.patient_name),
            birth_date: filled(&tags.birth_date),
            sex: tags.sex.map(|sex| sex.code().to_owned()),
        }
    }

    fn of_study(study: &Study) -> Self {
        Self {
            patient_id: study.patient_id.as_ref().map(ToString::to_string),
            issuer: study.issuer_of_patient_id.clone(),
            name: study.patient_name.clone(),
            birth_date: study.birth_date.clone(),
            sex: study.sex.map(|sex| sex.code().to_owned()),
        }
    }

    /// The first component group without case, separators and padding (PS3.5 section 6.2.1).
    fn folded_name(&self) -> Option<String> {
        let group = self.name.as_ref()?.split('=').next().unwrap_or_default().to_lowercase();
        let words: Vec<&str> = group.split(['^', ',', '.', ' ']).filter(|word| !word.is_empty()).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }
}

fn filled(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Adds newly stored instances to their studies; each study with the last arrival among them.
pub(super) async fn upsert_studies(
    connection: &mut AnyConnection,
    stored: &[&Instance],
) -> Result<Vec<(StudyInstanceUid, Timestamp)>, StoreError> {
    // In the order of the UIDs, as the instances are, against deadlocks.
    let mut by_study: BTreeMap<&StudyInstanceUid, Vec<&Instance>> = BTreeMap::new();
    for instance in stored {
        by_study.entry(&instance.study_instance_uid).or_default().push(instance);
    }
    let arrivals: Vec<(&StudyInstanceUid, Vec<&Instance>)> = by_study.into_iter().collect();
    let mut touched = Vec::with_capacity(arrivals.len());
    let mut standing_now: Vec<Study> = Vec::with_capacity(arrivals.len());
    for group in groups(&arrivals) {
        let standing = upsert_group(connection, group).await?;
        for (study, instances) in group {
            let last = instances.iter().map(|i| i.received_at).max();
            let found = standing.iter().find(|found| found.study_instance_uid == **study);
            let Some((last, found)) = last.zip(found) else { continue };
            touched.push(((*study).clone(), last));
            let identity = Identity::of_study(found);
            let disagrees = |i: &&Instance| !same_patient(&identity, &Identity::of_tags(&i.tags));
            if instances.iter().any(disagrees) {
                hold(connection, study, HoldReason::IdentityConflict, last).await?;
            }
        }
        standing_now.extend(standing);
    }
    if let Some(now) = touched.iter().map(|(_, last)| *last).max() {
        match_to_orders(connection, &standing_now, now).await?;
    }
    Ok(touched)
}

async fn upsert_group(
    connection: &mut AnyConnection,
    group: &[(&StudyInstanceUid, Vec<&Instance>)],
) -> Result<Vec<Study>, StoreError> {
    let mut query = Statement::new(
        "INSERT INTO studies (study_instance_uid, patient_id, issuer_of_patient_id, patient_name, birth_date, \
         sex, accession_number, study_date, study_description, site, calling_ae, pathway, modality, \
         instance_count, first_arrival_at, last_arrival_at) ",
    );
    query.values(group, |row, (study, instances)| {
        let first =
            |pick: &dyn Fn(&InstanceTags) -> Option<String>| instances.iter().find_map(|i| pick(&i.tags));
        let earliest = instances.iter().min_by_key(|i| i.received_at);
        let latest = instances.iter().map(|i| i.received_at).max();
        row.bind(study.to_string())
            .bind(first(&|t| t.patient_id.as_ref().map(ToString::to_string)))
            .bind(first(&|t| filled(&t.issuer_of_patient_id)))
            .bind(first(&|t| filled(&t.patient_name)))
            .bind(first(&|t| filled(&t.birth_date)))
            .bind(first(&|t| t.sex.map(|s| s.code().to_owned())))
            .bind(first(&|t| t.accession_number.as_ref().map(ToString::to_string)))
            .bind(first(&|t| filled(&t.study_date)))
            .bind(first(&|t| filled(&t.study_description)))
            .bind(earliest.map(|i| i.site.to_string()))
            .bind(earliest.map(|i| i.calling_ae.to_string()))
            .bind(instances.iter().find_map(|i| i.pathway).map(|p| p.code().to_owned()))
            .bind(first(&|t| filled(&t.modality)).unwrap_or_default())
            .bind(i64::try_from(instances.len()).unwrap_or(i64::MAX))
            .bind(earliest.map(|i| i.received_at.to_string()))
            .bind(latest.map(|at| at.to_string()));
    });
    query.push(
        " ON CONFLICT (study_instance_uid) DO UPDATE SET \
         patient_id = COALESCE(studies.patient_id, excluded.patient_id), \
         issuer_of_patient_id = COALESCE(studies.issuer_of_patient_id, excluded.issuer_of_patient_id), \
         patient_name = COALESCE(studies.patient_name, excluded.patient_name), \
         birth_date = COALESCE(studies.birth_date, excluded.birth_date), \
         sex = COALESCE(studies.sex, excluded.sex), \
         accession_number = COALESCE(studies.accession_number, excluded.accession_number), \
         study_date = COALESCE(studies.study_date, excluded.study_date), \
         study_description = COALESCE(studies.study_description, excluded.study_description), \
         pathway = COALESCE(studies.pathway, excluded.pathway), \
         instance_count = studies.instance_count + excluded.instance_count, \
         last_arrival_at = CASE WHEN excluded.last_arrival_at > studies.last_arrival_at \
           THEN excluded.last_arrival_at ELSE studies.last_arrival_at END \
         RETURNING *",
    );
    query.build()?.fetch_all(connection).await?.iter().map(study_of).collect()
}

pub(super) async fn hold(
    connection: &mut AnyConnection,
    study: &StudyInstanceUid,
    reason: HoldReason,
    now: Timestamp,
) -> Result<u64, StoreError> {
    Ok(sqlx::query(
        "UPDATE studies SET hold_reason = $1, held_at = $2 \
         WHERE study_instance_uid = $3 AND hold_reason IS NULL",
    )
    .bind(reason.code())
    .bind(now.to_string())
    .bind(study.as_str())
    .execute(connection)
    .await?
    .rows_affected())
}

impl Store {
    /// A study, by its UID.
    pub async fn study(&self, study: &StudyInstanceUid) -> Result<Option<Study>, StoreError> {
        sqlx::query("SELECT * FROM studies WHERE study_instance_uid = $1")
            .bind(study.as_str())
            .fetch_optional(&self.reader)
            .await?
            .as_ref()
            .map(study_of)
            .transpose()
    }

    /// The studies of an accession number, newest first.
    pub async fn studies_by_accession(&self, accession: &AccessionNumber) -> Result<Vec<Study>, StoreError> {
        sqlx::query(
            "SELECT * FROM studies WHERE accession_number = $1 \
             ORDER BY last_arrival_at DESC, study_instance_uid DESC LIMIT $2",
        )
        .bind(accession.as_str())
        .bind(i64::from(self.settings.page_rows))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(study_of)
        .collect()
    }

    /// The latest arrivals, newest first, of one site or of all; `before` continues a page after its last row.
    pub async fn recent_studies(
        &self,
        site: Option<&SiteCode>,
        before: Option<&Study>,
        limit: u32,
    ) -> Result<Vec<Study>, StoreError> {
        let mut query = Statement::new("SELECT * FROM studies WHERE last_arrival_at <= ");
        // The upper bound is always there, so that the index is walked from one point.
        let upper = before.map_or(Timestamp::from_millis(i64::MAX), |study| study.last_arrival_at);
        query.bind(upper.to_string());
        if let Some(study) = before {
            query.push(" AND (last_arrival_at < ").bind(upper.to_string());
            query.push(" OR study_instance_uid < ").bind(study.study_instance_uid.to_string()).push(")");
        }
        if let Some(site) = site {
            query.push(" AND site = ").bind(site.to_string());
        }
        query.push(NO_LINK_TEST);
        query.push(" ORDER BY last_arrival_at DESC, study_instance_uid DESC LIMIT ");
        query.bind(i64::from(limit.min(self.settings.page_rows)));
        query.build()?.fetch_all(&self.reader).await?.iter().map(study_of).collect()
    }

    /// Held studies, longest held first.
    pub async fn held_studies(&self, limit: u32) -> Result<Vec<Study>, StoreError> {
        sqlx::query(
            "SELECT * FROM studies WHERE hold_reason IS NOT NULL ORDER BY held_at, study_instance_uid LIMIT $1",
        )
        .bind(i64::from(limit.min(self.settings.page_rows)))
        .fetch_all(&self.reader)
        .await?
        .iter()
        .map(study_of)
        .collect()
    }

    /// Holds a study; `false` if it was held already (the first reason stands).
    pub async fn hold_study(
        &self,
        study: &StudyInstanceUid,
        reason: HoldReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut connection = self.writer.acquire().await?;
        Ok(hold(&mut connection, study, reason, now).await? == 1)
    }

    /// Ends the hold of a study; the caller enqueues its assembly.
    ///
    /// Where the order with its accession number is for somebody else, that is settled with it, until the order changes.
    pub async fn release_study(
        &self,
        study: &StudyInstanceUid,
        by: UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = sqlx::query(
            "UPDATE studies SET hold_reason = NULL, held_at = NULL, \
             order_conflict_settled_at = CASE WHEN hold_reason = $1 THEN $2 ELSE order_conflict_settled_at END, \
             order_conflict_settled_by = CASE WHEN hold_reason = $1 THEN $3 ELSE order_conflict_settled_by END \
             WHERE study_instance_uid = $4 AND hold_reason IS NOT NULL",
        )
        .bind(HoldReason::OrderOfAnotherPatient.code())
        .bind(now.to_string())
        .bind(by.to_string())
        .bind(study.as_str())
        .execute(&self.writer)
        .await?
        .rows_affected();
        if changed == 1 { Ok(()) } else { Err(StoreError::NotFound { what: "held study" }) }
    }

    /// Records that the image set of a study is complete, by which rule, and asks for the work that follows from it;
    /// a later image set overwrites it.
    pub async fn complete_study(
        &self,
        study: &StudyInstanceUid,
        rule: CompletenessRule,
        work: &[NewJob],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write().await?;
        let changed = sqlx::query(
            "UPDATE studies SET complete_at = $1, completeness_reason = $2 WHERE study_instance_uid = $3",
        )
        .bind(now.to_string())
        .bind(rule.code())
        .bind(study.as_str())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if changed != 1 {
            return Err(StoreError::NotFound { what: "study" });
        }
        upsert_jobs(&mut transaction, work, now).await?;
        transaction.commit().await?;
        self.ring();
        Ok(())
    }
}

pub(super) fn study_of(row: &AnyRow) -> Result<Study, StoreError> {
    let hold_reason: Option<HoldReason> = optional_parsed(row, "hold_reason")?;
    let complete_at: Option<Timestamp> = optional_parsed(row, "complete_at")?;
    Ok(Study {
        study_instance_uid: parsed(row, "study_instance_uid")?,
        patient_id: optional_parsed(row, "patient_id")?,
        issuer_of_patient_id: optional_text(row, "issuer_of_patient_id")?,
        patient_name: optional_text(row, "patient_name")?,
        birth_date: optional_text(row, "birth_date")?,
        sex: optional_parsed(row, "sex")?,
        accession_number: optional_parsed(row, "accession_number")?,
        study_date: optional_text(row, "study_date")?,
        study_description: optional_text(row, "study_description")?,
        site: parsed(row, "site")?,
        calling_ae: parsed(row, "calling_ae")?,
        pathway: optional_parsed(row, "pathway")?,
        modality: text(row, "modality")?,
        instance_count: integer(row, "instance_count")?,
        first_arrival_at: parsed(row, "first_arrival_at")?,
        last_arrival_at: parsed(row, "last_arrival_at")?,
        hold: hold_reason.zip(optional_parsed(row, "held_at")?),
        complete: complete_at.zip(optional_parsed(row, "completeness_reason")?),
        order_conflict_settled_at: optional_parsed(row, "order_conflict_settled_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(id: &str, name: &str, birth: &str) -> Identity {
        Identity {
            patient_id: filled(id),
            name: filled(name),
            birth_date: filled(birth),
            ..Identity::default()
        }
    }

    #[test]
    fn two_identities_conflict_where_an_attribute_of_both_differs() {
        let ada = identity("1", "Lovelace^Ada", "18151210");
        assert!(same_patient(&ada, &identity("1", "LOVELACE^ADA^^", "18151210")));
        assert!(!same_patient(&ada, &identity("1", "King^Ada", "18151210")), "one study, one name");
        assert!(same_patient(&ada, &identity("", "", "")), "nothing said is no conflict");
        assert!(!same_patient(&ada, &identity("2", "Lovelace^Ada", "18151210")));
        assert!(!same_patient(&ada, &identity("1", "Lovelace^Ada", "18151211")));
        assert!(!same_patient(&ada, &identity("", "Babbage^Charles", "")), "only the name is there to tell");
    }
}
