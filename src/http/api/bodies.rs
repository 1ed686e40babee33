//! Bodies that several resources share, and the documentation of values that `reading` and `vocab` own.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::desk::Subject;
use crate::http::history::History;
use crate::reading::CaseView;
use crate::store::{CaseRow, StoredCase, Study};
use crate::vocab::{
    AccessionNumber, CaseId, Instance, Pathway, PatientId, Sex, SiteCode, SopInstanceUid, StudyInstanceUid,
    Timestamp,
};

/// Whose study it is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PatientBody {
    /// Patient ID (0010,0020).
    #[schema(value_type = Option<String>)]
    id: Option<PatientId>,
    /// Patient's Name (0010,0010), as it came.
    name: Option<String>,
    /// Patient's Birth Date (0010,0030), `YYYYMMDD`.
    birth_date: Option<String>,
    /// Patient's Sex (0010,0040).
    #[schema(value_type = Option<String>)]
    sex: Option<Sex>,
    /// Accession Number (0008,0050).
    #[schema(value_type = Option<String>)]
    accession_number: Option<AccessionNumber>,
}

impl From<&Study> for PatientBody {
    fn from(study: &Study) -> Self {
        Self {
            id: study.patient_id.clone(),
            name: study.patient_name.clone(),
            birth_date: study.birth_date.clone(),
            sex: study.sex,
            accession_number: study.accession_number.clone(),
        }
    }
}

impl From<&CaseRow> for PatientBody {
    fn from(row: &CaseRow) -> Self {
        Self {
            id: row.patient_id.clone(),
            name: row.patient_name.clone(),
            birth_date: row.birth_date.clone(),
            sex: row.sex,
            accession_number: row.accession_number.clone(),
        }
    }
}

/// One image.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ImageBody {
    /// SOP Instance UID.
    #[schema(value_type = String)]
    sop_instance_uid: SopInstanceUid,
    /// View Position (0018,5101).
    view_position: String,
    /// Image Laterality (0020,0062), else Laterality (0020,0060).
    laterality: String,
    /// Rows of the stored pixels.
    rows: u32,
    /// Columns of the stored pixels.
    columns: u32,
    /// Number of frames.
    frames: u32,
    /// Where it is rendered as PNG.
    rendered: String,
}

impl From<&Instance> for ImageBody {
    fn from(instance: &Instance) -> Self {
        let tags = &instance.tags;
        let laterality =
            if tags.image_laterality.is_empty() { &tags.laterality } else { &tags.image_laterality };
        Self {
            sop_instance_uid: instance.sop_instance_uid.clone(),
            view_position: tags.view_position.clone(),
            laterality: laterality.clone(),
            rows: tags.rows,
            columns: tags.columns,
            frames: tags.frames,
            rendered: format!("/api/instances/{}/rendered", instance.sop_instance_uid),
        }
    }
}

/// A case as this caller may see it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseBody {
    /// Its id.
    #[schema(value_type = String)]
    case_id: CaseId,
    /// How it is read.
    #[schema(value_type = String)]
    pathway: Pathway,
    /// Proof of the caller's own claim, to be sent with every act under it.
    claim_token: Option<String>,
    /// What the caller may see. `view` is `blind` (before the lock), `assisted` (the policy shows the AI from the start),
    /// `locked` (the own opinion and nothing more) or `revealed` (everything).
    #[schema(value_type = Object)]
    case: CaseView,
    /// Whose it is.
    patient: PatientBody,
    /// What was said of the patient when the images were asked for, as it came with them.
    history: Vec<History>,
    /// Its images, in hanging order.
    images: Vec<ImageBody>,
}

impl CaseBody {
    pub(super) fn new(case: &StoredCase, view: CaseView, subject: &Subject) -> Self {
        Self {
            case_id: case.state.case_id,
            pathway: case.state.set.pathway,
            claim_token: view.case().claim.as_ref().map(|claim| claim.token.to_string()),
            case: view,
            patient: PatientBody::from(&subject.study),
            history: subject.history(),
            images: subject.images.iter().map(ImageBody::from).collect(),
        }
    }
}

/// A case in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseRowBody {
    /// Its id.
    #[schema(value_type = String)]
    pub case_id: CaseId,
    /// Its study.
    #[schema(value_type = String)]
    pub study_instance_uid: StudyInstanceUid,
    /// How it is read.
    #[schema(value_type = String)]
    pub pathway: Pathway,
    /// Where it was made.
    #[schema(value_type = String)]
    pub site: SiteCode,
    /// What it waits for; `open` to people who may still read it.
    pub state: String,
    /// Whether the order says urgent.
    pub urgent: bool,
    /// When its last image came.
    #[schema(value_type = String)]
    pub last_image_at: Timestamp,
    /// By when it is to have an outcome.
    #[schema(value_type = String)]
    pub due_at: Timestamp,
    /// How it stands by its clock: `on_time`, `due_soon`, `urgent` or `breached`.
    pub clock: &'static str,
    /// Word of the outcome, once there is one.
    pub outcome: Option<String>,
    /// When it concluded.
    #[schema(value_type = Option<String>)]
    pub concluded_at: Option<Timestamp>,
    /// What has become of the AI; never to people who may still read the case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ai_state: Option<String>,
    /// Whose it is.
    pub patient: PatientBody,
}

/// Several of something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CaseList {
    /// In their order.
    pub cases: Vec<CaseRowBody>,
    /// What to send as `after` for the page after this one.
    pub next: Option<String>,
    /// There where the name that was looked for fits more studies than this: the latest ones alone were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only_latest: Option<u32>,
}
