//! What is released: plain values that the pipeline fills out of the database and the reading core.

use crate::vocab::{
    AccessionNumber, AiResult, CaseId, NhsNumber, Opinion, Pathway, PatientId, ReadId, SeriesInstanceUid,
    Sex, SiteCode, SopClassUid, SopInstanceUid, StudyInstanceUid, Timestamp, UserId,
};

/// Who the images are of, as the modality said.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PatientRecord {
    /// Patient ID (0010,0020); without it the record gets a patient of temporary identity.
    pub patient_id: Option<PatientId>,
    /// NHS number, where known and valid.
    pub nhs_number: Option<NhsNumber>,
    /// Patient's Name (0010,0010), component groups as sent.
    pub name: String,
    /// Patient's Birth Date (0010,0030), `YYYYMMDD`.
    pub birth_date: String,
    /// Patient's Sex (0010,0040).
    pub sex: Option<Sex>,
}

/// One series of the study.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SeriesRecord {
    /// Series Instance UID.
    pub uid: SeriesInstanceUid,
    /// Modality (0008,0060).
    pub modality: String,
    /// SOP Instance UID and SOP Class UID of each instance.
    pub instances: Vec<(SopInstanceUid, SopClassUid)>,
}

/// The images that were read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StudyRecord {
    /// Study Instance UID.
    pub uid: StudyInstanceUid,
    /// Accession Number (0008,0050).
    pub accession_number: Option<AccessionNumber>,
    /// Where they were made.
    pub site: SiteCode,
    /// Study Date (0008,0020), `YYYYMMDD`; the time of day has no zone in DICOM and is left out.
    pub date: String,
    /// When the last image came: the date of the exam where Study Date is no date.
    pub received_at: Timestamp,
    /// The series.
    pub series: Vec<SeriesRecord>,
}

/// A reader, as the record names them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// Name shown to people.
    pub name: String,
}

/// Where an urgent message goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Referrer {
    /// Name of the practice or department.
    pub name: String,
    /// ODS code, where known.
    pub ods_code: Option<String>,
}

/// The finalised human read that a result comes from (PATHWAYS R17). There is always one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verification {
    /// The read.
    pub read_id: ReadId,
    /// Whose it is.
    pub reader: Person,
    /// Others who agreed, or who sat on the panel.
    pub others: Vec<Person>,
    /// Since when it counts.
    pub finalised_at: Timestamp,
}

/// An outcome that may leave for the record.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ReleasedCase {
    /// The case.
    pub case_id: CaseId,
    /// From 1, counted over the study and pathway: a late image set that is a new case (R11) counts on, so that
    /// the record is amended and not doubled. From 2 the report is an amendment.
    pub release_number: u32,
    /// What people concluded.
    pub outcome: Opinion,
    /// Outcomes of earlier releases, oldest first: findings that are gone are withdrawn in the record.
    pub earlier_outcomes: Vec<Opinion>,
    /// Why it was amended, in words for the record.
    pub amendment: Option<String>,
    /// The finalised human read that it comes from.
    pub verification: Verification,
    /// When it was released.
    pub released_at: Timestamp,
    /// Who the images are of.
    pub patient: PatientRecord,
    /// The images.
    pub study: StudyRecord,
    /// What the AI said; never the source of the outcome.
    pub ai: Option<AiResult>,
}

impl ReleasedCase {
    /// The pathway of the outcome.
    pub fn pathway(&self) -> Pathway {
        self.outcome.pathway()
    }
}
