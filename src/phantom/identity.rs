//! Who and what a phantom pretends to be: plainly nobody.
//!
//! In: a seed and a number of the image. Out: names, ids and UIDs derived from them alone.

use super::ImageKind;

/// Root of every UID: made from a UUID (PS3.5 section B.2).
const UUID_ROOT: &str = "2.25.";

/// Identity of one study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyIdentity {
    /// Patient's Name (0010,0010).
    pub patient_name: String,
    /// Patient ID (0010,0020).
    pub patient_id: String,
    /// Accession Number (0008,0050), at most 16 characters.
    pub accession_number: String,
    /// Study Date (0008,0020), `YYYYMMDD`.
    pub study_date: String,
    /// Study Time (0008,0030), `HHMMSS`.
    pub study_time: String,
    /// Study Instance UID (0020,000D).
    pub study_instance_uid: String,
    /// What every other UID of the study is derived from.
    pub key: String,
}

impl StudyIdentity {
    /// The identity of a seed; `topic` tells studies of one seed apart (`chest`, `mammo`).
    pub fn of(seed: u64, topic: &str, date: &str, time: &str) -> Self {
        let key = format!("{topic}/{seed}/{date}{time}");
        let short = seed % 100_000_000;
        let letter: String = topic.chars().take(1).collect::<String>().to_uppercase();
        Self {
            patient_name: format!("SYNTHETIC^{}^{short:08}", topic.to_uppercase()),
            patient_id: format!("SYN-{letter}-{short:08}"),
            accession_number: format!("SYN{letter}{short:08}"),
            study_date: date.to_owned(),
            study_time: time.to_owned(),
            study_instance_uid: derived_uid(&format!("study/{key}")),
            key,
        }
    }

    /// Birth date of its patient, who was of that age then.
    pub fn birth_date(&self, age_years: u32) -> String {
        birth_date(&self.study_date, age_years)
    }
}

/// Identity of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its study.
    pub study: StudyIdentity,
    /// Series Instance UID (0020,000E).
    pub series_instance_uid: String,
    /// Series Number (0020,0011), from 1.
    pub series_number: u32,
    /// SOP Instance UID (0008,0018).
    pub sop_instance_uid: String,
}

impl Identity {
    /// The identity of the n-th image (from 1) of a study; each image is a series of its own, as from most rooms.
    pub fn of(study: &StudyIdentity, number: u32, kind: ImageKind) -> Self {
        let key = format!("{}/{number}/{}", study.key, kind.view());
        Self {
            study: study.clone(),
            series_instance_uid: derived_uid(&format!("series/{key}")),
            series_number: number,
            sop_instance_uid: derived_uid(&format!("instance/{key}")),
        }
    }
}

/// A UID that depends on a text alone: 2.25 and a version 5 UUID as a decimal number.
pub fn derived_uid(text: &str) -> String {
    let uuid =
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, format!("doubleread-phantom/{text}").as_bytes());
    format!("{UUID_ROOT}{}", uuid.as_u128())
}

/// Birth date of somebody of that age on a `YYYYMMDD` date, half a year after the last birthday.
pub fn birth_date(study_date: &str, age_years: u32) -> String {
    let year: u32 = study_date.get(..4).and_then(|y| y.parse().ok()).unwrap_or(2026);
    format!("{:04}0101", year.saturating_sub(age_years))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_plainly_synthetic_and_fit_their_attributes() {
        let study = StudyIdentity::of(u64::MAX, "mammo", "20260105", "090000");
        assert!(study.patient_name.starts_with("SYNTHETIC^") && study.patient_id.starts_with("SYN-"));
        assert!(study.accession_number.len() <= 16);
        assert!(study.study_instance_uid.len() <= 64);
        assert_eq!(study, StudyIdentity::of(u64::MAX, "mammo", "20260105", "090000"));
        assert_ne!(
            study.study_instance_uid,
            StudyIdentity::of(1, "mammo", "20260105", "090000").study_instance_uid
        );
    }
}
